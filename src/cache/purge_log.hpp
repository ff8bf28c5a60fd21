#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cache/purge_entry.hpp"
#include "cache/purge_table.hpp"

/// What all processes of a host know of the purges of all hosts: how far the log was replayed here, until
/// when that is good enough to serve by, and the host's own purges that are not in the log yet. Shared
/// memory; knows nothing of Redis or nginx. One process at a time, the *follower* (cache/purge_follower.hpp),
/// replays.
///
/// Clock: milliseconds that all processes of the host share and that count on while the machine is suspended.
namespace edge::cache {

namespace purging {
struct Log;
}

/// One process's hand in it: a pointer, copied freely. A default one belongs to nothing: only its bool may be
/// asked. All members are safe in any process at any time, and a process may die in any of them; where it
/// dies while it changes the queue, all that is queued becomes one purge of everything.
class PurgeLog {
public:
    static constexpr std::size_t kQueueBytes = 1024 * 1024;
    static constexpr unsigned kSlots = 256;  ///< wake-up slots of processes

    static std::size_t bytes_needed() noexcept;
    static bool usable(const void* memory) noexcept;
    /// Zeroed memory, 64-byte aligned. `host` is random: who this host is, until it is started anew.
    static void format(void* memory, std::uint64_t host) noexcept;

    PurgeLog() noexcept = default;
    /// `memory` is usable() and outlives the view.
    explicit PurgeLog(void* memory) noexcept : log_{static_cast<purging::Log*>(memory)} {}
    explicit operator bool() const noexcept { return log_ != nullptr; }

    std::uint64_t host() const noexcept;

    // --- for whoever answers requests ---
    /// How far this host has come: what an origin request takes along that starts now, for the value in Redis
    /// that is made of its answer. Epoch 0: no value is to be made of it.
    LogPosition position() const noexcept;
    /// Whether everything that was purged anywhere until a bounded time ago is known here. Without it nothing
    /// that has tags is served from a store.
    bool in_touch(std::uint64_t now) const noexcept;
    /// What is to be thought of a stored response that came out of Redis; `at`: the position it carries;
    /// object.sequence is not looked at. `table` follows this log.
    Judgement judge(const PurgeTable& table, LogPosition at, Purgeable object) const noexcept;

    // --- for whoever purges ---
    /// Takes a purge of this host's for the log. To be called before it is carried out here: from now on no
    /// older value out of Redis is used here. Returns its ticket: 1, 2, 3… Throws std::bad_alloc.
    std::uint64_t push(PurgeEntry entry);
    /// Whether all hosts that may serve what has tags have carried it out.
    bool is_everywhere(std::uint64_t ticket) const noexcept;
    /// Who waits in `slot` is to be woken when more is everywhere.
    void await(unsigned slot) noexcept;

    // --- for the follower ---
    /// Whether the caller is the follower now: the first to ask, or the first after the last one died or gave
    /// up. `slot`: where to wake it.
    bool lead(unsigned slot) noexcept;
    void stop_leading() noexcept;
    unsigned leader() const noexcept;  ///< its slot; kSlots: nobody or nobody knows

    /// Before a table is restarted: nothing is known, no value out of Redis is used.
    void forget_position() noexcept;
    /// The log has been replayed up to `at`; after forget_position(), or within the same epoch.
    void set_position(LogPosition at) noexcept;
    void keep_in_touch(std::uint64_t until) noexcept;  ///< never shortens

    struct Batch {
        std::vector<std::string> entries;  ///< encoded, oldest first
        std::uint64_t last_ticket = 0;     ///< of the last one
    };
    /// What is queued with tickets higher than `after`, up to about `bytes`. Throws std::bad_alloc.
    Batch queued(std::uint64_t after, std::size_t bytes);
    std::uint64_t last_ticket() const noexcept;  ///< given out
    /// The purges up to `ticket` were read back from the log and are in the tables. Throws std::bad_alloc.
    void confirm(std::uint64_t ticket);
    std::uint64_t confirmed() const noexcept;
    void set_everywhere(std::uint64_t ticket) noexcept;
    std::uint64_t everywhere() const noexcept;
    using Slots = std::array<std::uint64_t, kSlots / 64>;
    /// The slots that await() named since the last call.
    Slots take_awaiting() noexcept;

    /// For the status page; since the host was started.
    struct Figures {
        LogPosition position;
        LogPosition top;          ///< of the log, when it was asked last
        std::uint64_t floor;      ///< the number before which purges are not known one by one
        std::uint64_t queued;     ///< purges not yet read back
        std::uint64_t overflows;  ///< how often what was queued became one purge of everything
        std::uint64_t applied;    ///< entries
        std::uint64_t epochs;     ///< entered
        std::uint64_t gaps;       ///< entries found missing, or not understood
        std::uint64_t hosts;      ///< known to be there, this one included
        std::uint64_t failures;   ///< times Redis could not be asked
        std::uint64_t awaited;    ///< purges whose answer was held back
        std::uint64_t given_up;   ///< of these: answered without knowing
        std::uint64_t refused;    ///< uses of stored responses with tags refused while out of touch
    };
    Figures figures() const noexcept;
    enum class Count { applied, epochs, gaps, failures, awaited, given_up, refused };
    void count(Count what) noexcept;
    void note_top(LogPosition top, std::uint64_t hosts) noexcept;
    void note_floor(std::uint64_t number) noexcept;

private:
    class Queue;
    bool is_pending(const Purgeable& object) const noexcept;
    purging::Log* log_ = nullptr;
};

}
