#pragma once

#include "cache/glue/request.hpp"

/// The client's side of a request whose answer goes into the zone on its way: neither a client that reads
/// slowly nor one that goes away may slow down or end what others wait for.
namespace edge::cache {

/// Whether the answer leaves at a limited rate.
bool has_rate_limit(ngx_http_request_t& r) noexcept;
/// In the header filter, before the answer's header leaves: the body will come as fast as the origin sends
/// it, and not as fast as the client takes it.
void free_from_client(Request& q);
/// In the body filter, before the first bytes: from now on a client that leaves or stalls does not end the
/// request.
void hold_client(Request& q) noexcept;
/// After bytes were handed on: keeps limit_rate, which the core forgets on the way without buffers.
void keep_rate(Request& q) noexcept;
/// The client takes no more, or takes nothing for too long: the rest goes into the zone only.
void orphan(Request& q) noexcept;

}
