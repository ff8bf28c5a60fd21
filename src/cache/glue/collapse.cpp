#include "cache/glue/collapse.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "cache/glue/client_side.hpp"
#include "cache/glue/output.hpp"
#include "cache/glue/purge.hpp"
#include "cache/glue/redis_flight.hpp"
#include "cache/glue/redis_level.hpp"
#include "nginx/barrier.hpp"
#include "nginx/buffering.hpp"
#include "nginx/pool.hpp"
#include "nginx/queue.hpp"
#include "nginx/str.hpp"
#include "nginx/suspended.hpp"
#include "nginx/wakeup.hpp"

namespace edge::cache {

namespace {

constexpr std::uint64_t kRefusedFor = 120 * 1000;  ///< ms that an uncacheable answer's key is not waited for
constexpr std::uint64_t kBriefly = 1000;           ///< the same after an error, which may be over soon
constexpr ngx_msec_t kCheckEvery = 500;            ///< backs the wake-ups: a killed leader wakes nobody
constexpr unsigned kMostTurns = 4;  ///< after so many flights without an answer a request asks alone
constexpr std::size_t kMostAtOnce = 256 * 1024;  ///< bytes handed to the client's connection in one go

static_assert(ngx::kMostWakeups == FlightTable::kWorkers);

FlightTable table;
FlightTable::Worker self{FlightTable::kWorkers, 0};
ngx_queue_t waiting;  ///< the followers of this worker

bool process_exists(std::int32_t process)
{
    return ::kill(process, 0) == 0 || errno != ESRCH;
}

std::uint64_t now_ms() noexcept
{
    return static_cast<std::uint64_t>(ngx_current_msec);  // since boot, for all processes alike
}

void wake_all(const FlightTable::Watchers& watchers) noexcept
{
    for (unsigned word = 0; word < watchers.size(); ++word) {
        for (std::uint64_t bits = watchers[word]; bits != 0; bits &= bits - 1) {
            ngx::wake(word * 64 + static_cast<unsigned>(__builtin_ctzll(bits)));
        }
    }
}

}

/// A request that waits for another one's answer, or sends it on while it comes. Owned by the request's pool.
/// Every wake-up goes through woken(), whose last act may be the end of the request and of *this.
class Follower {
public:
    enum class Turn : std::uint8_t { lead, alone, again, follow };

    Follower(Request& q, FlightTable::Ticket ticket) noexcept : q_{q}, ticket_{ticket}
    {
        hooks_.owner = this;
        ngx_queue_init(&hooks_.link);
        hooks_.timer.data = q.r.connection;
        hooks_.timer.log = q.r.connection->log;
        hooks_.timer.handler = [](ngx_event_t* event) noexcept {
            reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, timer))->owner->woken();
        };
        deadline_ = ngx_current_msec + q.conf->collapse_wait;
    }
    ~Follower() { leave(); }
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    static Follower& of(ngx_queue_t* link) noexcept
    {
        const Hooks* hooks = ngx_queue_data(link, Hooks, link);
        return *hooks->owner;
    }

    /// Suspends the phase handler until there is a header, or the time is up.
    ngx_int_t wait()
    {
        if (!ngx::suspend(q_.r)) return NGX_HTTP_INTERNAL_SERVER_ERROR;
        q_.step = Request::Step::waiting;
        ngx_queue_insert_tail(&waiting, &hooks_.link);
        watch();
        return NGX_AGAIN;
    }
    /// The stored part of the object has been joined and its header sent: the body from now on.
    void stream()
    {
        ngx_http_request_t& r = q_.r;
        streaming_ = true;
        r.read_event_handler = ngx_http_test_reading;
        r.write_event_handler = [](ngx_http_request_t* self) noexcept {
            if (Request* q = Request::find(*self); q != nullptr && q->follower != nullptr)
                q->follower->writable();
        };
        ngx_queue_insert_tail(&waiting, &hooks_.link);
        pump();
    }
    void woken() noexcept
    {
        ngx_connection_t* c = q_.r.connection;
        ngx_http_set_log_request(c->log, &q_.r);
        ngx::guarded<int>(c->log, 0, [&] {
            if (streaming_) {
                pump();
            } else {
                decide();
            }
            return 0;
        });
        ngx_http_run_posted_requests(c);
    }
    void leave() noexcept
    {
        ngx_queue_remove(&hooks_.link);
        ngx_queue_init(&hooks_.link);
        if (hooks_.timer.timer_set) ngx_del_timer(&hooks_.timer);
    }

    Turn turn() const noexcept { return turn_; }
    FlightTable::Ticket ticket() const noexcept { return ticket_; }
    std::int64_t length() const noexcept { return length_; }
    /// Another flight than before, in the time that is left.
    void rejoin(FlightTable::Ticket ticket) noexcept { ticket_ = ticket; }
    bool may_try_again() noexcept { return ++turns_ < kMostTurns && time_left() > 0; }

    /// The body is in the zone, if this request's fields select it too.
    bool join(const FlightTable::Body& body)
    {
        Pin pin = q_.zone->join(body.key, body.entry);
        const auto stored = pin ? Stored::from_zone(pin.meta()) : std::nullopt;
        if (!stored || !selects(q_, *stored)) return false;
        // The leader may have asked before a purge or a write that this request came after.
        if (q_.conf->zone->purges.judge(stored->purgeable()).life != Life::alive) return false;
        if (is_out_of_touch(q_, *stored)) return false;
        const ReuseVerdict verdict =
            may_reuse(q_.facts.control, stored->head().lifetime, ngx_time(), q_.conf->settings->policy);
        if (verdict.reuse != Reuse::fresh) return false;
        q_.object = std::move(pin);
        length_ = body.length;
        return true;
    }

private:
    /// What nginx holds on to.
    struct Hooks {
        ngx_queue_t link;
        ngx_event_t timer;
        Follower* owner;
    };
    ngx_msec_int_t time_left() const noexcept
    {
        return static_cast<ngx_msec_int_t>(deadline_ - ngx_current_msec);
    }
    void watch() noexcept
    {
        const auto left = static_cast<ngx_msec_t>(std::max<ngx_msec_int_t>(time_left(), 1));
        ngx_add_timer(&hooks_.timer, streaming_ ? kCheckEvery : std::min(kCheckEvery, left));
    }

    void decide()
    {
        const FlightTable::Seen seen = table.look(ticket_);
        switch (seen.state) {
            case FlightTable::State::vacant:
            case FlightTable::State::asking:
                if (table.take_over(ticket_, self)) return resume(Turn::lead);
                if (time_left() <= 0) return resume(Turn::alone);
                return watch();
            case FlightTable::State::streaming:
                return resume(join(seen.body) ? Turn::follow : Turn::again);
            case FlightTable::State::refused:
                return resume(Turn::alone);
            case FlightTable::State::over:
                return resume(Turn::again);
        }
    }
    void resume(Turn turn)
    {
        turn_ = turn;
        leave();
        ngx::resume_phases(q_.r);  // *this may be gone now
    }

    void writable() noexcept
    {
        ngx_event_t* event = q_.r.connection->write;
        if (event->timedout) {
            q_.r.connection->timedout = 1;
            return finish(NGX_HTTP_REQUEST_TIME_OUT);
        }
        ngx::guarded<int>(q_.r.connection->log, 0, [&] {
            pump();
            return 0;
        });
    }
    void finish(ngx_int_t rc) noexcept
    {
        leave();
        q_.step = Request::Step::finished;
        ngx_http_finalize_request(&q_.r, rc);  // *this may be gone now
    }
    /// Hands on what has come. It stays where it is until the client takes it: only links are held for a slow
    /// one.
    void pump()
    {
        ngx_http_request_t& r = q_.r;
        if ((r.buffered || r.connection->buffered) && ngx_http_output_filter(&r, nullptr) == NGX_ERROR) {
            return finish(NGX_ERROR);
        }
        // Asked before the bytes are: what is complete now has all its bytes now.
        const Progress progress = q_.object.progress();
        Output out{q_};
        std::size_t n = 0;
        for (auto piece = q_.object.next_available(reader_); !piece.empty();
             piece = q_.object.next_available(reader_)) {
            out.add(piece);
            n += piece.size();
        }
        if (n == 0 && progress == Progress::broken) {
            ngx_log_error(NGX_LOG_ERR, r.connection->log, 0,
                          "edge: the answer this request followed was cut short");
            return finish(NGX_ERROR);
        }
        if (n != 0 || progress == Progress::complete) {
            observer.counted(Count::bytes_served, n);
            out.close(progress == Progress::complete);
            const ngx_int_t rc = out.send(ngx_http_output_filter);
            if (rc == NGX_ERROR) return finish(NGX_ERROR);
            if (progress == Progress::complete) return finish(rc);
        }
        if (await_client()) watch();
    }
    /// false: the request is over.
    bool await_client()
    {
        ngx_http_request_t& r = q_.r;
        ngx_event_t* event = r.connection->write;
        const auto* core =
            static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf((&r), ngx_http_core_module));
        if (r.buffered || r.connection->buffered) {
            if (!event->delayed) ngx_add_timer(event, core->send_timeout);
        } else if (event->timer_set && !event->delayed) {
            ngx_del_timer(event);
        }
        if (ngx_handle_write_event(event, core->send_lowat) == NGX_OK) return true;
        finish(NGX_ERROR);
        return false;
    }

    Request& q_;
    FlightTable::Ticket ticket_;
    Hooks hooks_{};
    ngx_msec_t deadline_ = 0;
    std::int64_t length_ = -1;
    Pin::Reader reader_;
    unsigned turns_ = 0;
    Turn turn_ = Turn::again;
    bool streaming_ = false;
};

namespace {

void on_wake() noexcept
{
    // Who is woken may end and take others along.
    ngx::visit_each(waiting, [](ngx_queue_t* link) { Follower::of(link).woken(); });
}

/// Whether the request may share an answer, and give its own to others.
bool may_share(const Request& q) noexcept
{
    return table && q.conf->collapse && !q.asks_alone && q.may_fill && q.facts.method == Method::get &&
           !q.facts.has_range && !q.facts.has_authorization && !q.facts.control.no_cache &&
           !q.facts.control.no_store;
}

/// What a cancelled request must not do any more: its pool may live on for a while.
void leave_at_end(Request& q)
{
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&q.r, 0);
    if (cleanup == nullptr) throw std::bad_alloc{};
    cleanup->data = q.follower;
    cleanup->handler = [](void* data) noexcept { static_cast<Follower*>(data)->leave(); };
}

ngx_int_t follow(Request& q)
{
    ngx_http_request_t& r = q.r;
    const auto stored = Stored::from_zone(q.object.meta());
    if (!stored) return forward(q);
    if (ngx_http_discard_request_body(&r) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    q.step = Request::Step::serving;
    q.status = Status::hit;
    q.collapsed = true;
    prepare_stored(q, *stored, q.follower->length());
    add_cache_status(q, false, std::nullopt, time_to_live(stored->head().lifetime, ngx_time()));
    if (!q.silent) observer.answered(q.status, Forward::none);
    observer.counted(Count::collapsed, 1);
    const ngx_int_t rc = ngx_http_send_header(&r);
    if (rc == NGX_ERROR || rc > NGX_OK || r.header_only) {
        ngx_http_finalize_request(&r, rc);
        return NGX_DONE;
    }
    if (r.headers_out.status == NGX_HTTP_PARTIAL_CONTENT) observer.counted(Count::partial, 1);
    q.follower->stream();
    return NGX_DONE;
}

}

void start_collapse(void* memory, unsigned slot)
{
    ngx_queue_init(&waiting);
    if (memory == nullptr) return;
    self = {slot, static_cast<std::int32_t>(ngx_pid)};
    ngx::listen_for_wakeups(on_wake);
    table = FlightTable{memory, process_exists};
    // A new worker may stand in for one that was killed as a leader.
    for (unsigned other = 0; other < ngx::kMostWakeups; ++other) {
        if (other != slot) ngx::wake(other);
    }
}

void stop_collapse() noexcept
{
    table = {};
}

ngx_int_t ask_origin(Request& q)
{
    if (q.flight) return ask_redis(q);  // its leader already
    if (!may_share(q)) return ask_redis(q);
    const FlightTable::Joined joined = table.join({q.primary, q.selected}, self, now_ms());
    if (joined.role == FlightTable::Role::alone) return ask_redis(q);
    if (joined.role == FlightTable::Role::lead) {
        q.flight = joined.ticket;
        return ask_redis(q);
    }
    if (q.follower == nullptr) {
        q.follower = &ngx::make<Follower>(q.r.pool, q, joined.ticket);
        leave_at_end(q);
    } else {
        q.follower->rejoin(joined.ticket);
    }
    if (joined.seen.state != FlightTable::State::streaming) return q.follower->wait();
    return q.follower->join(joined.seen.body) ? follow(q) : forward(q);
}

bool lead_alone(Request& q) noexcept
{
    if (!table || !q.conf->collapse) return true;
    const FlightTable::Joined joined = table.join({q.primary, q.selected}, self, now_ms());
    if (joined.role != FlightTable::Role::lead) return false;
    q.flight = joined.ticket;
    return true;
}

ngx_int_t after_wait(Request& q)
{
    q.step = Request::Step::passing;
    switch (q.follower->turn()) {
        case Follower::Turn::lead:
            q.flight = q.follower->ticket();
            break;
        case Follower::Turn::alone:
            break;
        case Follower::Turn::follow:
            return follow(q);
        case Follower::Turn::again:
            q.object = {};
            if (!q.follower->may_try_again()) q.asks_alone = true;
            return look_up(q);
    }
    return ask_redis(q);
}

void announce_fill(Request& q, const Lifetime& lifetime)
{
    if (!q.flight) {
        if (table && q.conf->collapse) table.forget_refusal({q.primary, q.selected});
        return;
    }
    // What each use has to be validated for is of no use to who waits.
    const bool shared = (lifetime.flags & kNoCache) == 0 && time_to_live(lifetime, ngx_time()) > 0;
    if (!shared) return refuse_followers(q, lifetime.freshness != 0 && (lifetime.flags & kNoCache) == 0);
    // Of unknown length it may turn out too large for the zone, and leave its followers in the middle; and
    // through nginx's buffers it comes as the leader's client reads: they wait for the whole of it.
    if (q.expected_length < 0 || ngx::needs_buffers(q.r)) return;
    q.published = true;
    wake_all(
        table.publish(q.flight, {.entry = q.fill.entry(), .key = q.selected, .length = q.expected_length}));
}

void announce_progress(Request& q) noexcept
{
    if (q.flight && q.published) wake_all(table.watchers(q.flight));
}

bool is_followed(const Request& q) noexcept
{
    if (!q.flight) return false;
    const FlightTable::Watchers watchers = table.watchers(q.flight);
    return std::any_of(watchers.begin(), watchers.end(), [](std::uint64_t bits) { return bits != 0; });
}

void end_flight(Request& q) noexcept
{
    if (q.flight) wake_all(table.finish(std::exchange(q.flight, {})));
}

void refuse_followers(Request& q, bool briefly) noexcept
{
    if (q.across != nullptr) q.across->refused();
    if (!q.flight) return;
    wake_all(table.refuse(std::exchange(q.flight, {}), now_ms(), briefly ? kBriefly : kRefusedFor));
}

void abandon_flight(Request& q) noexcept
{
    if (q.flight) wake_all(table.abandon(std::exchange(q.flight, {})));
}

}
