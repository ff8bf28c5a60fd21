#pragma once

#include "nginx/derived.hpp"
#include "nginx/ngx.hpp"

namespace edge::ngx {

/// Takes the answer to a detached request, below the cache and above nginx's own filters. May not throw.
struct Sink {
    /// The answer's header is in r.headers_out. Anything but NGX_OK ends the request.
    ngx_int_t (*header)(void* data, ngx_http_request_t& r) noexcept;
    /// More of its body; the last buffer has last_buf, a body that breaks off has none. The result is a body
    /// filter's: NGX_AGAIN after pause(), with what was not taken kept.
    ngx_int_t (*body)(void* data, ngx_http_request_t& r, ngx_chain_t* in) noexcept;
};

enum class Purpose : std::uint8_t {
    renew,   ///< the cache renews what it has stored
    absent,  ///< the cache is to have it, if it has not
    again,   ///< the cache had it, and it was used, until the client's write: it is to have it anew
    source,  ///< the answer goes into a sink
};

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
    Purpose purpose = Purpose::renew;
    const Sink* sink = nullptr;  ///< for Purpose::source
    /// Where the cache writes what it knows of the answer, before it reaches the sink.
    std::optional<Provenance>* provenance = nullptr;
    /// Path and query to ask for; empty: the client's own.
    std::string_view target = {};
};

/// Starts one like `client`, a main request after its header was read, as GET without its
/// Range, conditional and connection fields. It begins on the next turn of the event loop. false: no memory,
/// the worker is exiting, or as many run as may (64, and 256 with a sink); `task.ended` is not called
/// then.
bool start_detached(ngx_http_request_t& client, DetachedTask task) noexcept;

/// Whether `r` was started by start_detached. Cheap.
bool is_detached(const ngx_http_request_t& r) noexcept;
/// Whether its client speaks TLS; of a detached request: whether the client it was started for did.
bool is_over_tls(const ngx_http_request_t& r) noexcept;
/// What it was started for, or nullptr.
const DetachedTask* detached_task(const ngx_http_request_t& r) noexcept;
/// Whether nobody takes the answer: it is detached and has no sink.
bool is_unheard(const ngx_http_request_t& r) noexcept;

/// In a sink's body function that has not taken all: no more comes until resume().
void pause(ngx_http_request_t& r) noexcept;
/// From the event loop, never from inside the sink: the body function is called again, with nothing new. `r`
/// may be gone afterwards.
void resume(ngx_http_request_t& r) noexcept;

/// From outside of it: ends the request where it is, as though its client had gone. `r` is gone afterwards.
void abort(ngx_http_request_t& r) noexcept;

/// In the configuration, before the cache's filters and after those that must not see what goes into sinks.
void install_sink_filters() noexcept;

}
