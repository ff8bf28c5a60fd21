#include "render/levels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace edge::render {

namespace {

constexpr double kTail = 0.001;
constexpr float kDeepest = 65535;

using Counts = std::span<const std::uint32_t>;

// First bin at which more than `share` of all have been counted.
std::size_t quantile(Counts counts, std::uint64_t total, double share) noexcept
{
    const auto wanted = static_cast<std::uint64_t>(static_cast<double>(total) * share);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        seen += counts[i];
        if (seen > wanted) return i;
    }
    return counts.size() - 1;
}

}

Levels levels_of(std::span<const std::uint16_t> samples, bool automatic) noexcept
{
    // Two tables, so that equal neighbours do not wait for each other.
    static std::array<std::uint32_t, 65536> even;
    static std::array<std::uint32_t, 65536> odd;
    even.fill(0);
    odd.fill(0);
    std::size_t i = 0;
    for (; i + 2 <= samples.size(); i += 2) {
        ++even[samples[i]];
        ++odd[samples[i + 1]];
    }
    if (i < samples.size()) ++even[samples[i]];
    for (std::size_t n = 0; n < even.size(); ++n) even[n] += odd[n];
    const auto low = static_cast<float>(quantile(even, samples.size(), kTail));
    const auto high = static_cast<float>(quantile(even, samples.size(), 1 - kTail));
    if (samples.empty() || high <= low) return {.low = 0, .high = kDeepest};
    if (automatic && high > kDeepest / 4) return {.low = 0, .high = kDeepest};
    return {.low = low, .high = high};
}

Levels levels_of(std::span<const float> samples)
{
    float least = std::numeric_limits<float>::infinity();
    float most = -least;
    std::uint64_t count = 0;
    for (const float value : samples) {
        if (!std::isfinite(value)) continue;
        least = std::min(least, value);
        most = std::max(most, value);
        ++count;
    }
    if (count == 0) return {};
    if (most <= least)
        return {.low = std::min(least, 0.0F), .high = std::max(least + std::abs(least) + 1, 1.0F)};
    // Two rounds: a few values far away would put all others into one bin.
    for (int round = 0; round < 2; ++round) {
        constexpr std::size_t kBins = 65536;
        std::vector<std::uint32_t> counts(kBins);
        const double width = (static_cast<double>(most) - least) / kBins;
        if (!(width > 0)) break;
        for (const float value : samples) {
            if (!std::isfinite(value)) continue;
            const double bin = (static_cast<double>(value) - least) / width;
            ++counts[static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(kBins - 1)))];
        }
        const auto low = static_cast<double>(quantile(counts, count, kTail));
        const auto high = static_cast<double>(quantile(counts, count, 1 - kTail)) + 1;
        const float base = least;
        least = static_cast<float>(base + low * width);
        most = static_cast<float>(base + high * width);
        if (high - low > 1000) break;
    }
    if (!(most > least)) most = std::nextafter(least, std::numeric_limits<float>::infinity());
    return {.low = least, .high = most};
}

void replace_not_finite(std::span<float> samples, float value) noexcept
{
    for (float& sample : samples)
        if (!std::isfinite(sample)) sample = value;
}

}
