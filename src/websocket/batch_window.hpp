#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "websocket/segments.hpp"

namespace edge::websocket {

/// Decides when messages held for one client leave in one write: the first after a pause at once, those after
/// it together, when there are enough of them or the oldest has waited long enough. What would fill only a
/// part of a segment then, at the end of a few, stays while its own messages may still wait.
///
/// Shape:  one object per connection; counts messages, owns no bytes.
/// Units:  now_ms, deadline(): milliseconds of one monotonic clock. bytes: as they go on the wire.
/// Limits: messages >= 1; delay_ms = 0 holds nothing. A pause is delay_ms without a message.
/// Errors: none, total for all inputs; a clock that jumps back counts as standing still.
/// Spec:   RFC 6455 section 5.5.2: a Pong goes out as soon as is practical, so they flush.
///         Order is the caller's queue; a window never reorders.
class BatchWindow {
public:
    struct Limits {
        std::uint32_t messages = 50;
        std::uint32_t bytes = 16000;
        std::uint32_t delay_ms = 20;
    };
    enum class Verdict : std::uint8_t { hold, flush };
    /// Why the last `flush` was said; also what a caller flushes for of its own accord.
    enum class Cause : std::uint8_t { first, messages, bytes, delay, urgent, stream, close, drain };
    static constexpr std::size_t kCauses = 8;
    /// Nothing stays behind when something leaves for this cause.
    static constexpr bool takes_all(Cause cause) noexcept
    {
        return cause != Cause::messages && cause != Cause::bytes && cause != Cause::delay;
    }

    explicit BatchWindow(Limits limits) noexcept : limits_{limits} {}
    /// What batches are made to fit. May be told at any time; until then all that is held goes.
    void fit(const Segments& segments) noexcept { segments_ = segments; }

    /// One more message is in the queue. After `flush` the caller may add more to the same write before it
    /// calls flushed().
    Verdict on_message(std::uint64_t now_ms, std::uint32_t bytes, bool urgent) noexcept;
    /// A control frame is queued: what is held goes with it. It is no message, and the pause goes on.
    void on_control(std::uint32_t bytes) noexcept
    {
        bytes_ += bytes;
        cause_ = Cause::urgent;
    }
    /// Whether a message that came now would not be the first after a pause.
    bool in_burst(std::uint64_t now_ms) const noexcept
    {
        return last_message_ && now_ms < *last_message_ + limits_.delay_ms;
    }
    /// When what is held has to leave; nullopt: nothing is held.
    std::optional<std::uint64_t> deadline() const noexcept;
    /// How many of the held_bytes() a flush for this cause takes, from the front.
    std::uint64_t leaving(Cause cause, std::uint64_t now_ms) const noexcept;
    /// And how many messages stay if these are not all: one that is cut, too. (Under TLS sometimes one more.)
    std::uint32_t staying() const noexcept { return tail_messages_; }
    /// So much as leaving() said left, or everything (or was handed to a socket that will take it when it
    /// can).
    void flushed(std::uint64_t bytes = UINT64_MAX) noexcept;

    Cause cause() const noexcept { return cause_; }
    std::uint32_t held_messages() const noexcept { return messages_; }
    std::uint64_t held_bytes() const noexcept { return bytes_; }
    /// When the oldest message held came. Meaningless if there is none.
    std::uint64_t held_since() const noexcept { return since_; }

private:
    Limits limits_;
    std::uint32_t messages_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t since_ = 0;
    std::optional<std::uint64_t> last_message_;
    // Of what lies behind the last whole segment: the oldest message that ends there.
    std::uint64_t tail_since_ = 0;
    std::uint32_t tail_messages_ = 0;
    Segments segments_;
    Cause cause_ = Cause::first;
};

}
