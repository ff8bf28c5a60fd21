#include <array>
#include <new>

#include "cache/glue/collapse.hpp"
#include "cache/glue/encode.hpp"
#include "cache/glue/identity.hpp"
#include "cache/glue/invalidate.hpp"
#include "cache/glue/passing.hpp"
#include "cache/glue/purge.hpp"
#include "cache/glue/redis_flight.hpp"
#include "cache/glue/redis_level.hpp"
#include "cache/glue/request.hpp"
#include "http/vary.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

/// What one pass over the client's lines finds.
struct Scan {
    std::array<http::Field, 8> control;
    std::size_t control_count = 0;
    bool event_stream = false;
    bool cookie = false;
    bool too_many = false;
};

/// Looks for the hyphen first, which most Accept fields lack.
bool names_event_stream(std::string_view accept) noexcept
{
    constexpr std::string_view kType = "text/event-stream";
    constexpr std::size_t kBefore = kType.find('-');
    for (std::size_t at = accept.find('-'); at != std::string_view::npos; at = accept.find('-', at + 1)) {
        if (at >= kBefore && ngx::equals_ignoring_case(accept.substr(at - kBefore, kType.size()), kType))
            return true;
    }
    return false;
}

Scan scan_request(ngx_http_request_t& r)
{
    Scan scan;
    ngx::for_each_header(r.headers_in.headers, [&](ngx_table_elt_t& line) {
        const std::string_view name{reinterpret_cast<const char*>(line.lowcase_key), line.key.len};
        if (name == "cache-control" || name == "pragma") {
            if (scan.control_count == scan.control.size()) {
                scan.too_many = true;
            } else {
                scan.control[scan.control_count++] = {ngx::view(line.key), ngx::view(line.value)};
            }
        } else if (name == "cookie") {
            scan.cookie = true;
        } else if (name == "accept") {
            scan.event_stream = scan.event_stream || names_event_stream(ngx::view(line.value));
        }
    });
    return scan;
}

bool has_body(const ngx_http_request_t& r) noexcept
{
    return r.headers_in.content_length_n > 0 || r.headers_in.chunked;
}

bool has_authorization(const ngx_http_request_t& r) noexcept
{
    return r.headers_in.authorization != nullptr;
}

bool is_private(const LocConf& conf) noexcept
{
    return conf.private_rule != nullptr && conf.private_rule->mode != PrivateRule::Mode::off;
}

bool any_true(ngx_http_request_t& r, ngx_array_t* predicates)
{
    if (predicates == nullptr) return false;
    auto* values = static_cast<ngx_http_complex_value_t*>(predicates->elts);
    for (ngx_uint_t i = 0; i < predicates->nelts; ++i) {
        ngx_str_t value{};
        if (ngx_http_complex_value(&r, &values[i], &value) != NGX_OK) throw std::bad_alloc{};
        if (value.len != 0 && ngx::view(value) != "0") return true;
    }
    return false;
}

/// Whether a client has asked for what was found.
bool is_in_use(const Pin& pin, const Stored& stored) noexcept
{
    constexpr unsigned kFoundByThis = 1;  // this lookup adds to it itself
    return stored.head().unasked == 0 || pin.uses() > kFoundByThis;
}

/// The stored response for this request: under the primary key, or under the variant's when that holds a vary
/// record (RFC 9111 section 4.1). Fills in key, selected and forward.
Pin find_object(Request& q)
{
    set_keys(q);
    q.selected_key = q.key;
    q.selected = q.primary;
    q.forward = Forward::uri_miss;
    Pin pin = q.zone->find(q.primary);
    if (!pin) return {};
    auto stored = Stored::from_zone(pin.meta());
    if (!stored || stored->key() != ngx::view(q.key)) return {};
    if (stored->head().kind == StoredKind::response) {
        q.in_use = is_in_use(pin, *stored);
        return is_purged(q, pin, *stored) ? Pin{} : std::move(pin);
    }

    q.forward = Forward::vary_miss;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < stored->size(); ++i) names.emplace_back(stored->field(i).name);
    q.selected_key = variant_key(q, names, stored->head().number);
    q.selected = q.zone->hash(ngx::view(q.selected_key));
    pin = q.zone->find(q.selected);
    if (!pin) return {};
    stored = Stored::from_zone(pin.meta());
    if (!stored || stored->key() != ngx::view(q.selected_key) || stored->head().kind != StoredKind::response)
        return {};
    q.in_use = is_in_use(pin, *stored);
    return is_purged(q, pin, *stored) ? Pin{} : std::move(pin);
}

bool has_validator(const Stored& stored) noexcept
{
    return stored.value(FieldKind::etag).has_value() || stored.value(FieldKind::last_modified).has_value();
}

}

ngx_int_t forward(Request& q)
{
    ngx_http_request_t& r = q.r;
    q.step = Request::Step::forwarding;
    q.asked_at = ngx_time();
    q.purge_sequence = q.conf->zone->purges.sequence();
    if (q.conf->redis != nullptr) q.value_position = position_now(q);
    if (q.object) {
        const auto stored = Stored::from_zone(q.object.meta());
        q.validating = stored && has_validator(*stored);
    }
    const bool get = q.facts.method == Method::get;
    Withheld withheld;
    if (q.validating) {
        q.facts.has_range = false;
        withheld.conditions = true;
    } else if (get && q.may_fill && !q.facts.has_authorization &&
               (q.derived != nullptr ? q.facts.has_range
                                     : !q.facts.has_range && (r.headers_in.if_none_match != nullptr ||
                                                              r.headers_in.if_modified_since != nullptr))) {
        withheld.conditions = true;  // what is made here is always made whole
    }
    // What is stored, and what a HEAD is compared with, is not encoded.
    withheld.codings = encode_rule(*q.conf) != nullptr && r.headers_in.accept_encoding != nullptr &&
                       (get ? q.may_fill && !q.facts.has_range : q.facts.method == Method::head);
    if (withheld.conditions || withheld.codings) swap_headers(q, withheld);
    q.facts.has_range = r.headers_in.range != nullptr && !withheld.conditions;
    q.may_fetch_whole = q.may_fill && get && q.facts.has_range && !q.facts.has_authorization;
    q.may_fill = q.may_fill && get && !q.facts.has_range;
    return NGX_DECLINED;
}

ngx_int_t refuse_to_forward(Request& q)
{
    q.forward = Forward::none;
    observer.counted(Count::gateway_timeout, 1);
    return NGX_HTTP_GATEWAY_TIME_OUT;
}

namespace {

ngx_int_t serve(Request& q, const Stored& stored, Status status)
{
    q.step = Request::Step::serving;
    q.status = status;
    if (q.follower != nullptr && status == Status::hit) {
        q.collapsed = true;  // it waited for another request, which is done already
        observer.counted(Count::collapsed, 1);
    }
    if (ngx_http_discard_request_body(&q.r) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (q.passing == nullptr) choose_variant(q, stored);
    prepare_stored(q, stored, static_cast<std::int64_t>(served_size(q)));
    add_cache_status(q, false, std::nullopt, time_to_live(lifetime_now(q, stored), ngx_time()));
    if (!q.silent) observer.answered(status, Forward::none);
    const ngx_int_t rc = send_stored(q);
    if (q.passing != nullptr) {
        if (q.passing->stays()) keep_passing(q);
        end_flight(q);  // nobody shall wait for this client to read it
    }
    ngx_http_finalize_request(&q.r, rc);
    return NGX_DONE;
}

/// An earlier lookup in this request came before an internal redirect. After try_files or rewrite the search
/// starts again; after X-Accel-Redirect or error_page the URL's answer is another decision of the app or of
/// nginx, which must not be stored under it, nor replaced by what is.
bool answered_elsewhere(const Request& q) noexcept
{
    // What was about to be sent from the zone may still be referred to by header lines.
    return q.step == Request::Step::serving || q.r.upstream != nullptr || q.r.error_page ||
           q.r.err_status != 0 || q.answered || q.redirected;
}

}

ngx_int_t look_up(Request& q)
{
    ngx_http_request_t& r = q.r;
    const PolicyConfig& policy = q.conf->settings->policy;
    const bool bypassed = any_true(r, q.conf->bypass);
    q.may_fill = !any_true(r, q.conf->no_store);
    q.object = find_object(q);
    // Only what is dead and was in use is worth a question.
    if (is_refill(r) && (bypassed || q.object || !q.in_use)) return NGX_HTTP_NO_CONTENT;
    if (bypassed) {
        q.object = {};
        q.status = Status::bypass;
        q.forward = Forward::bypass;
        return forward(q);
    }
    if (q.detached) {
        if (q.object && ngx::detached_task(r)->purpose == ngx::Purpose::absent) return NGX_HTTP_NO_CONTENT;
        // What nothing is stored of yet is fetched once; what is stored, its own lease has made this the only
        // one for.
        if (!lead_alone(q) && !q.object) return NGX_HTTP_NO_CONTENT;
        q.forward = Forward::stale;
        return forward(q);
    }
    if (q.conf->shadow != 0) {
        shadow_lookup(q);
        return forward(q);
    }
    const auto stored = q.object ? Stored::from_zone(q.object.meta()) : std::nullopt;
    if (!stored) {
        q.status = Status::miss;
        return q.facts.control.only_if_cached ? ask_redis(q) : ask_origin(q);
    }
    if (is_out_of_touch(q, *stored)) {
        q.status = Status::expired;
        q.forward = Forward::stale;
        if (q.facts.control.only_if_cached) return refuse_to_forward(q);
        return forward(q);
    }
    const ReuseVerdict verdict = may_reuse(q.facts.control, lifetime_now(q, *stored), ngx_time(), policy);
    switch (verdict.reuse) {
        case Reuse::fresh:
            if (refresh_is_due(q, stored->head().lifetime, verdict.ttl)) static_cast<void>(start_refresh(q));
            return serve(q, *stored, Status::hit);
        case Reuse::stale_allowed:
            return serve(q, *stored, Status::stale);
        case Reuse::gateway_timeout:
            q.status = Status::miss;
            return refuse_to_forward(q);
        case Reuse::stale_while_revalidate:
            if (start_refresh(q) == Refresh::under_way) return serve(q, *stored, Status::updating);
            break;
        case Reuse::validate:
            break;
    }
    q.forward = verdict.forward == Forward::none ? Forward::stale : verdict.forward;
    q.status = Status::expired;
    return ask_origin(q);
}

ngx_int_t serve_passing(Request& q)
{
    const auto stored = Stored::from_zone(q.passing->meta());
    if (stored && !q.conf->zone->purges.dead_on_arrival(stored->purgeable()) &&
        !is_out_of_touch(q, *stored)) {
        return serve(q, *stored, Status::hit);
    }
    observer.counted(Count::dead_on_arrival, 1);
    q.passing = nullptr;
    return NGX_DECLINED;
}

Request::~Request()
{
    if (step == Step::filling || step == Step::capturing) {
        observer.counted(Count::fill_aborted, 1);
        observer.not_stored(NotStored::incomplete);
    }
    fill = {};  // so that followers see it broken when they are woken
    abandon_flight(*this);
}

Request* Request::find(ngx_http_request_t& r) noexcept
{
    auto* q = static_cast<Request*>(ngx_http_get_module_ctx((&r), ngx_http_edge_module));
    if (q != nullptr || !r.internal) return q;
    q = ngx::find<Request>(r.pool);
    if (q != nullptr) ngx_http_set_ctx((&r), q, ngx_http_edge_module);
    return q;
}

namespace {

ngx_int_t begin_lookup(ngx_http_request_t& r)
{
    if (auto* q = static_cast<Request*>(ngx_http_get_module_ctx((&r), ngx_http_edge_module)); q != nullptr) {
        if (q->step == Request::Step::waiting) return after_wait(*q);
        if (q->step == Request::Step::asking_redis) return after_redis(*q);
        if (q->step == Request::Step::waiting_across) return after_across(*q);
    }
    Request* earlier = r.internal ? ngx::find<Request>(r.pool) : nullptr;
    LocConf& conf = loc_conf(r);
    Zone* zone = conf.zone != nullptr ? conf.zone->store() : nullptr;
    if (earlier != nullptr) {
        restore_headers(*earlier);
        if (answered_elsewhere(*earlier)) {
            invalidate_written(*earlier);
            invalidate_tags(*earlier);
            earlier->may_fill = false;
            earlier->redirected = true;
            earlier->origin_failed = earlier->origin_failed || origin_failed(r);
            ngx_http_set_ctx((&r), earlier, ngx_http_edge_module);
            return NGX_DECLINED;
        }
        earlier->step = Request::Step::passing;
        earlier->object = {};
        earlier->passing = nullptr;
        earlier->variant = {};
    }
    if (const ngx_int_t rc = on_purge(r, conf); rc != NGX_DECLINED) return rc;
    if (zone == nullptr) return NGX_DECLINED;

    Request& q = ngx::make<Request>(r.pool, r);
    ngx_http_set_ctx((&r), &q, ngx_http_edge_module);
    q.conf = &conf;
    q.zone = zone;
    q.uri_changes = r.uri_changes;
    q.detached = ngx::is_unheard(r);
    q.silent = ngx::is_detached(r);
    if (conf.derives) q.derived = ngx::find_derived(r);
    q.facts.method = classify_method(ngx::view(r.method_name));
    q.facts.has_authorization = has_authorization(r);
    q.facts.has_range = r.headers_in.range != nullptr;
    if (earlier == nullptr && (r.error_page || r.err_status != 0)) {
        q.status = Status::pass;  // an error page: not the answer to this URL
        q.forward = Forward::bypass;
        return NGX_DECLINED;
    }
    if (encode_rule(conf) != nullptr &&
        (r.headers_in.if_match != nullptr || q.facts.method == Method::unsafe))
        explain_tags(r);
    if (q.facts.method == Method::unsafe) {
        set_keys(q);  // the public one: a write is to what all have stored of its target
        if (conf.invalidation != nullptr || conf.refill != nullptr)
            q.captures = &ngx::make<Captures>(r.pool, r);
    }
    if (q.facts.method != Method::get && !(q.facts.method == Method::head && conf.head)) {
        q.status = Status::pass;
        q.forward = Forward::method;
        return NGX_DECLINED;
    }
    const Scan scan = scan_request(r);
    if (scan.event_stream || scan.too_many || has_body(r) || r.headers_in.upgrade != nullptr ||
        r.headers_in.if_match != nullptr || r.headers_in.if_unmodified_since != nullptr) {
        q.status = Status::bypass;
        q.forward = Forward::bypass;
        return NGX_DECLINED;
    }
    q.facts.has_cookie = scan.cookie;
    q.facts.control = parse_request_control({scan.control.data(), scan.control_count}, conf.settings->policy);
    if (is_private(conf) && !identify(q)) {
        q.status = Status::pass;
        q.forward = Forward::bypass;
        q.reason = NotStored::token;
        observer.not_stored(q.reason);
        return NGX_DECLINED;
    }
    return look_up(q);
}

}

bool is_refill(const ngx_http_request_t& r) noexcept
{
    const ngx::DetachedTask* task = ngx::detached_task(r);
    return task != nullptr && task->purpose == ngx::Purpose::again;
}

ngx_int_t on_lookup(ngx_http_request_t& r)
{
    if (&r != r.main) return NGX_DECLINED;
    const ngx_int_t rc = begin_lookup(r);
    if (rc != NGX_DECLINED || !is_refill(r)) return rc;
    // What is not looked up is not stored either: the app would be asked for nothing.
    const Request* q = Request::find(r);
    if (q == nullptr || q->step != Request::Step::forwarding) return NGX_HTTP_NO_CONTENT;
    observer.counted(Count::refilled, 1);
    return rc;
}

bool origin_failed(ngx_http_request_t& r) noexcept
{
    if (r.upstream_states == nullptr || r.upstream_states->nelts == 0) return false;
    const auto* states = static_cast<const ngx_http_upstream_state_t*>(r.upstream_states->elts);
    return states[r.upstream_states->nelts - 1].status >= NGX_HTTP_INTERNAL_SERVER_ERROR;
}

}
