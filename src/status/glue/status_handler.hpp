#pragma once

#include "nginx/ngx.hpp"
#include "status/report.hpp"

namespace edge::status {

/// From `memory` on in the order of PerformancePage.
enum class Format : ngx_uint_t { none, json, prometheus, memory, cache, websocket, metrics };

/// The status page's part of a location's configuration.
struct LocConf {
    ngx_uint_t format;  ///< a Format; never inherited, as the handler is not
};

using Collect = void(ngx_http_request_t& r, Snapshot& snapshot);

/// Fills in what is shown; set by the module room, which knows every other. Names in `snapshot` must live as
/// long as the request.
extern constinit Collect* collect;

/// Where this room's part lies in the module's location configuration; defined by the module room.
extern const std::size_t kLocConfOffset;

/// Content handler of a location with edge_status: GET and HEAD, never cached.
ngx_int_t on_status(ngx_http_request_t& r);

}
