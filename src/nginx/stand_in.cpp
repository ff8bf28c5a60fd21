#include "nginx/stand_in.hpp"

#include <new>

#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::ngx {

namespace {

ngx_http_upstream_conf_t no_settings;  // all zero: nothing is limited, stored or cached

}

void stand_in_for_origin(ngx_http_request_t& r, ngx_uint_t status, http::Fields fields, off_t length)
{
    if (ngx_http_upstream_create(&r) != NGX_OK) throw std::bad_alloc{};
    ngx_http_upstream_t& u = *r.upstream;
    u.conf = &no_settings;
    auto& in = u.headers_in;
    if (ngx_list_init(&in.headers, r.pool, 16, sizeof(ngx_table_elt_t)) != NGX_OK ||
        ngx_list_init(&in.trailers, r.pool, 1, sizeof(ngx_table_elt_t)) != NGX_OK) {
        throw std::bad_alloc{};
    }
    in.status_n = status;
    in.content_length_n = length;
    for (const http::Field& field : fields) {
        ngx_table_elt_t& line = push_header(in.headers, field.name, field.value);
        if (equals_ignoring_case(field.name, "Date")) in.date = &line;
        if (equals_ignoring_case(field.name, "ETag")) in.etag = &line;
        if (equals_ignoring_case(field.name, "Last-Modified")) in.last_modified = &line;
        if (equals_ignoring_case(field.name, "Content-Type")) in.content_type = &line;
    }
}

}
