#pragma once

#include <cstdint>

namespace edge::websocket {

/// Frames per second as a bucket of one second's frames that fills up evenly.
///
/// Units:  now_ms: milliseconds of one monotonic clock; a jump back counts as standing still.
/// Limits: per_second 0 allows everything.
class FrameRate {
public:
    explicit FrameRate(std::uint32_t per_second) noexcept
        : per_second_{per_second}, left_{per_second * 1000ULL}
    {}
    /// One more frame: false if it is over the limit.
    bool allow(std::uint64_t now_ms) noexcept
    {
        if (per_second_ == 0) return true;
        const std::uint64_t full = per_second_ * 1000ULL;
        if (now_ms > last_) {
            const std::uint64_t passed = now_ms - last_;
            left_ =
                passed >= 1000 || left_ + passed * per_second_ > full ? full : left_ + passed * per_second_;
            last_ = now_ms;
        }
        if (left_ < 1000) return false;
        left_ -= 1000;
        return true;
    }

private:
    std::uint32_t per_second_;
    std::uint64_t left_;  // thousandths of a frame
    std::uint64_t last_ = 0;
};

}
