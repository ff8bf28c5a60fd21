#include "status/report.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

using namespace edge::status;

namespace {

struct RatioRow {
    const char* what;
    std::vector<std::pair<Counter, std::uint64_t>> counts;
    std::optional<double> hit, offload;
};
std::ostream& operator<<(std::ostream& out, const RatioRow& row)
{
    return out << row.what;
}

using enum Counter;
const RatioRow kRatioRows[] = {
    {"no requests", {}, std::nullopt, std::nullopt},
    {"hits only", {{requests_hit, 7}}, 1.0, 1.0},
    {"misses only", {{requests_miss, 7}}, 0.0, 0.0},
    {"expired is a miss", {{requests_expired, 1}, {requests_hit, 1}}, 0.5, 0.5},
    {"stale and updating are hits",
     {{requests_stale, 1}, {requests_updating, 2}, {requests_miss, 1}},
     0.75,
     0.75},
    {"revalidated is a hit that waited", {{requests_revalidated, 3}, {requests_miss, 1}}, 0.75, 0.0},
    {"bypass was never looked for", {{requests_bypass, 3}, {requests_hit, 1}}, 1.0, 0.25},
    {"nor was pass", {{requests_pass, 3}, {requests_hit, 1}}, 1.0, 0.25},
    {"only bypass", {{requests_bypass, 3}}, std::nullopt, 0.0},
    {"other counters do not matter", {{forwards_miss, 3}, {served_bytes, 9}}, std::nullopt, std::nullopt},
};

}

BOOST_AUTO_TEST_SUITE(status_report)

BOOST_DATA_TEST_CASE(ratios_count_each_status_as_documented, kRatioRows, row)
{
    Totals totals;
    for (const auto& [counter, n] : row.counts) totals[counter] = n;
    BOOST_TEST((hit_ratio(totals) == row.hit));
    BOOST_TEST((offload_ratio(totals) == row.offload));
}

BOOST_AUTO_TEST_CASE(the_compression_ratio_is_of_bytes_after_to_before)
{
    Totals totals;
    BOOST_TEST(!compression_ratio(totals).has_value());
    totals[Counter::websocket_deflate_before] = 400;
    totals[Counter::websocket_deflate_after] = 100;
    totals[Counter::websocket_inflate_before] = 7;
    BOOST_TEST(compression_ratio(totals).value() == 0.25);
}

BOOST_AUTO_TEST_SUITE_END()
