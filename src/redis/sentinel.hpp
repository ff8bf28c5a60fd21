#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/refusal.hpp"
#include "redis/reply.hpp"

/// What Sentinels say ("Guidelines for Redis clients with support for Redis Sentinel").
namespace edge::redis {

/// SENTINEL get-master-addr-by-name. std::nullopt: it knows no such master, or that is no such answer.
/// Throws std::bad_alloc.
std::optional<HostPort> parse_master_address(const Reply& answer);

/// SENTINEL replicas: those that it believes to be up and linked to their master. Throws std::bad_alloc.
std::vector<HostPort> parse_replicas(const Reply& answer);

enum class Role { unknown, master, replica, sentinel };
/// ROLE.
Role parse_role(const Reply& answer) noexcept;

/// Finds the master of a set and follows it: asks one Sentinel after the other, has what they say confirmed
/// by the server itself, and starts again when told of trouble.
///
/// Shape:  asks nobody itself. due() says what to do now; whoever does it reports by the on_... functions.
/// One question
///         is under way at a time.
/// Units:  milliseconds of one monotonic clock. Errors: none but std::bad_alloc. Thread safety: none.
class SentinelWatch {
public:
    static constexpr std::uint64_t kPauseMs = 250;       ///< between rounds while no master is found
    static constexpr std::uint64_t kMostPauseMs = 2000;  ///< the pause doubles with each round, up to this
    static constexpr std::uint64_t kRefreshMs = 1000;    ///< between questions while all is well

    struct Task {
        enum class What { nothing, ask, verify };
        What what = What::nothing;
        std::size_t sentinel = 0;  ///< of `ask`: which one
        HostPort server = {};      ///< of `verify`: whom to ask for its ROLE
        std::uint64_t again_at_ms =
            0;  ///< of `nothing`: when to call due() next; 0: when the question is answered
    };

    /// `sentinels`: how many there are, at least one.
    explicit SentinelWatch(std::size_t sentinels) noexcept : sentinels_{sentinels} {}

    /// What to do now. An `ask` or `verify` is under way from here on, until it is reported.
    Task due(std::uint64_t now_ms);

    /// The Sentinel asked says this is the master; std::nullopt: it did not answer, or knows none.
    void on_answer(std::uint64_t now_ms, std::optional<HostPort> master);
    /// The server asked for its ROLE is this; `unknown` also when it did not answer. True: master() is
    /// another than before.
    bool on_role(std::uint64_t now_ms, Role role);
    /// The master's connection was lost, or it says that it is READONLY.
    void on_trouble(std::uint64_t now_ms);

    /// Who was the master when it was last asked; none before the first time.
    const std::optional<HostPort>& master() const noexcept { return master_; }
    /// Whether it is being looked for.
    bool searching() const noexcept { return !settled_; }

private:
    void next_sentinel(std::uint64_t now_ms);

    std::size_t sentinels_;
    std::size_t turn_ = 0;   // whom to ask
    std::size_t asked_ = 0;  // in this round
    std::uint64_t not_before_ = 0;
    std::uint64_t pause_ = kPauseMs;
    Task::What under_way_ = Task::What::nothing;
    bool settled_ = false;
    bool again_ = false;  // trouble was reported while a question was under way
    std::optional<HostPort> candidate_;
    std::optional<HostPort> master_;
};

}
