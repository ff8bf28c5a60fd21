#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cache/glue/purge_link.hpp"
#include "cache/purge_follower.hpp"
#include "cache/purge_log.hpp"
#include "nginx/timer.hpp"
#include "redis/glue/client.hpp"

namespace edge::cache {

/// One worker's hand in a log of purges: follows it when no other worker of this host does, and hands over
/// when it ends.
///
/// Two conversations with Redis, see cache/purge_follower.hpp: the beat is a script over the client's shared
/// connections, the reading one XREAD BLOCK on a connection of its own.
class PurgeFeed final : public LogSink {
public:
    PurgeFeed(PurgeLink& link, PurgeLog log, unsigned slot);
    ~PurgeFeed();
    PurgeFeed(const PurgeFeed&) = delete;
    PurgeFeed& operator=(const PurgeFeed&) = delete;

    void start() noexcept;
    /// There may be purges to send.
    void woken() noexcept;

private:
    void tick() noexcept;
    void act();
    void lead();
    void resign() noexcept;
    void send_beat();
    void take_beat(const redis::Answer& answer) noexcept;
    void read();
    bool make_reader();
    void reopen(ngx_msec_t pause) noexcept;
    void follow(const redis::Answer& answer);
    void take_entries(const redis::Answer& answer) noexcept;
    void trim();
    void wake_waiting() noexcept;
    void report(bool reaches, std::string_view why) noexcept;

    void apply(const PurgeEntry& entry, std::uint64_t number, bool own) override;
    void kill_all() override;
    void raise_floor(std::uint64_t number) override;
    void restart(std::uint64_t number) override;

    PurgeLink& link_;
    PurgeLog log_;
    const unsigned slot_;
    const std::string log_key_;
    const std::string hosts_key_;
    std::optional<PurgeFollower> follower_;
    redis::Call beat_;
    redis::Call reading_;
    redis::Call trimming_;
    std::unique_ptr<redis::Connection> reader_;
    std::unique_ptr<redis::Connection> next_reader_;  ///< to where the log has gone
    bool asking_ = false;     ///< the log is still on its way there: ASKING goes before each question
    unsigned hops_ = 0;       ///< how often it was gone since something was read
    bool reopen_ = false;     ///< the reading connection is to be made anew
    bool in_reader_ = false;  ///< in a handler of that connection: it can't go now
    ngx_msec_t reopen_at_ = 0;
    ngx_msec_t opened_at_ = 0;
    std::uint64_t everywhere_ = 0;  ///< as known when those who wait were woken last
    ngx_msec_t trim_at_ = 0;
    bool reaches_ = true;
    ngx::Timer timer_{[](void* self) noexcept { static_cast<PurgeFeed*>(self)->tick(); }, this};
};

}
