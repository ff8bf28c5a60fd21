#pragma once

#include "http/field.hpp"
#include "nginx/ngx.hpp"

namespace edge::ngx {

/// Makes a request that we answer ourselves look as though its origin had answered: what reads r.upstream,
/// the cache above all, finds this status and these lines there, with Date, ETag, Last-Modified and
/// Content-Type where nginx puts them. No connection belongs to it, and nginx never starts it. The texts must
/// live as long as the request. `length`: of the body, -1 when there is none. Throws std::bad_alloc.
void stand_in_for_origin(ngx_http_request_t& r, ngx_uint_t status, http::Fields fields, off_t length);

}
