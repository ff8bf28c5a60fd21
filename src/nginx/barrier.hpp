#pragma once

#include <exception>
#include <new>
#include <utility>

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// Runs `body`. Whatever it throws ends here, as one log line and `otherwise`: an exception that left a
/// callback would take the worker and every connection in it along.
template <class Result, class Body>
Result guarded(ngx_log_t* log, Result otherwise, Body&& body) noexcept
{
    try {
        return std::forward<Body>(body)();
    } catch (const std::bad_alloc&) {
        ngx_log_error(NGX_LOG_CRIT, log, 0, "edge: out of memory");
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "edge: %s", e.what());
    } catch (...) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "edge: unknown exception");
    }
    return otherwise;
}

/// The noexcept pointer nginx stores for a request handler: *slot = entry<on_lookup, NGX_DECLINED>.
template <auto Handler, ngx_int_t Otherwise>
ngx_int_t entry(ngx_http_request_t* r) noexcept
{
    return guarded<ngx_int_t>(r->connection->log, Otherwise, [r] { return Handler(*r); });
}

}
