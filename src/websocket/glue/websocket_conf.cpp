#include "websocket/glue/websocket_conf.hpp"

#include <algorithm>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nginx/clock.hpp"
#include "nginx/options.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::websocket {

using ngx::arguments;
using ngx::Options;
using ngx::says_off;

namespace {

constexpr std::int64_t kMostPing = 24 * 3600 * 1000;

char* error() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

char* duplicate() noexcept
{
    return const_cast<char*>("is duplicate");
}

template <class T>
const T& copy_of(ngx_conf_t* cf, const T& value)
{
    return ngx::make<T>(cf->pool, value);
}

template <class T>
void inherit(const T*& value, const T* parent) noexcept
{
    if (value == nullptr) value = parent;
}

}

void init_loc_conf(LocConf& conf) noexcept
{
    conf.on = NGX_CONF_UNSET;
}

void merge_loc_conf(ngx_conf_t* cf, const LocConf& parent, LocConf& conf)
{
    ngx_conf_merge_value(conf.on, parent.on, 0);
    inherit(conf.batch, parent.batch);
    inherit(conf.priority, parent.priority);
    inherit(conf.compress, parent.compress);
    inherit(conf.limit, parent.limit);
    inherit(conf.ping, parent.ping);
    if (conf.on == 0) return;
    auto& settings = ngx::make<Settings>(cf->pool);
    RelaySettings& relay = settings.relay;
    if (conf.priority != nullptr) settings.priority = *conf.priority;
    relay.priority = &settings.priority;
    if (conf.batch != nullptr) relay.batch = conf.batch->limits;
    const LimitConf limit = conf.limit != nullptr ? *conf.limit : LimitConf{};
    relay.max_client_message = limit.message;
    relay.frames_per_second = limit.frames;
    relay.buffer = limit.buffer;
    relay.whole = std::min(relay.whole, limit.buffer);
    relay.max_upstream_message = limit.upstream_message;
    relay.max_ratio = limit.ratio;
    if (conf.ping != nullptr) {
        relay.ping_after_ms = conf.ping->after;
        relay.ping_timeout_ms = conf.ping->timeout;
    }
    relay.clock_ns = ngx::monotonic_ns;
    const CompressConf compress = conf.compress != nullptr ? *conf.compress : CompressConf{};
    if (compress.mode != Compress::unset) settings.compress = compress.mode;
    // What the app compresses by itself can't be packed.
    settings.batch_protocol =
        conf.batch != nullptr && conf.batch->protocol && settings.compress != Compress::upstream;
    settings.compress_condition = compress.condition;
    relay.level = compress.level;
    relay.memory_level = compress.memory;
    relay.min_without_context = compress.min;
    relay.min_with_context = std::min(compress.min, relay.min_with_context);
    settings.wishes.server_context_takeover = compress.context;
    settings.wishes.server_window_bits = compress.window;
    settings.wishes.client_window_bits = compress.window;
    conf.settings = &settings;
}

char* set_websocket(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.on != NGX_CONF_UNSET) return duplicate();
    const ngx_str_t& value = arguments(cf)[0];
    if (ngx::view(value) != "on" && ngx::view(value) != "off") {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_websocket: unexpected \"%V\", expected on or off",
                           &value);
        return error();
    }
    conf.on = ngx::view(value) == "on";
    return NGX_CONF_OK;
}

char* set_websocket_batch(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.batch != nullptr) return duplicate();
    BatchConf batch;
    BatchWindow::Limits& limits = batch.limits;
    if (says_off(cf)) {
        limits.delay_ms = 0;
    } else {
        Options options{cf};
        if (!options.number("messages", 1, 100000, "1 to 100000, as in messages=50", limits.messages) ||
            !options.time("delay", 10000, "at most 10s, as in delay=20ms", limits.delay_ms) ||
            !options.size("bytes", 1, 1 << 20, "1 to 1m, as in bytes=16000", limits.bytes) ||
            !options.flag("protocol", batch.protocol) ||
            !options.nothing_left("off alone, or messages=, delay=, bytes= and protocol=")) {
            return error();
        }
    }
    conf.batch = &copy_of(cf, batch);
    return NGX_CONF_OK;
}

char* set_websocket_priority(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.priority != nullptr) return duplicate();
    std::vector<std::string_view> rules;
    if (!says_off(cf)) {
        for (const ngx_str_t& arg : arguments(cf)) rules.push_back(ngx::view(arg));
    }
    auto parsed = PriorityRules::parse(rules);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) {
        const ngx_str_t text = ngx::str(*wrong);
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_websocket_priority: %V", &text);
        return error();
    }
    conf.priority = &copy_of(cf, std::get<PriorityRules>(parsed));
    return NGX_CONF_OK;
}

char* set_websocket_compress(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.compress != nullptr) return duplicate();
    CompressConf compress;
    compress.mode = Compress::edge;
    const auto args = arguments(cf);
    if (says_off(cf)) {
        compress.mode = Compress::off;
    } else if (args.size() == 1 && ngx::view(args[0]) == "upstream") {
        compress.mode = Compress::upstream;
    } else if (args.size() != 1 || ngx::view(args[0]) != "on") {
        Options options{cf};
        if (!options.size("min", 0, 1 << 30, "as in min=1k", compress.min) ||
            !options.number("level", 1, 9, "1 to 9, as in level=5", compress.level) ||
            !options.number("window", 9, 15, "9 to 15, as in window=15", compress.window) ||
            !options.number("memory", 4, 9, "4 to 9, as in memory=8", compress.memory) ||
            !options.flag("context", compress.context) || !options.complex_value("if", compress.condition) ||
            !options.nothing_left(
                "on, off or upstream alone, or min=, level=, window=, memory=, context= and if=")) {
            return error();
        }
    }
    conf.compress = &copy_of(cf, compress);
    return NGX_CONF_OK;
}

char* set_websocket_limit(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.limit != nullptr) return duplicate();
    LimitConf limit;
    Options options{cf};
    if (!options.size("message", 1, std::int64_t{1} << 40, "as in message=16m", limit.message) ||
        !options.size("buffer", 4096, 1 << 30, "4k to 1g, as in buffer=64k", limit.buffer) ||
        !options.number("frames", 0, 1000000000, "a number a second, as in frames=1000", limit.frames) ||
        !options.size("upstream_message", 1, std::int64_t{1} << 40, "as in upstream_message=64m",
                      limit.upstream_message) ||
        !options.number("ratio", 0, 1000000, "0 to 1000000, as in ratio=200", limit.ratio) ||
        !options.nothing_left("message=, upstream_message=, ratio=, buffer= and frames=")) {
        return error();
    }
    conf.limit = &copy_of(cf, limit);
    return NGX_CONF_OK;
}

char* set_websocket_ping(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.ping != nullptr) return duplicate();
    PingConf ping;
    if (!says_off(cf)) {
        const ngx_str_t& first = arguments(cf)[0];
        ngx_str_t text = first;
        const ngx_int_t after = ngx_parse_time(&text, 0);
        if (after < 1000 || after > kMostPing) {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_websocket_ping: invalid time \"%V\", expected 1s to 1d, as in 30s, or off", &first);
            return error();
        }
        ping.after = ping.timeout = static_cast<std::uint32_t>(after);
        Options options{cf, 1};
        if (!options.time("timeout", kMostPing, "at most 1d, as in timeout=10s", ping.timeout) ||
            !options.nothing_left("off alone, or a time and timeout=")) {
            return error();
        }
    }
    conf.ping = &copy_of(cf, ping);
    return NGX_CONF_OK;
}

}
