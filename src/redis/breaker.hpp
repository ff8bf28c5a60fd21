#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace edge::redis {

/// Decides when a node is not worth asking.
///
/// Shape:  one object per node and worker. closed: everybody may ask. It opens after `in_a_row` failures
///         without a success between them, or when at least `share` percent of the last `kWindow` outcomes
///         within `window_ms` failed (a node that is slow: some answers come in time). Open: nobody asks, but
///         from probe_at() on one probe of our own may (half open), and its outcome closes the breaker, or
///         opens it again for twice as long.
/// Units:  milliseconds of one monotonic clock.
/// Errors: none, total for all inputs. One thread.
class Breaker {
public:
    static constexpr std::size_t kWindow = 32;
    struct Limits {
        unsigned in_a_row = 5;
        unsigned share = 50;
        std::uint64_t window_ms = 10'000;
        std::uint64_t open_ms = 500;  ///< the first time; doubled by each probe that fails
        std::uint64_t longest_ms = 8'000;
    };
    enum class State : std::uint8_t { closed, open, half_open };

    Breaker() noexcept : Breaker{Limits{}} {}
    explicit Breaker(const Limits& limits) noexcept : limits_{limits} {}

    State state() const noexcept { return state_; }
    bool allows() const noexcept { return state_ == State::closed; }

    // What became of a command, while closed; what comes later changes nothing.
    void succeeded(std::uint64_t now_ms) noexcept;
    /// true: this opened it.
    bool failed(std::uint64_t now_ms) noexcept;

    /// When open: the time for a probe.
    std::uint64_t probe_at() const noexcept { return probe_at_; }
    /// The probe is sent.
    void probing() noexcept;
    /// Its outcome. true: closed again.
    bool probed(bool well, std::uint64_t now_ms) noexcept;

private:
    void note(bool well, std::uint64_t now_ms) noexcept;
    bool mostly_failing(std::uint64_t now_ms) const noexcept;

    struct Outcome {
        std::uint64_t at;
        bool well;
    };
    Limits limits_;
    State state_ = State::closed;
    unsigned row_ = 0;
    std::array<Outcome, kWindow> window_{};
    std::size_t seen_ = 0;  ///< outcomes ever, the newest at (seen_ - 1) % kWindow
    std::uint64_t open_for_ = 0;
    std::uint64_t probe_at_ = 0;
};

}
