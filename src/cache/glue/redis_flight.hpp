#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "cache/glue/request.hpp"
#include "redis/glue/client.hpp"

/// edge_cache_collapse across=redis: of the hosts whose requests want the same at once, one asks the origin.
///
/// The leader of a host's own flight takes a lock in Redis: SET NX with a token and a short lease, which it
/// renews while it asks. Who does not get it looks every kPoll ms for the value, and for the lock: one poll
/// for each key and host, however many clients wait. (Polling needs no connection of its own and nothing that
/// a cluster does differently; a wake-up by publish would reach those only who had subscribed in time.) A
/// leader that dies leaves the lock to whoever asks first after the lease. All of it is bounded by wait=;
/// without Redis each host goes on by itself. When Redis does not answer in time the origin is asked at once,
/// and the lock claimed behind it: whoever hears of Redis again waits for that.
namespace edge::cache {

/// The values that other hosts wait for, on their way to Redis, and perhaps by several connections: when all
/// have arrived the lock is let go of. Outlives its request, and owns itself from complete() on.
class Delivery {
public:
    Delivery(const redis::Settings* settings, std::string key, std::string token);
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    /// For one more value. Throws std::bad_alloc.
    redis::Call* expect();
    /// The last one expected was not sent.
    void unsent() noexcept;
    /// No more values; not `sent`: some are missing, and who waits has to ask for itself. *this may be gone
    /// then.
    void complete(bool sent) noexcept;

private:
    ~Delivery() = default;
    void answered(const redis::Answer& answer) noexcept;
    void end() noexcept;

    const redis::Settings* settings_;
    const std::string key_;
    const std::string token_;
    std::deque<redis::Call> calls_;
    std::size_t missing_ = 0;
    bool complete_ = false;
    bool well_ = true;
};

class RedisFlight {
public:
    RedisFlight(Request& q, redis::Client& client);
    ~RedisFlight() { leave(); }
    RedisFlight(const RedisFlight&) = delete;
    RedisFlight& operator=(const RedisFlight&) = delete;

    /// Nothing was found in Redis; not `heard`: it did not answer. NGX_AGAIN: the phase handler is called
    /// again and goes to resumed(); NGX_DECLINED: the origin is to be asked now.
    ngx_int_t missed(bool heard);
    /// NGX_AGAIN: Redis is being asked for the value; NGX_DECLINED: the origin is to be asked.
    ngx_int_t resumed();
    /// The answer is to be sent to Redis: the lock goes along. nullptr: this request has none. Throws
    /// std::bad_alloc.
    Delivery* deliver();
    /// The answer is of no use to other hosts: who waits asks for itself.
    void refused() noexcept;
    /// The request ends, or was answered otherwise: the next may lead.
    void leave() noexcept;

private:
    enum class Lock : std::uint8_t {
        none,
        held,
        refused,
        unheard,  ///< no answer came
        unknown,
    };  ///< as seen last
    /// What nginx holds on to.
    struct Hooks {
        ngx_event_t timer;
        ngx_event_t resume;
        RedisFlight* owner;
    };

    ngx_int_t try_lock();
    ngx_int_t suspend();
    void presume();
    bool may_go_on() noexcept;
    bool stop_leading() noexcept;
    void locked(const redis::Answer& answer) noexcept;
    void on_timer() noexcept;
    void arm(ngx_msec_t ms) noexcept;
    void end(std::string_view instead, ngx_msec_t ms) noexcept;

    Request& q_;
    redis::Client& client_;
    const std::string key_;
    const std::string token_;
    redis::Call call_;
    Hooks hooks_{};
    ngx_msec_t deadline_;
    Lock lock_ = Lock::none;
    unsigned unheard_ = 0;  ///< answers that failed in a row
    bool waits_ = false;    ///< another host was seen to lead
    bool leads_ = false;
};

/// Instead of forward(), when neither the zone nor Redis has it, or Redis does not answer.
ngx_int_t lead_across(Request& q, bool heard);
/// The phase handler again.
ngx_int_t after_across(Request& q);

}
