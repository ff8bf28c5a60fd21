#pragma once

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// A full request without a client: through the location of a client's request, with its headers, address and
/// credentials, in phases and upstream module of its own, independent of the client's life. It answers to
/// nobody: filters that come after ours must not see it (`is_detached`).
///
/// Ownership: everything belongs to the detached request itself and goes with it. The callback may be called
/// after the client's request and its configuration's reload; never from inside start_detached.
struct DetachedTask {
    /// Called once, when the request is over, however it ended. May not throw.
    void (*ended)(void* data) noexcept;
    void* data;
};

/// Starts one like `client`, a main request after its header was read, as GET of the same URI without its
/// Range, conditional and connection fields. It begins on the next turn of the event loop. false: no memory,
/// the worker is exiting, or as many run as may (64); `task.ended` is not called then.
bool start_detached(ngx_http_request_t& client, DetachedTask task) noexcept;

/// Whether `r` was started by start_detached. Cheap.
bool is_detached(const ngx_http_request_t& r) noexcept;

}
