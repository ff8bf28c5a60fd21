#pragma once

#include "nginx/ngx.hpp"

/// A request whose phase handler waits for something that is not its client.
namespace edge::ngx {

/// From now on nothing but a client that leaves is noticed. false: that can't be watched for; the request is
/// to end with an error.
inline bool suspend(ngx_http_request_t& r) noexcept
{
    r.read_event_handler = ngx_http_test_reading;
    r.write_event_handler = ngx_http_request_empty_handler;
    return ngx_handle_read_event(r.connection->read, 0) == NGX_OK;
}

/// The phases go on with the handler that waited. `r` and whoever calls may be gone afterwards.
inline void resume_phases(ngx_http_request_t& r) noexcept
{
    r.read_event_handler = ngx_http_block_reading;
    r.write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(&r);
}

/// The same out of an event that is not the request's own.
inline void resume_phases_from_event(ngx_http_request_t& r) noexcept
{
    ngx_connection_t* c = r.connection;
    ngx_http_set_log_request(c->log, &r);
    resume_phases(r);
    ngx_http_run_posted_requests(c);
}

}
