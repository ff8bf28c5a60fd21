#pragma once

#include <cstdint>
#include <string>

#include "cache/glue/request.hpp"
#include "redis/glue/client.hpp"

/// edge_cache_collapse across=redis: of the hosts whose requests want the same at once, one asks the origin.
///
/// The leader of a host's own flight takes a lock in Redis: SET NX with a token and a short lease, which it
/// renews while it asks. Who does not get it looks every kPoll ms for the value, and for the lock: one poll
/// for each key and host, however many clients wait. (Polling needs no connection of its own and nothing that
/// a cluster does differently; a wake-up by publish would reach those only who had subscribed in time.) A
/// leader that dies leaves the lock to whoever asks first after the lease. All of it is bounded by wait=;
/// without Redis each host goes on by itself.
namespace edge::cache {

class RedisFlight {
public:
    RedisFlight(Request& q, redis::Client& client);
    ~RedisFlight() { leave(); }
    RedisFlight(const RedisFlight&) = delete;
    RedisFlight& operator=(const RedisFlight&) = delete;

    /// Nothing was found in Redis. NGX_AGAIN: the phase handler is called again and goes to resumed();
    /// NGX_DECLINED: the origin is to be asked now.
    ngx_int_t missed();
    /// NGX_AGAIN: Redis is being asked for the value; NGX_DECLINED: the origin is to be asked.
    ngx_int_t resumed();
    /// The value is in Redis, or on its way: others find it.
    void done() noexcept;
    /// The answer is of no use to other hosts: who waits asks for itself.
    void refused() noexcept;
    /// The request ends, or was answered otherwise: the next may lead.
    void leave() noexcept;

private:
    enum class Lock : std::uint8_t { none, held, refused, unknown };  ///< as seen last
    /// What nginx holds on to.
    struct Hooks {
        ngx_event_t timer;
        ngx_event_t resume;
        RedisFlight* owner;
    };

    ngx_int_t try_lock();
    ngx_int_t suspend();
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
    bool leads_ = false;
};

/// Instead of forward(), when neither the zone nor Redis has it.
ngx_int_t lead_across(Request& q);
/// The phase handler again.
ngx_int_t after_across(Request& q);

}
