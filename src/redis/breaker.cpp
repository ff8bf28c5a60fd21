#include "redis/breaker.hpp"

#include <algorithm>

namespace edge::redis {

void Breaker::note(bool well, std::uint64_t now_ms) noexcept
{
    window_[seen_ % kWindow] = {now_ms, well};
    ++seen_;
}

bool Breaker::mostly_failing(std::uint64_t now_ms) const noexcept
{
    // Before the window is full a few failures say little; in_a_row speaks for a node that is dead.
    if (seen_ < kWindow) return false;
    unsigned counted = 0;
    unsigned failed = 0;
    for (const Outcome& outcome : window_) {
        if (now_ms - outcome.at > limits_.window_ms) continue;
        ++counted;
        if (!outcome.well) ++failed;
    }
    return counted >= kWindow / 2 && failed * 100 >= counted * limits_.share;
}

void Breaker::succeeded(std::uint64_t now_ms) noexcept
{
    if (state_ != State::closed) return;
    row_ = 0;
    note(true, now_ms);
}

bool Breaker::failed(std::uint64_t now_ms) noexcept
{
    if (state_ != State::closed) return false;
    ++row_;
    note(false, now_ms);
    if (row_ < limits_.in_a_row && !mostly_failing(now_ms)) return false;
    state_ = State::open;
    open_for_ = limits_.open_ms;
    probe_at_ = now_ms + open_for_;
    return true;
}

void Breaker::probing() noexcept
{
    if (state_ == State::open) state_ = State::half_open;
}

bool Breaker::probed(bool well, std::uint64_t now_ms) noexcept
{
    if (state_ != State::half_open) return false;
    if (well) {
        state_ = State::closed;
        row_ = 0;
        seen_ = 0;
        return true;
    }
    state_ = State::open;
    open_for_ = std::min(open_for_ * 2, limits_.longest_ms);
    probe_at_ = now_ms + open_for_;
    return false;
}

}
