#include "status/report.hpp"

namespace edge::status {

namespace {

std::optional<double> share(std::uint64_t part, std::uint64_t whole) noexcept
{
    if (whole == 0) return std::nullopt;
    return static_cast<double>(part) / static_cast<double>(whole);
}

}

std::optional<double> hit_ratio(const Totals& totals) noexcept
{
    const std::uint64_t hits = totals[Counter::requests_hit] + totals[Counter::requests_stale] +
                               totals[Counter::requests_updating] + totals[Counter::requests_revalidated];
    return share(hits, hits + totals[Counter::requests_miss] + totals[Counter::requests_expired]);
}

std::optional<double> offload_ratio(const Totals& totals) noexcept
{
    const std::uint64_t spared =
        totals[Counter::requests_hit] + totals[Counter::requests_stale] + totals[Counter::requests_updating];
    return share(spared, spared + totals[Counter::requests_revalidated] + totals[Counter::requests_miss] +
                             totals[Counter::requests_expired] + totals[Counter::requests_bypass] +
                             totals[Counter::requests_pass]);
}

std::optional<double> compression_ratio(const Totals& totals) noexcept
{
    return share(totals[Counter::websocket_deflate_after], totals[Counter::websocket_deflate_before]);
}

}
