#include "cache/glue/redis_flight.hpp"

#include <cstddef>
#include <memory>
#include <new>
#include <random>
#include <utility>

#include "cache/glue/redis_level.hpp"
#include "cache/redis_value.hpp"
#include "nginx/barrier.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"
#include "nginx/suspended.hpp"

namespace edge::cache {

namespace {

constexpr ngx_msec_t kPoll = 25;     ///< ms
constexpr ngx_msec_t kLease = 1000;  ///< ms that a lock outlives its holder's last word
constexpr ngx_msec_t kRenew = 300;
constexpr ngx_msec_t kRefused = 1000;  ///< ms that others don't wait for an answer that is none of theirs
constexpr unsigned kMostUnheard = 1;   ///< answers in a row that may fail while another host is waited for
constexpr std::string_view kRefusal = "-";

/// What becomes of a lock that is still ours: ARGV[2] instead for ARGV[3] ms; nothing instead: gone; the
/// token itself: renewed, or taken if nobody has it.
constexpr std::string_view kLockScript = R"(
local now = redis.call('GET', KEYS[1])
if now ~= ARGV[1] and not (now == false and ARGV[1] == ARGV[2]) then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
)";

std::string random_token()
{
    static std::mt19937_64 numbers{(std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()};
    return std::to_string(numbers());
}

void settle_lock(const redis::Settings* settings, const std::string& key, std::string_view token,
                 std::string_view instead, ngx_msec_t ms)
{
    redis::Client* client = redis::client_of(settings);  // none in a worker that ends
    if (client == nullptr) return;
    const std::string time = std::to_string(ms);
    static_cast<void>(client->send(nullptr, key, redis::Access::write,
                                   redis::Command{"EVAL", kLockScript, "1", key, token, instead, time}));
}

}

Delivery::Delivery(const redis::Settings* settings, std::string key, std::string token)
    : settings_{settings}, key_{std::move(key)}, token_{std::move(token)}
{}

redis::Call* Delivery::expect()
{
    redis::Call& call = calls_.emplace_back(
        [](void* self, const redis::Answer& answer) noexcept {
            static_cast<Delivery*>(self)->answered(answer);
        },
        this);
    ++missing_;
    return &call;
}

void Delivery::unsent() noexcept
{
    --missing_;
}

void Delivery::answered(const redis::Answer& answer) noexcept
{
    --missing_;
    well_ = well_ && answer.well();
    if (complete_ && missing_ == 0) end();
}

void Delivery::complete(bool sent) noexcept
{
    complete_ = true;
    well_ = well_ && sent;
    if (missing_ == 0) end();
}

void Delivery::end() noexcept
{
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        settle_lock(settings_, key_, token_, well_ ? std::string_view{} : kRefusal, kRefused);
        return 0;
    });
    delete this;
}

RedisFlight::RedisFlight(Request& q, redis::Client& client)
    : q_{q},
      client_{client},
      key_{value_key(client.settings().prefix, ngx::view(q.key), ngx::view(q.selected_key)) + "?"},
      token_{random_token()},
      call_{[](void* self, const redis::Answer& answer) noexcept {
                static_cast<RedisFlight*>(self)->locked(answer);
            },
            this},
      deadline_{ngx_current_msec + q.conf->collapse_wait}
{
    hooks_.owner = this;
    for (ngx_event_t* event : {&hooks_.timer, &hooks_.resume}) {
        event->data = q.r.connection;
        event->log = q.r.connection->log;
    }
    hooks_.timer.handler = [](ngx_event_t* event) noexcept {
        reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, timer))->owner->on_timer();
    };
    hooks_.resume.handler = [](ngx_event_t* event) noexcept {
        const Hooks& hooks =
            *reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, resume));
        ngx::resume_phases_from_event(hooks.owner->q_.r);
    };
}

void RedisFlight::arm(ngx_msec_t ms) noexcept
{
    ngx_add_timer((&hooks_.timer), ms);
}

ngx_int_t RedisFlight::suspend()
{
    if (!ngx::suspend(q_.r)) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    q_.step = Request::Step::waiting_across;
    return NGX_AGAIN;
}

ngx_int_t RedisFlight::try_lock()
{
    const std::string lease = std::to_string(kLease);
    const bool sent = client_.send(&call_, key_, redis::Access::write,
                                   redis::Command{"SET", key_, token_, "NX", "GET", "PX", lease});
    return sent ? suspend() : NGX_DECLINED;
}

/// Redis does not say whether it is ours: asks the origin as if it were, and waits for nothing more.
void RedisFlight::presume()
{
    leads_ = true;
    settle_lock(q_.conf->redis->settings, key_, token_, token_, kLease);
}

ngx_int_t RedisFlight::missed(bool heard)
{
    if (!leads_ && !heard && !may_go_on()) presume();
    if (leads_) {
        arm(kRenew);
        return NGX_DECLINED;
    }
    if (lock_ == Lock::none) return try_lock();
    if (static_cast<ngx_msec_int_t>(deadline_ - ngx_current_msec) <= 0) return NGX_DECLINED;
    arm(kPoll);
    return suspend();
}

/// One answer failed. Whoever waits for another host, and heard of it a moment ago, looks once more.
bool RedisFlight::may_go_on() noexcept
{
    return waits_ && ++unheard_ <= kMostUnheard;
}

void RedisFlight::locked(const redis::Answer& answer) noexcept
{
    const bool by_another = answer.well() && answer.reply.is_string();
    if (answer.well()) unheard_ = 0;
    // The old value, or nothing when there was none and this request has the lock now.
    if (answer.well() && answer.reply.is_nil()) {
        leads_ = true;
        lock_ = Lock::held;
    } else if (by_another) {
        lock_ = answer.reply.text != kRefusal ? Lock::held : Lock::refused;
        waits_ = lock_ == Lock::held;
    } else if (answer.failure == redis::Failure::error_reply || answer.well()) {
        lock_ = Lock::unknown;
    } else {
        lock_ = may_go_on() ? Lock::held : Lock::unheard;
    }
    if (!hooks_.resume.posted) {  // macros of several statements
        ngx_event_t* event = &hooks_.resume;
        ngx_post_event(event, (&ngx_posted_events));
    }
}

ngx_int_t RedisFlight::resumed()
{
    if (lock_ == Lock::none) return try_lock();
    if (lock_ == Lock::unheard) return missed(false);
    if (lock_ != Lock::held) return NGX_DECLINED;
    // Also who has the lock looks: the one before may have stored it meanwhile.
    const ngx_int_t rc = ask_redis_again(q_);
    return rc == NGX_DECLINED ? missed(true) : rc;
}

void RedisFlight::on_timer() noexcept
{
    if (leads_) {
        ngx::guarded<int>(q_.r.connection->log, 0, [&] {
            settle_lock(q_.conf->redis->settings, key_, token_, token_, kLease);
            return 0;
        });
        return arm(kRenew);
    }
    lock_ = Lock::none;
    ngx::resume_phases_from_event(q_.r);  // *this may be gone now
}

void RedisFlight::end(std::string_view instead, ngx_msec_t ms) noexcept
{
    if (!stop_leading()) return;
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        settle_lock(q_.conf->redis->settings, key_, token_, instead, ms);
        return 0;
    });
}

bool RedisFlight::stop_leading() noexcept
{
    if (hooks_.timer.timer_set) ngx_del_timer((&hooks_.timer));
    return std::exchange(leads_, false);
}

Delivery* RedisFlight::deliver()
{
    if (!leads_) return nullptr;
    auto* delivery = new Delivery{q_.conf->redis->settings, key_, token_};
    stop_leading();
    return delivery;
}

void RedisFlight::refused() noexcept
{
    end(kRefusal, kRefused);
}

void RedisFlight::leave() noexcept
{
    call_.cancel();
    if (hooks_.resume.posted) {
        ngx_delete_posted_event((&hooks_.resume));
    }
    end({}, 0);
}

ngx_int_t lead_across(Request& q, bool heard)
{
    // One for each key and host: the leader of the host's own flight.
    if (q.conf->collapse_across != kAcrossRedis || !q.flight) return forward(q);
    if (q.across == nullptr) {
        redis::Client* client = redis::client_of(q.conf->redis->settings);
        if (client == nullptr) return forward(q);
        q.across = &ngx::make<RedisFlight>(q.r.pool, q, *client);
        // What a cancelled request must not do any more: its pool may live on for a while.
        ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&q.r, 0);
        if (cleanup == nullptr) throw std::bad_alloc{};
        cleanup->data = q.across;
        cleanup->handler = [](void* data) noexcept { static_cast<RedisFlight*>(data)->leave(); };
    }
    const ngx_int_t rc = q.across->missed(heard);
    return rc == NGX_DECLINED ? forward(q) : rc;
}

ngx_int_t after_across(Request& q)
{
    q.step = Request::Step::passing;
    const ngx_int_t rc = q.across->resumed();
    return rc == NGX_DECLINED ? forward(q) : rc;
}

}
