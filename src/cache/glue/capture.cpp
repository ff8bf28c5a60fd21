#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "cache/glue/client_side.hpp"
#include "cache/glue/collapse.hpp"
#include "cache/glue/encode.hpp"
#include "cache/glue/held_answer.hpp"
#include "cache/glue/identity.hpp"
#include "cache/glue/invalidate.hpp"
#include "cache/glue/output.hpp"
#include "cache/glue/purge.hpp"
#include "cache/glue/request.hpp"
#include "nginx/barrier.hpp"
#include "nginx/buffering.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

ngx_http_output_header_filter_pt next_header;
ngx_http_output_body_filter_pt next_body;

using Step = Request::Step;

/// The answer on its way out is what the origin said to the request of this very location.
bool is_the_origins(const Request& q) noexcept
{
    const ngx_http_request_t& r = q.r;
    return r.upstream != nullptr && !q.redirected && q.uri_changes == r.uri_changes && !r.error_page &&
           r.err_status == 0 && r.upstream->headers_in.status_n == r.headers_out.status &&
           r.upstream->headers_in.status_n != 0;
}

std::optional<std::string_view> origin_value(const ngx_table_elt_t* line) noexcept
{
    if (line == nullptr || line->value.data == nullptr) return std::nullopt;
    return ngx::view(line->value);
}

/// Sends the stored object instead: what is on its way out is thrown away, header and body.
void replace(Request& q, const Stored& stored, Status status)
{
    ngx_http_request_t& r = q.r;
    ngx_http_clean_header(&r);
    r.err_status = 0;
    q.step = Step::replacing;
    q.status = status;
    if (r.upstream != nullptr && !ngx::needs_buffers(r) && !has_rate_limit(r)) r.upstream->buffering = 0;
    choose_variant(q, stored);
    prepare_stored(q, stored, static_cast<std::int64_t>(q.object.body_size()));
}

bool replace_on_error(Request& q, std::uint16_t origin_status)
{
    if (!q.object) return false;
    const auto stored = Stored::parse(q.object.meta());
    if (!stored || is_purged(q, q.object, *stored) || is_out_of_touch(q, *stored)) return false;
    if (!may_serve_on_error(q.facts.control, lifetime_now(q, *stored), origin_status, ngx_time(),
                            q.conf->settings->policy)) {
        return false;
    }
    replace(q, *stored, Status::stale);
    add_cache_status(q, false, origin_status == 0 ? std::nullopt : std::optional{origin_status},
                     time_to_live(lifetime_now(q, *stored), ngx_time()));
    observer.counted(Count::served_on_error, 1);
    observer.counted(Count::validation_failed, 1);
    return true;
}

/// The client gets the Date that later hits have, not nginx's own.
void keep_date(ngx_http_request_t& r)
{
    const ngx_table_elt_t* date = r.upstream->headers_in.date;
    if (date == nullptr || r.headers_out.date != nullptr) return;
    r.headers_out.date = &ngx::push_header(r.headers_out.headers, "Date", ngx::view(date->value));
}

/// A full answer came for a request with our validators, or to a miss.
void take_answer(Request& q)
{
    ngx_http_request_t& r = q.r;
    const ngx_http_upstream_t& u = *r.upstream;
    const auto status = static_cast<std::uint16_t>(u.headers_in.status_n);
    if (q.validating) observer.counted(Count::validated_200, 1);

    if (q.may_fill) {
        q.reason = start_fill(q);
        if (q.reason == NotStored::stored) {
            q.step = Step::filling;
            keep_date(r);
            free_from_client(q);
        } else {
            observer.not_stored(q.reason);
        }
    }
    if (status == NGX_HTTP_PARTIAL_CONTENT && q.may_fetch_whole) fetch_whole(q);
    const bool filling = q.step == Step::filling;
    if (!filling && q.object && q.facts.method == Method::get && status < 500) {
        forget(q);  // what the origin says now is not to be kept, nor what it said before
    }
    if (!filling && q.shadow && q.status == Status::expired && status < 500) q.zone->remove(q.selected);
    add_cache_status(q, filling, status, filling ? std::optional{q.stored_ttl} : std::nullopt);
    if (filling && q.negotiated) note_negotiation(r);
    if (!q.stripped_conditions || status != NGX_HTTP_OK) return;
    // The origin was not shown the client's conditions: they are judged here.
    r.allow_ranges = filling ? 1 : 0;
    r.single_range = 1;
    r.disable_not_modified = 1;
    if (const auto copy =
            client_copy(q, http::Coding::identity, origin_value(u.headers_in.etag),
                        origin_value(u.headers_in.last_modified), origin_value(u.headers_in.date))) {
        note_coding(r, *copy);
        make_not_modified(r);
        if (filling) q.step = Step::capturing;
    }
}

/// HEAD: nothing to store, but its answer may renew or contradict what is.
void take_head_answer(Request& q)
{
    const auto status = static_cast<std::uint16_t>(q.r.upstream->headers_in.status_n);
    if (q.object && status == NGX_HTTP_OK && q.derived == nullptr) {
        const auto stored = Stored::parse(q.object.meta());
        const auto origin = origin_fields(q.r);
        if (!stored || head_contradicts(stored->fields(), q.object.body_size(), origin)) {
            forget(q);
        } else {
            static_cast<void>(renew_stored(q, false));
        }
    }
    add_cache_status(q, false, status, std::nullopt);
}

/// What the origin, or nginx in its place, answered: decides what the client gets and what is kept.
void take_any_answer(Request& q)
{
    ngx_http_request_t& r = q.r;
    restore_headers(q);
    q.answered = true;
    hide_tag_fields(q);
    if (!is_the_origins(q)) {
        const bool failed =
            q.origin_failed || origin_failed(r) || (q.derived != nullptr && q.derived->failed);
        if (q.step == Step::forwarding && failed && replace_on_error(q, 0)) return;
        invalidate_written(q);
        add_cache_status(q, false, std::nullopt, std::nullopt);
        return;
    }
    const auto status = static_cast<std::uint16_t>(r.upstream->headers_in.status_n);
    if (status == NGX_HTTP_UNAUTHORIZED) token_was_refused(q);
    if (r.upstream->state != nullptr)
        observer.origin_answered(std::uint64_t{r.upstream->state->header_time} * 1000);
    if (q.step != Step::forwarding) {
        invalidate_written(q);
        add_cache_status(q, false, status, std::nullopt);
        return;
    }
    if (q.shadow) shadow_answer(q, status);
    if (status == NGX_HTTP_NOT_MODIFIED && q.validating) {
        const bool renewed = renew_stored(q, true);
        observer.counted(Count::validated_304, 1);
        if (!renewed) {
            // The origin speaks of another response than ours: this once it is all there is, then no more.
            forget(q);
            q.renewed.assign(q.object.meta().begin(), q.object.meta().end());
        }
        if (const auto stored = Stored::parse(q.renewed)) {
            replace(q, *stored, Status::revalidated);
            add_cache_status(q, renewed, status, q.stored_ttl);
            // Those who wait look again; were it no fresher than before they would ask one after the other.
            if (renewed && q.stored_ttl > 0) end_flight(q);
            return;
        }
    }
    if (status >= NGX_HTTP_INTERNAL_SERVER_ERROR && replace_on_error(q, status)) return;
    if (q.facts.method == Method::head) {
        take_head_answer(q);
    } else {
        take_answer(q);
    }
}

void on_answer(Request& q)
{
    take_any_answer(q);
    const bool for_others = q.step == Step::filling || q.step == Step::capturing;
    if (q.flight && !for_others) {
        const auto status = q.r.upstream != nullptr ? q.r.upstream->headers_in.status_n : 0;
        // That a key is asked for too seldom is no lasting judgement on it.
        refuse_followers(q, status == 0 || status >= NGX_HTTP_INTERNAL_SERVER_ERROR || !is_the_origins(q) ||
                                q.reason == NotStored::uses);
    }
}

/// Moves what fits of the buffer into `room`; 0: it could not be read.
std::size_t take_bytes(ngx_buf_t& buf, std::span<std::byte> room)
{
    if (ngx_buf_in_memory((&buf))) {
        const std::size_t n = std::min<std::size_t>(room.size(), buf.last - buf.pos);
        std::memcpy(room.data(), buf.pos, n);
        buf.pos += n;
        if (buf.in_file) buf.file_pos += n;
        return n;
    }
    const ssize_t n =
        ngx_read_file(buf.file, reinterpret_cast<u_char*>(room.data()), room.size(), buf.file_pos);
    if (n <= 0) return 0;
    buf.file_pos += n;
    return static_cast<std::size_t>(n);
}

/// Copies one buffer into the fill. false: the zone took no more, or it could not be read; what is left of
/// the buffer is untouched.
bool store_buffer(Request& q, ngx_buf_t& buf, Output* out)
{
    while (ngx_buf_size((&buf)) > 0) {
        const std::span<std::byte> room = q.fill.room(static_cast<std::size_t>(ngx_buf_size((&buf))));
        if (room.empty()) return false;
        const std::size_t n = take_bytes(buf, room);
        if (n == 0) return false;
        q.fill.advance(n);
        if (out != nullptr) out->add(room.first(n));
    }
    return true;
}

void give_up_fill(Request& q, NotStored why) noexcept
{
    q.step = Step::finished;  // the fill itself stays: buffers on their way to the client point into it
    if (!q.published) refuse_followers(q, false);
    observer.counted(Count::fill_aborted, 1);
    observer.not_stored(why);
}

/// The client has had its 304, or has gone; the zone takes the body.
ngx_int_t fill_only(Request& q, ngx_chain_t* in)
{
    bool ended = false;
    for (ngx_chain_t* link = in; link != nullptr; link = link->next) {
        ngx_buf_t& buf = *link->buf;
        if (q.step == Step::capturing && !store_buffer(q, buf, nullptr)) {
            give_up_fill(q, NotStored::no_room);
            q.discard = true;
            ended = q.orphaned;
        }
        buf.pos = buf.last;
        buf.file_pos = buf.file_last;
        if (buf.last_buf && q.step == Step::capturing) {
            finish_fill(q);
            q.discard = true;
            ended = true;
        }
    }
    if (q.step == Step::capturing) announce_progress(q);
    // An orphan's client must not get an end it has not had the rest of.
    return ended && q.orphaned ? NGX_ERROR : NGX_OK;
}

ngx_int_t fill_and_forward(Request& q, ngx_chain_t* in)
{
    hold_client(q);
    Output out{q};
    for (ngx_chain_t* link = in; link != nullptr; link = link->next) {
        ngx_buf_t& buf = *link->buf;
        if (!store_buffer(q, buf, &out)) {
            give_up_fill(q, NotStored::no_room);
            out.rest(link);
            break;
        }
        out.flags_of(buf);
        if (buf.last_buf) finish_fill(q);
    }
    if (q.step == Step::filling) announce_progress(q);
    const ngx_int_t rc = out.send(next_body);
    keep_rate(q);
    if (q.step != Step::filling || (rc != NGX_ERROR && rc <= NGX_OK)) return rc;
    if (q.client_side == nullptr) {
        give_up_fill(q, NotStored::other);
        return rc;
    }
    orphan(q);
    return NGX_OK;
}

void discard(ngx_chain_t* in) noexcept
{
    for (; in != nullptr; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }
}

ngx_int_t send_replacement(Request& q, ngx_chain_t* in)
{
    discard(in);
    if (q.body_sent) return next_body(&q.r, nullptr);
    q.body_sent = true;
    ngx_chain_t* body = stored_body(q);
    if (body != nullptr) {
        count_served(q);
        return next_body(&q.r, body);
    }
    Output end{q};
    ngx_buf_t last{};
    last.last_buf = last.last_in_chain = 1;
    end.flags_of(last);
    return next_body(&q.r, end.chain());
}

/// The answer to a detached request: what it says of the stored object, and its body into the zone.
void take_detached_answer(Request& q)
{
    ngx_http_request_t& r = q.r;
    restore_headers(q);
    q.answered = true;
    q.discard = true;
    hide_tag_fields(q);
    if (!is_the_origins(q) || q.step != Step::forwarding) return;
    const auto status = static_cast<std::uint16_t>(r.upstream->headers_in.status_n);
    if (status == NGX_HTTP_UNAUTHORIZED) token_was_refused(q);
    if (status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        observer.counted(Count::validation_failed, 1);
    } else if (status == NGX_HTTP_NOT_MODIFIED && q.validating) {
        observer.counted(Count::validated_304, 1);
        if (!renew_stored(q, true)) forget(q);
        end_flight(q);
    } else {
        if (q.validating) observer.counted(Count::validated_200, 1);
        q.reason = q.may_fill ? start_fill(q) : NotStored::other;
        if (q.reason == NotStored::stored) {
            q.step = Step::capturing;
            q.discard = false;
            r.upstream->buffering = 0;
        } else {
            observer.not_stored(q.reason);
            if (q.object) forget(q);
        }
    }
}

/// A detached request without a sink has nobody to send to: no filter after ours sees it.
ngx_int_t detached_header(ngx_http_request_t& r) noexcept
{
    Request* q = &r == r.main ? Request::find(r) : nullptr;
    if (q != nullptr && !q->answered) {
        ngx::guarded<int>(r.connection->log, 0, [&] {
            take_detached_answer(*q);
            if (q->step != Step::capturing) refuse_followers(*q, true);
            return 0;
        });
    }
    r.header_sent = 1;
    return NGX_OK;
}

ngx_int_t detached_body(ngx_http_request_t& r, ngx_chain_t* in) noexcept
{
    auto* q = static_cast<Request*>(ngx_http_get_module_ctx((&r), ngx_http_edge_module));
    if (&r != r.main || q == nullptr || q->step != Step::capturing) {
        discard(in);
        return NGX_OK;
    }
    return ngx::guarded<ngx_int_t>(r.connection->log, NGX_ERROR, [&] { return fill_only(*q, in); });
}

/// A filter after ours, the range filter for one, refuses what we pass on: the body that comes now, if any,
/// is a page of nginx's own.
void refused(Request& q) noexcept
{
    if (q.step == Step::filling || q.step == Step::capturing) {
        give_up_fill(q, NotStored::other);
    } else if (q.step != Step::replacing) {
        return;
    }
    q.step = Step::finished;
    drop_representation(q.r);
}

/// The answer to a write: kept back, or, once all hosts know of it, header and body.
ngx_int_t pass_held(Request& q, ngx_chain_t* in)
{
    if (!q.held->is_free()) return q.held->keep(in);
    ngx_chain_t* all = std::exchange(q.held, nullptr)->all(in);
    const ngx_int_t rc = next_header(&q.r);
    if (rc == NGX_ERROR || rc > NGX_OK) return NGX_ERROR;
    if (q.r.header_only) {
        discard(all);
        return rc;
    }
    return all != nullptr ? next_body(&q.r, all) : rc;
}

ngx_int_t header_filter(ngx_http_request_t* r) noexcept
{
    if (ngx::is_unheard(*r)) return detached_header(*r);
    if (r != r->main) return next_header(r);
    Request* q = Request::find(*r);
    if (q == nullptr || q->answered || q->step == Step::serving) return next_header(r);
    ngx::guarded<int>(r->connection->log, 0, [&] {
        invalidate_tags(*q);
        on_answer(*q);
        if (!q->silent) observer.answered(q->status, q->forward);
        return 0;
    });
    if (q->purge_ticket != 0) {
        const bool held = ngx::guarded<bool>(r->connection->log, false, [&] { return hold_answer(*q); });
        if (held) return NGX_OK;
    }
    const ngx_int_t rc = next_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK) {
        refused(*q);
    } else if (q->step == Step::capturing) {
        r->header_only = 0;  // else the origin's body is not read
        r->read_event_handler = ngx_http_block_reading;
    } else if (q->step == Step::filling && r->headers_out.status == NGX_HTTP_PARTIAL_CONTENT) {
        // Who has had its part, or its 304, may leave: that ends nothing.
        r->read_event_handler = ngx_http_block_reading;
    }
    return rc;
}

ngx_int_t body_filter(ngx_http_request_t* r, ngx_chain_t* in) noexcept
{
    if (ngx::is_unheard(*r)) return detached_body(*r, in);
    auto* q = static_cast<Request*>(ngx_http_get_module_ctx(r, ngx_http_edge_module));
    if (q == nullptr || r != r->main) return next_body(r, in);
    return ngx::guarded<ngx_int_t>(r->connection->log, NGX_ERROR, [&]() -> ngx_int_t {
        if (q->held != nullptr) return pass_held(*q, in);
        switch (q->step) {
            case Step::filling:
                return fill_and_forward(*q, in);
            case Step::capturing:
                hold_client(*q);
                return fill_only(*q, in);
            case Step::replacing:
                return send_replacement(*q, in);
            case Step::finished:
                if (q->discard) {
                    discard(in);
                    return NGX_OK;
                }
                [[fallthrough]];
            case Step::passing:
            case Step::waiting:
            case Step::asking_redis:
            case Step::waiting_across:
            case Step::serving:
            case Step::forwarding:
                if (q->compared) shadow_body(*q, in);
                break;
        }
        const ngx_int_t rc = next_body(r, in);
        keep_rate(*q);  // what is stored no longer still goes the way it began
        return rc;
    });
}

}

void install_filters() noexcept
{
    next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
    next_body = ngx_http_top_body_filter;
    ngx_http_top_body_filter = body_filter;
}

}
