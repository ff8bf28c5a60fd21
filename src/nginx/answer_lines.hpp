#pragma once

#include <new>
#include <string_view>

#include "nginx/headers.hpp"
#include "nginx/ngx.hpp"
#include "nginx/str.hpp"

/// The lines of an answer that is not nginx's own, in headers_out, where nginx's filters look for them.
namespace edge::ngx {

/// `expires` and gzip_proxied look at the Cache-Control lines through this member, whose type changed
/// in 1.23.
inline void note_cache_control(ngx_http_request_t& r, ngx_table_elt_t& line)
{
#if (nginx_version >= 1023000)
    ngx_table_elt_t** end = &r.headers_out.cache_control;
    while (*end != nullptr) end = &(*end)->next;
    *end = &line;
#else
    ngx_array_t& lines = r.headers_out.cache_control;
    if (lines.elts == nullptr && ngx_array_init(&lines, r.pool, 2, sizeof(ngx_table_elt_t*)) != NGX_OK) {
        throw std::bad_alloc{};
    }
    auto** slot = static_cast<ngx_table_elt_t**>(ngx_array_push(&lines));
    if (slot == nullptr) throw std::bad_alloc{};
    *slot = &line;
#endif
}

/// Of lines of the same name the first counts, here and in nginx's filters.
inline void note_first(ngx_table_elt_t*& known, ngx_table_elt_t& line) noexcept
{
    if (known == nullptr) known = &line;
}

/// Adds a line by its name, and what knows it. Location has no pointer on purpose: nginx would make a
/// relative one absolute. Throws std::bad_alloc. The texts must live as long as the request.
inline void push_answer_line(ngx_http_request_t& r, std::string_view name, std::string_view value)
{
    auto& out = r.headers_out;
    ngx_table_elt_t& line = push_header(out.headers, name, value);
    if (equals_ignoring_case(name, "Cache-Control")) note_cache_control(r, line);
    if (equals_ignoring_case(name, "Content-Encoding")) note_first(out.content_encoding, line);
    if (equals_ignoring_case(name, "Date")) note_first(out.date, line);
    if (equals_ignoring_case(name, "ETag")) note_first(out.etag, line);
    if (equals_ignoring_case(name, "Expires")) note_first(out.expires, line);
    if (equals_ignoring_case(name, "Last-Modified")) note_first(out.last_modified, line);
    if (equals_ignoring_case(name, "Server")) note_first(out.server, line);
}

}
