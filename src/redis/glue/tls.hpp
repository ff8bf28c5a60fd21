#pragma once

#include <string>

#include "nginx/ngx.hpp"
#include "redis/glue/settings.hpp"

namespace edge::redis {

/// Makes `c`, just connected, a TLS client's with SNI, and begins the handshake: the result is
/// ngx_ssl_handshake's. `host` stands where the settings have no name.
ngx_int_t begin_tls(ngx_connection_t* c, Tls& tls, const std::string& host) noexcept;
/// After the handshake: why the peer is not who it should be, or nullptr.
const char* peer_objection(ngx_connection_t* c, const Tls& tls, const std::string& host) noexcept;
/// Before the connection is closed.
void end_tls(ngx_connection_t* c) noexcept;

}
