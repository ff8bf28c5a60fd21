#include <new>
#include <string_view>

#include "cache/glue/request.hpp"
#include "nginx/headers.hpp"

namespace edge::cache {

namespace {

/// Fields that must not reach the origin when the whole response is wanted (RFC 9111 section 4.3.1): it would
/// judge the client's copy, or send a part.
bool is_condition(std::string_view name) noexcept
{
    for (const std::string_view field :
         {"If-None-Match", "If-Modified-Since", "If-Range", "Range", "If-Match", "If-Unmodified-Since"}) {
        if (ngx::equals_ignoring_case(name, field)) return true;
    }
    return false;
}

void push_validators(ngx_http_request_t& r, const Stored& stored)
{
    const auto etag = stored.value(FieldKind::etag);
    const auto modified = stored.value(FieldKind::last_modified);
    if (etag)
        ngx::push_header(r.headers_in.headers, "If-None-Match", *etag).lowcase_key =
            const_cast<u_char*>(reinterpret_cast<const u_char*>("if-none-match"));
    if (modified)
        ngx::push_header(r.headers_in.headers, "If-Modified-Since", *modified).lowcase_key =
            const_cast<u_char*>(reinterpret_cast<const u_char*>("if-modified-since"));
}

/// Upstream modules look names up by this hash (proxy_set_header "" for one).
void hash_names(ngx_list_t& list) noexcept
{
    ngx::for_each_header(list, [](ngx_table_elt_t& line) {
        if (line.lowcase_key != nullptr) line.hash = ngx_hash_key(line.lowcase_key, line.key.len);
    });
}

}

void swap_headers(Request& q, Withheld withheld)
{
    ngx_http_request_t& r = q.r;
    // Also when no answer comes: the access log reads them.
    ngx_http_cleanup_t* end = ngx_http_cleanup_add(&r, 0);
    if (end == nullptr) throw std::bad_alloc{};
    end->data = &q;
    end->handler = [](void* data) noexcept { restore_headers(*static_cast<Request*>(data)); };
    q.client_headers = r.headers_in.headers;
    if (ngx_list_init(&r.headers_in.headers, r.pool, 24, sizeof(ngx_table_elt_t)) != NGX_OK) {
        r.headers_in.headers = q.client_headers;
        throw std::bad_alloc{};
    }
    q.headers_swapped = true;
    ngx::for_each_header(q.client_headers, [&](ngx_table_elt_t& line) {
        if (withheld.conditions && is_condition(ngx::view(line.key))) return;
        if (withheld.codings && ngx::equals_ignoring_case(ngx::view(line.key), "Accept-Encoding")) return;
        auto* copy = static_cast<ngx_table_elt_t*>(ngx_list_push(&r.headers_in.headers));
        if (copy == nullptr) {
            restore_headers(q);
            throw std::bad_alloc{};
        }
        *copy = line;
    });
    q.stripped_conditions = withheld.conditions;
    if (q.validating) {
        const auto stored = Stored::from_zone(q.object.meta());
        if (stored) push_validators(r, *stored);
        hash_names(r.headers_in.headers);
    }
}

void restore_headers(Request& q) noexcept
{
    if (!q.headers_swapped) return;
    // The list's `last` may point at its own first part: only this very place is right for the saved value.
    q.r.headers_in.headers = q.client_headers;
    q.headers_swapped = false;
}

}
