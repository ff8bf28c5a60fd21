#include <array>
#include <charconv>
#include <new>
#include <optional>

#include "cache/glue/encode.hpp"
#include "cache/glue/passing.hpp"
#include "cache/glue/purge.hpp"
#include "cache/glue/request.hpp"
#include "http/cache_status.hpp"
#include "nginx/answer_lines.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

std::optional<std::string_view> value_of(const ngx_table_elt_t* line) noexcept
{
    if (line == nullptr) return std::nullopt;
    return ngx::view(line->value);
}

/// Adds a stored line and the pointer by which nginx's own filters know it. Location has none on purpose:
/// nginx would make a relative one absolute, which the origin's answer was spared.
void push_stored(ngx_http_request_t& r, FieldKind kind, const http::Field& field)
{
    if (kind == FieldKind::content_type) {
        r.headers_out.content_type = ngx::str(field.value);
        const std::size_t semicolon = field.value.find(';');
        r.headers_out.content_type_len = semicolon == std::string_view::npos ? field.value.size() : semicolon;
        r.headers_out.content_type_lowcase = nullptr;
        return;
    }
    ngx_table_elt_t& line = ngx::push_header(r.headers_out.headers, field.name, field.value);
    switch (kind) {
        case FieldKind::accept_ranges:
            ngx::note_first(r.headers_out.accept_ranges, line);
            break;
        case FieldKind::cache_control:
            ngx::note_cache_control(r, line);
            break;
        case FieldKind::content_encoding:
            ngx::note_first(r.headers_out.content_encoding, line);
            break;
        case FieldKind::date:
            ngx::note_first(r.headers_out.date, line);
            break;
        case FieldKind::etag:
            ngx::note_first(r.headers_out.etag, line);
            break;
        case FieldKind::expires:
            ngx::note_first(r.headers_out.expires, line);
            break;
        case FieldKind::last_modified:
            ngx::note_first(r.headers_out.last_modified, line);
            break;
        case FieldKind::server:
            ngx::note_first(r.headers_out.server, line);
            break;
        default:
            break;
    }
}

void push_age(Request& q)
{
    char* const digits = q.age_text.data();
    const auto end = std::to_chars(digits, digits + q.age_text.size(), q.age).ptr;
    ngx::push_header(q.r.headers_out.headers, "Age", {digits, static_cast<std::size_t>(end - digits)});
}

bool says_none(std::optional<std::string_view> accept_ranges) noexcept
{
    return accept_ranges && ngx::equals_ignoring_case(*accept_ranges, "none");
}

/// Why the answer is not kept; else what happened that the rest of Cache-Status does not say.
std::string_view detail_of(const Request& q) noexcept
{
    if (q.reason != NotStored::stored) return reason_name(q.reason);
    if (q.from_redis && q.step == Request::Step::serving) return "redis";
    return q.shadow ? "shadow" : "";
}

}

bool client_has(Request& q, std::optional<std::string_view> etag, std::optional<std::string_view> modified,
                std::optional<std::string_view> date)
{
    ngx_http_request_t& r = q.r;
    const ngx_uint_t ignored = q.conf->ignore_client;
    auto none_match = value_of(r.headers_in.if_none_match);
    auto modified_since = value_of(r.headers_in.if_modified_since);
    if ((ignored & kIgnoreClientIfNoneMatch) != 0) none_match.reset();
    if ((ignored & kIgnoreClientIfModifiedSince) != 0) modified_since.reset();
    if (!none_match && !modified_since) return false;
    return evaluate_precondition(none_match, modified_since, etag, modified, date, ngx_time()) ==
           Precondition::not_modified;
}

void make_not_modified(ngx_http_request_t& r) noexcept
{
    r.headers_out.status = NGX_HTTP_NOT_MODIFIED;
    r.headers_out.status_line.len = 0;
    r.headers_out.content_type.len = 0;
    ngx_http_clear_content_length((&r));
    ngx_http_clear_accept_ranges((&r));
    r.allow_ranges = 0;
    if (r.headers_out.content_encoding != nullptr) {
        r.headers_out.content_encoding->hash = 0;
        r.headers_out.content_encoding = nullptr;
    }
    observer.counted(Count::not_modified, 1);
}

void drop_representation(ngx_http_request_t& r) noexcept
{
    ngx::for_each_header(r.headers_out.headers, [](ngx_table_elt_t& line) {
        for (const std::string_view name :
             {"Content-Encoding", "Content-Language", "Content-Location", "Content-Disposition",
              "Cache-Control", "Expires", "ETag", "Last-Modified", "Age"}) {
            if (ngx::equals_ignoring_case(ngx::view(line.key), name)) line.hash = 0;
        }
    });
    r.headers_out.content_encoding = nullptr;
}

void prepare_stored(Request& q, const Stored& stored, std::int64_t length)
{
    ngx_http_request_t& r = q.r;
    const StoredHead& head = stored.head();
    if (has_heirs(q)) {
        const bool whole = q.object && !q.variant && q.object.progress() == Progress::complete;
        tell_provenance(q, lifetime_now(q, stored), head.sequence, stored.tags(),
                        whole ? q.object.stamp() : std::nullopt);
    }
    r.headers_out.status = head.status;
    r.headers_out.status_line.len = 0;
    r.disable_not_modified = 1;  // judged here: nginx lets If-Modified-Since override If-None-Match
    r.allow_ranges = 0;
    r.single_range = 1;  // several ranges over several buffers are beyond nginx's range filter: 200 then
    r.headers_out.last_modified_time = head.last_modified;
    const bool bodiless = head.status == NGX_HTTP_NO_CONTENT || head.status == NGX_HTTP_NOT_MODIFIED;
    if (q.variant) length = static_cast<std::int64_t>(q.variant.body_size());
    r.headers_out.content_length_n = bodiless ? -1 : static_cast<off_t>(length);
    const auto& out = r.headers_out;
    for (std::size_t i = 0; i < stored.size(); ++i) push_stored(r, stored.kind(i), stored.field(i));
    q.age = current_age(head.lifetime, ngx_time());
    push_age(q);
    if (q.negotiated) note_negotiation(r);
    if (head.status != NGX_HTTP_OK) return;

    const auto etag = value_of(out.etag);
    const auto modified = value_of(out.last_modified);
    const auto date = value_of(out.date);
    // Range means nothing to a HEAD (RFC 9110 section 14.2).
    const bool range_counts = q.facts.method == Method::get || r.headers_in.range == nullptr;
    if (q.variant) {
        ngx_http_clear_accept_ranges((&r));
        const std::string_view name = http::coding_name(q.coding);
        r.headers_out.content_encoding = &ngx::push_header(r.headers_out.headers, "Content-Encoding", name);
    } else if (range_counts && !says_none(value_of(out.accept_ranges)) &&
               range_applies(value_of(r.headers_in.if_range), etag, modified, date)) {
        ngx_http_clear_accept_ranges((&r));  // the range filter adds its own
        r.allow_ranges = 1;
    }
    const auto copy = client_copy(q, q.coding, etag, modified, date);
    note_coding(r, copy.value_or(q.coding));
    if (copy) make_not_modified(r);
}

void add_cache_status(Request& q, bool stored, std::optional<std::uint16_t> origin_status,
                      std::optional<std::int64_t> ttl)
{
    ngx_http_request_t& r = q.r;
    const http::CacheStatus member{.cache = "edge",
                                   .hit = q.step == Request::Step::serving && !q.collapsed,
                                   .forward = forward_name(q.forward),
                                   .forward_status = origin_status.value_or(0),
                                   .ttl = ttl,
                                   .stored = stored,
                                   .collapsed = q.collapsed,
                                   .key = {},
                                   .detail = detail_of(q)};
    const std::size_t bound = http::cache_status_bound(member, {});
    auto* text = static_cast<char*>(ngx_pnalloc(r.pool, bound));
    if (text == nullptr) throw std::bad_alloc{};
    ngx::push_header(r.headers_out.headers, "Cache-Status",
                     http::write_cache_status(member, {}, {text, bound}));
}

ngx_chain_t* stored_body(Request& q)
{
    ngx_pool_t* pool = q.r.pool;
    ngx_chain_t* first = nullptr;
    ngx_chain_t** end = &first;
    ngx_buf_t* last = nullptr;
    const auto add = [&](std::span<const std::byte> piece) {
        ngx_buf_t* buf = ngx::array<ngx_buf_t>(pool, 1);
        ngx_chain_t* link = ngx_alloc_chain_link(pool);
        if (link == nullptr) throw std::bad_alloc{};
        *buf = ngx_buf_t{};
        buf->pos = buf->start = reinterpret_cast<u_char*>(const_cast<std::byte*>(piece.data()));
        buf->last = buf->end = buf->pos + piece.size();
        buf->memory = 1;  // nobody may write there: it may be the zone's
        link->buf = last = buf;
        link->next = nullptr;
        *end = link;
        end = &link->next;
    };
    if (q.passing == nullptr) {
        (q.variant ? q.variant : q.object).for_each_piece(add);
    } else if (!q.passing->body().empty()) {
        add(q.passing->body());
    }
    if (last != nullptr) {
        last->last_buf = 1;
        last->last_in_chain = 1;
    }
    return first;
}

ngx_int_t send_stored(Request& q)
{
    ngx_http_request_t& r = q.r;
    const ngx_int_t rc = ngx_http_send_header(&r);
    if (rc > NGX_OK) drop_representation(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r.header_only) return rc;
    if (r.headers_out.status == NGX_HTTP_PARTIAL_CONTENT) observer.counted(Count::partial, 1);
    ngx_chain_t* body = stored_body(q);
    if (body == nullptr) return ngx_http_send_special(&r, NGX_HTTP_LAST);
    count_served(q);
    return ngx_http_output_filter(&r, body);
}

std::uint64_t served_size(const Request& q) noexcept
{
    return q.passing != nullptr ? q.passing->body().size() : q.object.body_size();
}

void count_served(const Request& q) noexcept
{
    if (!q.variant) return observer.counted(Count::bytes_served, served_size(q));
    observer.counted(Count::bytes_served, q.variant.body_size());
    observer.sent_encoded(q.coding, q.object.body_size() - q.variant.body_size());
}

}
