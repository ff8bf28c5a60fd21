#include "status/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace edge::status {

static_assert(buckets::of(UINT64_MAX) == buckets::kCount - 1);
static_assert(buckets::highest(buckets::kCount - 1) == (std::uint64_t{1} << buckets::kRangeBits) - 1);

namespace {

/// The 1-based rank of the q-quantile among `total` values, in 1…total also where doubles no longer tell
/// neighbours apart, and for a q that is not a number.
std::uint64_t rank(double q, std::uint64_t total) noexcept
{
    if (q >= 1) return total;
    if (!(q > 0)) return 1;
    const double exact = std::ceil(q * static_cast<double>(total));
    return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, total);
}

}

std::uint64_t Histogram::total() const noexcept
{
    return std::accumulate(count.begin(), count.end(), std::uint64_t{0});
}

std::uint64_t Histogram::at_most(std::uint64_t microseconds) const noexcept
{
    // The last bucket has no upper end.
    std::uint64_t found = 0;
    for (std::size_t i = 0; i + 1 < count.size() && buckets::highest(i) <= microseconds; ++i)
        found += count[i];
    return found;
}

std::optional<std::uint64_t> Histogram::quantile(double q) const noexcept
{
    const std::uint64_t all = total();
    if (all == 0) return std::nullopt;
    std::uint64_t left = rank(q, all);
    std::size_t i = 0;
    while (left > count[i]) left -= count[i++];
    return std::midpoint(buckets::lowest(i), buckets::highest(i));
}

Histogram& Histogram::merge(const Histogram& other) noexcept
{
    std::ranges::transform(count, other.count, count.begin(), std::plus<>{});
    sum += other.sum;
    return *this;
}

}
