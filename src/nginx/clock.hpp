#pragma once

#include <cstdint>
#include <ctime>

namespace edge::ngx {

/// Nanoseconds of a clock that only goes forward. nginx's own time stands still during a turn of its loop.
inline std::uint64_t monotonic_ns() noexcept
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}
