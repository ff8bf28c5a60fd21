#include <algorithm>
#include <array>

#include "cache/glue/request.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

/// edge_cache_shadow: the origin answers every request, and what the cache would have said is compared with
/// it.
namespace edge::cache {

namespace {

/// A difference is said at most once a second and worker.
void say_difference(Request& q, Difference difference)
{
    static time_t last = 0;
    static ngx_uint_t unsaid = 0;
    if (last == ngx_time()) {
        ++unsaid;
        return;
    }
    last = ngx_time();
    const std::string_view what = difference_name(difference);
    const ngx_str_t key = printable_key(q);
    ngx_log_error(NGX_LOG_WARN, q.r.connection->log, 0,
                  "edge: shadow: what is stored under \"%V\" is not what the origin says, the %*s differs "
                  "(%ui more since the last such line)",
                  &key, what.size(), what.data(), unsaid);
    unsaid = 0;
}

void conclude(Request& q, Difference difference)
{
    q.compared.reset();
    q.shadowed = {};
    observer.counted(difference == Difference::none ? Count::shadow_same : Count::shadow_different, 1);
    if (difference != Difference::none) say_difference(q, difference);
}

/// The lines that go to the client, as they would be stored: after proxy_redirect and proxy_hide_header.
std::vector<http::Field> outgoing_fields(ngx_http_request_t& r)
{
    std::vector<http::Field> fields;
    fields.reserve(16);
    const auto* type = r.upstream->headers_in.content_type;
    if (r.headers_out.content_type.len != 0 && type != nullptr)
        fields.push_back({"Content-Type", ngx::view(type->value)});
    ngx::for_each_header(r.headers_out.headers, [&](ngx_table_elt_t& line) {
        if (line.hash != 0 && line.value.data != nullptr)
            fields.push_back({ngx::view(line.key), ngx::view(line.value)});
    });
    return fields;
}

/// Whether the cache would have sent this stored response, or its 304.
bool would_be_served(Request& q, const Stored& stored)
{
    const ReuseVerdict verdict =
        may_reuse(q.facts.control, stored.head().lifetime, ngx_time(), q.conf->settings->policy);
    q.forward = verdict.forward == Forward::none ? Forward::stale : verdict.forward;
    switch (verdict.reuse) {
        case Reuse::fresh:
            if (refresh_is_due(q, stored.head().lifetime, verdict.ttl)) static_cast<void>(start_refresh(q));
            return true;
        case Reuse::stale_allowed:
            return true;
        case Reuse::stale_while_revalidate:
            return start_refresh(q) == Refresh::under_way;
        case Reuse::validate:
        case Reuse::gateway_timeout:
            break;
    }
    return false;
}

Difference compare_without_body(Request& q, const Stored& stored, std::uint16_t status)
{
    ngx_http_request_t& r = q.r;
    if (status == NGX_HTTP_NOT_MODIFIED) {  // to the client's own conditions
        const bool has_it = client_has(q, stored.value(FieldKind::etag),
                                       stored.value(FieldKind::last_modified), stored.value(FieldKind::date));
        return has_it ? Difference::none : Difference::status;
    }
    const auto fields = stored.fields();
    const Difference heads = compare_heads(stored.head().status, fields, status, outgoing_fields(r));
    if (heads != Difference::none || q.facts.method == Method::get) return heads;
    return head_contradicts(fields, q.shadowed.body_size(), origin_fields(r)) ? Difference::body
                                                                              : Difference::none;
}

}

void shadow_lookup(Request& q)
{
    q.shadow = true;
    const auto stored = q.object ? Stored::from_zone(q.object.meta()) : std::nullopt;
    if (stored && would_be_served(q, *stored)) {
        q.shadowed = std::move(q.object);
        q.status = Status::bypass;
        q.forward = Forward::bypass;
        q.may_fill = false;  // a hit stores nothing either
    } else {
        q.status = stored ? Status::expired : Status::miss;
        observer.counted(Count::shadow_miss, 1);
    }
    q.object = {};  // neither validated, nor sent in place of an error
}

void shadow_answer(Request& q, std::uint16_t status)
{
    ngx_http_request_t& r = q.r;
    if (!q.shadowed) return;
    const auto stored = Stored::from_zone(q.shadowed.meta());
    // A part, or an error that the cache might have hidden, says nothing about what is stored.
    if (!stored || status >= NGX_HTTP_INTERNAL_SERVER_ERROR || status == NGX_HTTP_PARTIAL_CONTENT ||
        status == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        q.shadowed = {};
        return;
    }
    const Difference found = compare_without_body(q, *stored, status);
    if (found != Difference::none || status == NGX_HTTP_NOT_MODIFIED || q.facts.method != Method::get) {
        conclude(q, found);
        return;
    }
    const off_t length = r.upstream->headers_in.content_length_n;
    const std::uint64_t size = q.shadowed.body_size();
    if (status == NGX_HTTP_NO_CONTENT || (length >= 0 && static_cast<std::uint64_t>(length) != size)) {
        conclude(q, status == NGX_HTTP_NO_CONTENT ? Difference::none : Difference::body);
        return;
    }
    std::vector<BodyComparison::Bytes> pieces;
    q.shadowed.for_each_piece([&](BodyComparison::Bytes piece) { pieces.push_back(piece); });
    q.compared.emplace(std::move(pieces));
}

void shadow_body(Request& q, const ngx_chain_t* in)
{
    for (const ngx_chain_t* link = in; link != nullptr && q.compared; link = link->next) {
        const ngx_buf_t& buf = *link->buf;
        bool same = true;
        if (ngx_buf_in_memory((&buf))) {
            same = q.compared->take(std::as_bytes(std::span{buf.pos, buf.last}));
        } else if (buf.in_file) {
            std::array<u_char, 16384> part;
            for (off_t at = buf.file_pos; same && at < buf.file_last;) {
                const auto want = static_cast<std::size_t>(
                    std::min<off_t>(buf.file_last - at, static_cast<off_t>(part.size())));
                const ssize_t n = ngx_read_file(buf.file, part.data(), want, at);
                if (n <= 0) {  // not comparable; the client's answer has its own way of failing
                    q.compared.reset();
                    return;
                }
                same = q.compared->take(std::as_bytes(std::span{part.data(), static_cast<std::size_t>(n)}));
                at += n;
            }
        }
        if (!same || buf.last_buf) conclude(q, q.compared->complete() ? Difference::none : Difference::body);
    }
}

}
