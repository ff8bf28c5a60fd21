#pragma once

#include <cstddef>
#include <cstdint>

#include "nginx/ngx.hpp"
#include "websocket/batch_window.hpp"
#include "websocket/priority.hpp"
#include "websocket/settings.hpp"

namespace edge::websocket {

/// edge_websocket_compress. `upstream`: the client's offer goes to the upstream, and what it agrees on
/// passes.
enum class Compress : std::uint8_t { unset, off, edge, upstream };

struct BatchConf {
    BatchWindow::Limits limits;
    bool protocol = false;  ///< edge.batch.v1 with clients that offer it
};

struct CompressConf {
    Compress mode = Compress::unset;
    std::uint32_t min = 1024;  ///< bytes; of messages compressed without shared context
    std::uint8_t level = 5;    ///< zlib's, 1 to 9
    std::uint8_t window = 15;  ///< bits, 9 to 15
    std::uint8_t memory = 8;   ///< zlib's memLevel, 4 to 9
    bool context = true;       ///< what goes to the client is compressed with the messages before
    ngx_http_complex_value_t* condition = nullptr;  ///< compressed unless its value is empty or "0"
};

struct LimitConf {
    std::uint64_t message = 16 * 1024 * 1024;  ///< bytes of a client's message, decompressed
    std::uint32_t buffer = 64 * 1024;          ///< bytes held for one side before the other is no longer read
    std::uint32_t frames = 0;                  ///< from a client, a second; 0: any number
    std::uint64_t upstream_message = UINT64_MAX;  ///< bytes of an app's message
    std::uint32_t ratio = 200;                    ///< of a client's message to what it came as; 0: any
};

/// edge_websocket_ping, in milliseconds; `after` 0: off.
struct PingConf {
    std::uint32_t after = 0;
    std::uint32_t timeout = 0;
};

/// What a location says, for the tunnels that begin in it. Lives as long as the configuration.
struct Settings {
    RelaySettings relay;
    PriorityRules priority;  ///< what relay.priority points to
    bool batch_protocol = false;
    Compress compress = Compress::edge;
    ngx_http_complex_value_t* compress_condition = nullptr;
    DeflateWishes wishes;
};

/// The websocket room's part of a location's configuration; plain, so that nginx can zero it. nullptr and
/// NGX_CONF_UNSET: not said.
struct LocConf {
    ngx_flag_t on;
    const BatchConf* batch;
    const PriorityRules* priority;
    const CompressConf* compress;
    const LimitConf* limit;
    const PingConf* ping;
    const Settings* settings;  ///< made by merge_loc_conf(); nullptr: off
};

/// Where this room's part lies in the module's location configuration; defined by the module room.
extern const std::size_t kLocConfOffset;

inline LocConf& loc_conf(ngx_http_request_t& r) noexcept
{
    auto* whole = static_cast<char*>(ngx_http_get_module_loc_conf((&r), ngx_http_edge_module));
    return *reinterpret_cast<LocConf*>(whole + kLocConfOffset);
}

void init_loc_conf(LocConf& conf) noexcept;
/// Takes what `conf` does not say from `parent` and builds the settings. Throws std::bad_alloc.
void merge_loc_conf(ngx_conf_t* cf, const LocConf& parent, LocConf& conf);

// Directive setters. An NGX_CONF_ERROR is already logged with file and line.
char* set_websocket(ngx_conf_t* cf, LocConf& conf);
char* set_websocket_batch(ngx_conf_t* cf, LocConf& conf);
char* set_websocket_priority(ngx_conf_t* cf, LocConf& conf);
char* set_websocket_compress(ngx_conf_t* cf, LocConf& conf);
char* set_websocket_limit(ngx_conf_t* cf, LocConf& conf);
char* set_websocket_ping(ngx_conf_t* cf, LocConf& conf);

}
