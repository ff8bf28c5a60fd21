#pragma once

#include "nginx/ngx.hpp"

namespace edge::websocket {

/// PRECONTENT handler: hides the client's Sec-WebSocket-Extensions from the upstream where the edge settles
/// them itself. Never ends a request.
ngx_int_t on_request(ngx_http_request_t& r);

/// Adds the header filter that sees the 101. Once a configuration, before nginx's filters.
void install_header_filter() noexcept;

}
