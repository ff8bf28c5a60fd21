#include "cache/glue/held_answer.hpp"

#include <algorithm>
#include <cstddef>
#include <new>

#include "cache/glue/invalidate.hpp"
#include "cache/glue/purge_link.hpp"
#include "nginx/pool.hpp"
#include "nginx/queue.hpp"
#include "nginx/wakeup.hpp"

namespace edge::cache {

namespace {

/// One of the four bits of ngx_http_request_t::buffered; the image filter's, which lies behind us and has
/// nothing while we hold everything.
constexpr unsigned kHeld = 0x08;
constexpr ngx_msec_t kCheckEvery = 250;  ///< ms; backs the wake-ups

ngx_queue_t waiting{};

void on_wake() noexcept
{
    // Who is freed may take others along.
    ngx::visit_each(waiting, [](ngx_queue_t* link) { HeldAnswer::of(link).look(); });
}

unsigned own_slot = ngx::kMostWakeups;

}

void start_holding(unsigned slot) noexcept
{
    ngx_queue_init(&waiting);
    own_slot = slot;
    ngx::listen_for_wakeups(on_wake);
}

bool wants_sync(const Request& q) noexcept
{
    const Invalidation* rule = q.conf->invalidation;
    return rule != nullptr && rule->sync && !rule->off && q.conf->zone != nullptr && q.conf->zone->log;
}

bool hold_answer(Request& q)
{
    if (q.purge_ticket == 0 || q.held != nullptr || !wants_sync(q)) return false;
    PurgeLog log = q.conf->zone->log;
    log.count(PurgeLog::Count::awaited);
    if (log.is_everywhere(q.purge_ticket)) return false;
    // A host that can be reached by nobody has stopped serving by then.
    const ngx_msec_t cut_off = q.conf->zone->link->redis->cut_off;
    q.held = &ngx::make<HeldAnswer>(q.r.pool, q, cut_off + cut_off / 5 + 500);
    return true;
}

HeldAnswer::HeldAnswer(Request& q, ngx_msec_t most)
    : q_{q}, log_{q.conf->zone->log}, deadline_{ngx_current_msec + most}
{
    hooks_.owner = this;
    hooks_.timer.data = q.r.connection;
    hooks_.timer.log = q.r.connection->log;
    hooks_.timer.handler = [](ngx_event_t* event) noexcept {
        reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, timer))->owner->look();
    };
    // What a cancelled request must not do any more: its pool may live on for a while.
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&q.r, 0);
    if (cleanup == nullptr) throw std::bad_alloc{};
    cleanup->data = this;
    cleanup->handler = [](void* data) noexcept { static_cast<HeldAnswer*>(data)->leave(); };
    ngx_queue_insert_tail(&waiting, &hooks_.link);
    q.r.buffered |= kHeld;
    watch();
}

HeldAnswer& HeldAnswer::of(ngx_queue_t* link) noexcept
{
    const Hooks* hooks = ngx_queue_data(link, Hooks, link);
    return *hooks->owner;
}

void HeldAnswer::leave() noexcept
{
    ngx_queue_remove(&hooks_.link);
    ngx_queue_init(&hooks_.link);
    if (hooks_.timer.timer_set) ngx_del_timer(&hooks_.timer);
}

void HeldAnswer::watch() noexcept
{
    log_.await(own_slot);
    const auto left = static_cast<ngx_msec_int_t>(deadline_ - ngx_current_msec);
    const auto ms = static_cast<ngx_msec_t>(std::max<ngx_msec_int_t>(left, 1));
    // Asked after await(): what becomes known in between wakes, or is seen here.
    const bool known = log_.is_everywhere(q_.purge_ticket);
    ngx_add_timer(&hooks_.timer, known ? 1 : std::min(ms, kCheckEvery));
}

void HeldAnswer::look() noexcept
{
    const bool known = log_.is_everywhere(q_.purge_ticket);
    if (!known && static_cast<ngx_msec_int_t>(deadline_ - ngx_current_msec) > 0) return watch();
    if (!known) {
        log_.count(PurgeLog::Count::given_up);
        ngx_log_error(
            NGX_LOG_WARN, q_.r.connection->log, 0,
            "edge: a write is answered although other hosts may not know of it yet: its purge waits "
            "for redis \"%s\"",
            q_.conf->zone->link->redis->name.c_str());
    }
    let_go();
}

void HeldAnswer::let_go() noexcept
{
    ngx_http_request_t& r = q_.r;
    ngx_connection_t* c = r.connection;
    ngx_http_set_log_request(c->log, &r);
    leave();
    free_ = true;
    r.buffered &= ~kHeld;
    if (ngx_http_output_filter(&r, nullptr) == NGX_ERROR) {
        ngx_http_finalize_request(&r, NGX_ERROR);
    } else {
        r.write_event_handler(&r);  // goes on with what it could not get rid of
    }
    ngx_http_run_posted_requests(c);  // *this may be gone now
}

ngx_chain_t* HeldAnswer::all(ngx_chain_t* in)
{
    if (in != nullptr && ngx_chain_add_copy(q_.r.pool, &body_, in) != NGX_OK) throw std::bad_alloc{};
    return body_;
}

ngx_int_t HeldAnswer::keep(ngx_chain_t* in)
{
    static_cast<void>(all(in));
    return NGX_AGAIN;
}

}
