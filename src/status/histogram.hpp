#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace edge::status {

/// The buckets of a log-linear histogram: 16 of equal width in each power of two, so that a bucket's middle
/// is within 1/32 of every value in it. Below 32 each value has a bucket of its own.
///
/// Units:  whole microseconds. Values from 2^32 (71 minutes) on share the last bucket.
/// Errors: none, total for all inputs.
namespace buckets {

inline constexpr unsigned kStepBits = 4;
inline constexpr unsigned kSteps = 1U << kStepBits;
inline constexpr unsigned kRangeBits = 32;
inline constexpr std::size_t kCount = kSteps * (kRangeBits - kStepBits + 1);

/// The bucket of `value`; always below kCount.
constexpr std::size_t of(std::uint64_t value) noexcept
{
    if (value < kSteps) return static_cast<std::size_t>(value);
    if (value >> kRangeBits != 0) return kCount - 1;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kStepBits - 1;
    return kSteps * shift + static_cast<std::size_t>(value >> shift);
}

/// The smallest and the largest value of a bucket, both included. `bucket` < kCount.
constexpr std::uint64_t lowest(std::size_t bucket) noexcept
{
    if (bucket < 2 * kSteps) return bucket;
    const std::size_t shift = bucket / kSteps - 1;
    return (kSteps + bucket % kSteps) << shift;
}
constexpr std::uint64_t highest(std::size_t bucket) noexcept
{
    return lowest(bucket + 1) - 1;
}

}

/// A histogram read out of the shared counters, in the reader's own memory. Plain values; nothing is shared.
struct Histogram {
    std::array<std::uint64_t, buckets::kCount> count{};
    std::uint64_t sum = 0;  ///< of all values, in microseconds, as they were before they fell into a bucket

    std::uint64_t total() const noexcept;
    /// How many values are certainly at most `microseconds`: a bucket that goes beyond it is left out whole.
    std::uint64_t at_most(std::uint64_t microseconds) const noexcept;
    /// The value of rank ceil(q · total), within 1/32 of it. `q` outside 0…1 counts as the nearer end;
    /// std::nullopt without values. q = 1 is the maximum.
    std::optional<std::uint64_t> quantile(double q) const noexcept;
    Histogram& merge(const Histogram& other) noexcept;
};

}
