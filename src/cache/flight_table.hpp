#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/zone.hpp"

/// Which keys are being asked for at the origin right now: one flight per key, led by one process and
/// followed by requests in any. Shared memory; knows numbers, nothing of HTTP or nginx.
///
/// A flight's life: asking (the leader waits for the origin's header) → streaming (the body grows in the
/// zone's entry) → over. Or: asking → refused: the answer is not for others, who ask for themselves, now and
/// for a while after. Or: asking → vacant: the leader has gone before there was a header, and the next that
/// comes leads.
namespace edge::cache {

namespace flight {
struct Area;
}

/// One process's hand in the table: a pointer, copied freely. All members are safe in any process at any
/// time; a process that dies in one of them leaves the part it held empty. Full parts give Role::alone, never
/// an error.
class FlightTable {
public:
    static constexpr unsigned kWorkers = 256;                   ///< wake-up slots that a flight can remember
    using Watchers = std::array<std::uint64_t, kWorkers / 64>;  ///< bit per wake-up slot

    /// A process that asks or waits.
    struct Worker {
        std::uint32_t slot;    ///< below kWorkers; kWorkers: it can't be woken and polls
        std::int32_t process;  ///< its process id
    };
    /// What is asked for: `object`, one of the variants of `home`, or `home` itself while its variants aren't
    /// known. All flights of one home lie together, so that one can be found under another object's hash
    /// later.
    struct Key {
        KeyHash home;
        KeyHash object;
    };
    /// One flight, in any process; number 0: none.
    struct Ticket {
        std::uint32_t place = 0;
        std::uint64_t number = 0;
        explicit operator bool() const noexcept { return number != 0; }
    };
    enum class State : std::uint32_t { over, asking, streaming, refused, vacant };
    /// Where the body of a streaming flight is.
    struct Body {
        std::uint32_t entry;  ///< of the zone (Fill::entry)
        KeyHash key;          ///< the object's own
        std::int64_t length;  ///< of the whole body, bytes
    };
    struct Seen {
        State state = State::over;
        std::int32_t leader = 0;  ///< its process id; asking and streaming
        Body body{};              ///< streaming
    };
    enum class Role : std::uint8_t { lead, follow, alone };
    struct Joined {
        Role role = Role::alone;
        Ticket ticket;
        Seen seen;
    };
    using Exists = bool (*)(std::int32_t process);

    static std::size_t bytes_needed() noexcept;
    /// `memory`: zeroed, 64-byte aligned, bytes_needed() long.
    static void format(void* memory) noexcept;
    /// Whether `memory` was formatted by this version of the layout.
    static bool usable(const void* memory) noexcept;

    FlightTable() noexcept = default;
    /// `memory` is usable and outlives the view. `exists` tells whether a process is alive.
    FlightTable(void* memory, Exists exists) noexcept;
    explicit operator bool() const noexcept { return area_ != nullptr; }

    /// Leads a new flight, or one whose leader has gone; or becomes a watcher of the one there is; or
    /// neither: it was refused, or there is no place. `now_ms`: any clock that all processes share.
    Joined join(const Key& key, Worker self, std::uint64_t now_ms) noexcept;
    Seen look(Ticket ticket) const noexcept;
    /// The caller leads from now on, if nobody does any more. false: somebody does, or the flight is over.
    bool take_over(Ticket ticket, Worker self) noexcept;
    Watchers watchers(Ticket ticket) const noexcept;

    // By the leader; each returns whom to wake.
    /// There is a header, and a body that grows. The flight is found under the object's key from now on.
    Watchers publish(Ticket ticket, const Body& body) noexcept;
    /// The answer is complete, broken, or of no use to the followers: they look again.
    Watchers finish(Ticket ticket) noexcept;
    /// The answer is for the leader alone: whoever waits or comes within `for_ms` asks for itself.
    Watchers refuse(Ticket ticket, std::uint64_t now_ms, std::uint64_t for_ms) noexcept;
    /// The leader goes without an answer. Without watchers the flight is over.
    Watchers abandon(Ticket ticket) noexcept;

    /// An answer to this key was stored after all: forget that it was refused.
    void forget_refusal(const Key& key) noexcept;

private:
    flight::Area* area_ = nullptr;
    Exists exists_ = nullptr;
};

}
