#include "cache/glue/invalidate.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "cache/glue/purge.hpp"
#include "nginx/barrier.hpp"
#include "nginx/detached.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

constexpr unsigned kMostPending = 4096;  ///< second purges of one worker

/// A purge that is to come again. Owned by itself, in the list.
struct Later {
    struct Hooks {
        ngx_queue_t link;
        ngx_event_t event;
        ngx_connection_t connection;  // the debug log reads `fd` through a timer's data
        Later* owner;
    };
    Hooks hooks{};
    ZoneBinding* zone;
    std::vector<std::uint64_t> tags;
};

constinit ngx_queue_t pending{};
constinit unsigned pending_count = 0;

std::uint64_t purge_tags(ZoneBinding& zone, const std::vector<std::uint64_t>& tags, bool sync)
{
    observer.counted(Count::purged_tags, tags.size());
    return purge_zone(zone, {.tags = tags, .prefixes = {}, .all = false, .soft = false, .now = ngx_time()},
                      sync)
        .ticket;
}

void carry_out(Later* later) noexcept
{
    if (later->hooks.event.timer_set) ngx_del_timer(&later->hooks.event);
    ngx_queue_remove(&later->hooks.link);
    --pending_count;
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        purge_tags(*later->zone, later->tags, false);
        return 0;
    });
    delete later;
}

void purge_later(ZoneBinding& zone, const std::vector<std::uint64_t>& tags, ngx_msec_t after, ngx_log_t* log)
{
    if (pending.next == nullptr) {
        ngx_queue_init(&pending);
    }
    if (pending_count >= kMostPending) {
        // Sooner than asked for is better than not at all.
        ngx_log_error(
            NGX_LOG_WARN, log, 0,
            "edge: too many purges of edge_cache_invalidate wait for their again=, the oldest is done "
            "now");
        Later::Hooks* oldest = ngx_queue_data(ngx_queue_head(&pending), Later::Hooks, link);
        carry_out(oldest->owner);
    }
    auto later = std::make_unique<Later>();
    later->zone = &zone;
    later->tags = tags;
    later->hooks.owner = later.get();
    later->hooks.connection.fd = static_cast<ngx_socket_t>(-1);
    ngx_event_t& event = later->hooks.event;
    event.data = &later->hooks.connection;
    event.log = ngx_cycle->log;
    event.handler = [](ngx_event_t* self) noexcept {
        carry_out(
            reinterpret_cast<Later::Hooks*>(reinterpret_cast<char*>(self) - offsetof(Later::Hooks, event))
                ->owner);
    };
    ngx_queue_insert_tail(&pending, &later->hooks.link);
    ++pending_count;
    ngx_add_timer(&event, after);
    static_cast<void>(later.release());
}

/// The status that the app's answer has, or nginx's own where no app is asked.
std::uint16_t answered_status(const ngx_http_request_t& r) noexcept
{
    const auto status = r.upstream != nullptr ? r.upstream->headers_in.status_n : r.headers_out.status;
    return static_cast<std::uint16_t>(status);
}

/// Of a request line; what was made of fields of the answer may be anything.
bool is_target(std::string_view text) noexcept
{
    return text.starts_with('/') &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != '\x7f'; });
}

ngx_str_t value_of(Request& q, ngx_http_complex_value_t& text)
{
    ngx_str_t value{};
    if (ngx_http_complex_value(&q.r, &text, &value) != NGX_OK) throw std::bad_alloc{};
    return value;
}

void purge_named(Request& q)
{
    const Invalidation* rule = q.conf->invalidation;
    if (rule == nullptr) return;
    ZoneBinding& zone = *q.conf->zone;
    std::vector<std::uint64_t> tags;
    for (ngx_http_complex_value_t* tag : rule->tags) {
        const ngx_str_t value = value_of(q, *tag);
        if (value.len != 0) tags.push_back(PurgeTable::hash(TagKind::name, ngx::view(value)));
    }
    if (tags.empty()) return;
    q.purge_ticket = std::max(q.purge_ticket, purge_tags(zone, tags, rule->sync));
    if (rule->again != 0) purge_later(zone, tags, rule->again, q.r.connection->log);
}

/// edge_cache_refill: a request each looks, in its own location, whether it is worth it.
void refill(Request& q)
{
    const ngx_array_t* targets = q.conf->refill;
    if (targets == nullptr) return;
    auto* values = static_cast<ngx_http_complex_value_t*>(targets->elts);
    for (ngx_uint_t i = 0; i < targets->nelts; ++i) {
        const ngx_str_t target = value_of(q, values[i]);
        if (!is_target(ngx::view(target))) continue;
        static_cast<void>(ngx::start_detached(
            q.r, {[](void*) noexcept {}, nullptr, ngx::Purpose::again, nullptr, nullptr, ngx::view(target)}));
    }
}

}

Captures::Captures(const ngx_http_request_t& r) : uri{r.uri}, args{r.args}
{
#if (NGX_PCRE)
    if (r.captures == nullptr || r.ncaptures == 0) return;
    captures.assign(r.captures, r.captures + r.ncaptures);
    data = r.captures_data;
#endif
}

Captures::Within::Within(ngx_http_request_t& r, Captures& captures) noexcept : r_{r}, captures_{captures}
{
    swap();
}

Captures::Within::~Within()
{
    swap();
}

void Captures::Within::swap() noexcept
{
    std::swap(r_.uri, captures_.uri);
    std::swap(r_.args, captures_.args);
#if (NGX_PCRE)
    int* const first = captures_.captures.data();
    if (!inside_) {
        outer_ = r_.captures;
        outer_count_ = r_.ncaptures;
        outer_data_ = r_.captures_data;
        r_.captures = first;
        r_.ncaptures = captures_.captures.size();
        r_.captures_data = captures_.data;
    } else {
        r_.captures = outer_;
        r_.ncaptures = outer_count_;
        r_.captures_data = outer_data_;
    }
    inside_ = !inside_;
#endif
}

void invalidate_tags(Request& q)
{
    if (q.conf == nullptr || q.captures == nullptr || q.invalidated) return;
    const std::uint16_t status = answered_status(q.r);
    if (status < 200 || status >= 400) return;
    q.invalidated = true;
    const Captures::Within within{q.r, *q.captures};
    purge_named(q);
    refill(q);
}

bool check_invalidation(ngx_conf_t* cf, const LocConf& own)
{
    const auto* core =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    if (own.invalidation == nullptr || own.invalidation->off || own.zone != nullptr || core->name.len == 0)
        return true;
    ngx_log_error(
        NGX_LOG_EMERG, cf->log, 0,
        "edge_cache_invalidate in location \"%V\": nothing is purged there without a zone, expected "
        "edge_cache ZONE there or around it",
        &core->name);
    return false;
}

void finish_invalidations() noexcept
{
    if (pending.next == nullptr) return;
    while (!ngx_queue_empty(&pending)) {
        Later::Hooks* first = ngx_queue_data(ngx_queue_head(&pending), Later::Hooks, link);
        carry_out(first->owner);
    }
}

char* set_cache_invalidate(ngx_conf_t* cf, LocConf& conf)
{
    auto* args = static_cast<ngx_str_t*>(cf->args->elts);
    if (conf.invalidation != nullptr && (conf.invalidation->off || ngx::view(args[1]) == "off"))
        return const_cast<char*>("is duplicate");
    const bool first = conf.invalidation == nullptr;
    if (first) conf.invalidation = &ngx::make<Invalidation>(cf->pool);
    Invalidation& rule = *conf.invalidation;
    if (cf->args->nelts == 2 && ngx::view(args[1]) == "off") {
        rule.off = true;
        return NGX_CONF_OK;
    }
    const std::size_t before = rule.tags.size();
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        const std::string_view text = ngx::view(args[i]);
        if (text == "sync=on" || text == "sync=off") {
            rule.sync = text == "sync=on";
            continue;
        }
        if (text.starts_with("again=") || text.starts_with("sync=")) {
            ngx_str_t value{args[i].len - 6, args[i].data + 6};
            const ngx_int_t ms = text.starts_with("again=") && value.len != 0 && rule.again == 0
                                     ? ngx_parse_time(&value, 0)
                                     : NGX_ERROR;
            if (ms == NGX_ERROR || ms < 1 || ms > 60000) {
                ngx_conf_log_error(
                    NGX_LOG_EMERG, cf, 0,
                    "edge_cache_invalidate: \"%V\", expected sync=on or sync=off, and again= once, up "
                    "to 60s, as in again=2s",
                    &args[i]);
                return static_cast<char*>(NGX_CONF_ERROR);
            }
            rule.again = static_cast<ngx_msec_t>(ms);
            continue;
        }
        auto& value = ngx::zeroed<ngx_http_complex_value_t>(cf->pool);
        ngx_http_compile_complex_value_t compile{};
        compile.cf = cf;
        compile.value = &args[i];
        compile.complex_value = &value;
        if (ngx_http_compile_complex_value(&compile) != NGX_OK) return static_cast<char*>(NGX_CONF_ERROR);
        rule.tags.push_back(&value);
    }
    if (rule.tags.size() != before) return NGX_CONF_OK;
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "edge_cache_invalidate: there is no tag, expected as in edge_cache_invalidate \"project:$1\"");
    return static_cast<char*>(NGX_CONF_ERROR);
}

}
