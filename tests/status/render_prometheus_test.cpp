#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "status/node_figures.hpp"
#include "status/report.hpp"
#include "status/sample_snapshot.hpp"
#include "status/zone_figures.hpp"

using namespace edge::status;
using test::sample_snapshot;

namespace {

std::string text(const Snapshot& page)
{
    std::string out;
    render_prometheus(page, out);
    return out;
}

struct Page {
    std::map<std::string, std::string> types;                     ///< by family
    std::map<std::string, std::string> samples;                   ///< value by name and labels
    std::vector<std::pair<std::string, std::uint64_t>> in_order;  ///< whole numbers
};

/// The family a sample belongs to: its own name, or for a histogram's parts the name before the suffix.
std::string family_of(const Page& page, const std::string& name)
{
    if (page.types.contains(name)) return name;
    for (const char* suffix : {"_bucket", "_sum", "_count"}) {
        const std::string end{suffix};
        if (!name.ends_with(end)) continue;
        const auto found = page.types.find(name.substr(0, name.size() - end.size()));
        if (found != page.types.end() && found->second == "histogram") return found->first;
    }
    return {};
}

/// Reads a page and checks what the format asks of its order: HELP, then TYPE, once a family and before its
/// samples, which stand together; no series twice.
Page read(const std::string& text)
{
    BOOST_REQUIRE(text.ends_with('\n'));
    Page page;
    std::string helped, current;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string hash, keyword, name, type;
        if (line.starts_with("# HELP ")) {
            words >> hash >> keyword >> helped;
            BOOST_TEST(line.size() > 8 + helped.size(), line);
            BOOST_TEST(!page.types.contains(helped), line);
        } else if (line.starts_with("# TYPE ")) {
            words >> hash >> keyword >> name >> type;
            BOOST_TEST(name == helped, line);
            BOOST_TEST(page.types.emplace(name, type).second, line);
            current = name;
        } else {
            const std::size_t space = line.rfind(' ');
            const std::string series = line.substr(0, space), value = line.substr(space + 1);
            BOOST_TEST(family_of(page, series.substr(0, series.find('{'))) == current, line);
            BOOST_TEST(page.samples.emplace(series, value).second, line);
            if (value.find('.') == value.npos) page.in_order.emplace_back(series, std::stoull(value));
        }
    }
    return page;
}

}

BOOST_AUTO_TEST_SUITE(status_render_prometheus)

BOOST_AUTO_TEST_CASE(each_family_is_declared_once_before_its_samples_and_no_series_comes_twice)
{
    const Page page = read(text(sample_snapshot()));
    BOOST_TEST(page.types.size() == kFamilies.size() + kTimers.size() + 5 + kZoneFigures.size() + 6);
    BOOST_TEST(page.samples.size() == kCounters.size() + kTimers.size() * 21 + 5 + 2 * kZoneFigures.size() +
                                          2 * (kNodeGaugeFigures.size() + 1 + kNodeErrors.size() + 21));
}

BOOST_AUTO_TEST_CASE(a_name_ends_in_total_exactly_when_it_is_a_counter)
{
    for (const auto& [name, type] : read(text(sample_snapshot())).types) {
        BOOST_TEST(name.ends_with("_total") == (type == "counter"), name << " " << type);
    }
}

BOOST_AUTO_TEST_CASE(names_that_others_rely_on_keep_their_place_and_value)
{
    const Snapshot snapshot = sample_snapshot();
    Page page = read(text(snapshot));
    const auto counter = [&](Counter which) { return std::to_string(snapshot.totals[which]); };
    auto& samples = page.samples;
    BOOST_TEST(samples["edge_cache_requests_total{status=\"HIT\"}"] == counter(Counter::requests_hit));
    BOOST_TEST(samples["edge_cache_forwards_total{reason=\"uri-miss\"}"] ==
               counter(Counter::forwards_uri_miss));
    BOOST_TEST(samples["edge_cache_not_stored_total{reason=\"other\"}"] ==
               counter(Counter::not_stored_other));
    BOOST_TEST(samples["edge_cache_served_bytes_total"] == counter(Counter::served_bytes));
    BOOST_TEST(samples["edge_cache_fills_aborted_total"] == counter(Counter::fills_aborted));
    BOOST_TEST(samples["edge_cache_fills_active"] == counter(Counter::fills_active));
    BOOST_TEST(samples["edge_cache_revalidations_total{result=\"not_modified\"}"] ==
               counter(Counter::revalidations_not_modified));
    BOOST_TEST(samples["edge_cache_answers_total{code=\"304\"}"] == counter(Counter::answers_not_modified));
    BOOST_TEST(samples["edge_cache_zone_capacity_bytes{zone=\"main\"}"] == "2001");
    BOOST_TEST(samples["edge_cache_zone_objects_limit{zone=\"main\"}"] == "2005");
    BOOST_TEST(samples["edge_cache_zone_evictions_total{zone=\"main\"}"] == "2006");
    BOOST_TEST(samples["edge_cache_zone_recoveries_total{zone=\"main\"}"] == "2009");
    BOOST_TEST(samples["edge_build_info{version=\"1.2.3\",nginx_version=\"1.22.1\"}"] == "1");
    BOOST_TEST(samples["edge_workers"] == "4");
    BOOST_TEST(samples["edge_config_generation"] == "9");
    BOOST_TEST(samples["edge_start_time_seconds"] == "1700000100");
    BOOST_TEST(samples["edge_counting_since_timestamp_seconds"] == "1700000050");
    BOOST_TEST(page.types["edge_cache_fills_active"] == "gauge");
    BOOST_TEST(page.types["edge_cache_zone_used_bytes"] == "gauge");
}

BOOST_AUTO_TEST_CASE(zone_names_are_escaped_as_label_values)
{
    const Page page = read(text(sample_snapshot()));
    BOOST_TEST(page.samples.contains(R"(edge_cache_zone_objects{zone="we\"i\\r\nd\\xff"})"));
    BOOST_TEST(page.samples.at(R"(edge_cache_zone_capacity_bytes{zone="we\"i\\r\nd\\xff"})") ==
               "18446744073709551615");
}

BOOST_AUTO_TEST_CASE(buckets_are_cumulative_in_seconds_and_end_with_the_count)
{
    const Page page = read(text(sample_snapshot()));
    const std::string name = "edge_cache_hit_duration_seconds";
    std::vector<std::uint64_t> counts;
    double last_end = 0;
    for (const auto& [series, value] : page.in_order) {
        const std::string head = name + "_bucket{le=\"";
        if (!series.starts_with(head)) continue;
        const std::string end = series.substr(head.size(), series.size() - head.size() - 2);
        BOOST_TEST(std::stod(end == "+Inf" ? "inf" : end) > last_end, series);
        last_end = std::stod(end == "+Inf" ? "inf" : end);
        BOOST_TEST((counts.empty() || value >= counts.back()), series);
        counts.push_back(value);
    }
    BOOST_TEST(counts.size() == 19U);
    BOOST_TEST(page.types.at(name) == "histogram");
    BOOST_TEST(page.samples.at(name + "_bucket{le=\"0.0001\"}") == "96");
    BOOST_TEST(page.samples.at(name + "_bucket{le=\"0.001\"}") == "96");
    BOOST_TEST(page.samples.at(name + "_bucket{le=\"0.0025\"}") == "100");
    BOOST_TEST(page.samples.at(name + "_bucket{le=\"60\"}") == "100");
    BOOST_TEST(page.samples.at(name + "_bucket{le=\"+Inf\"}") == "100");
    BOOST_TEST(page.samples.at(name + "_count") == "100");
    BOOST_TEST(page.samples.at(name + "_sum") == "0.01038");
}

BOOST_AUTO_TEST_CASE(values_beyond_the_last_bucket_are_in_the_count)
{
    Snapshot snapshot;
    snapshot.totals[Timer::origin].count[buckets::of(UINT64_MAX)] = 3;
    const Page page = read(text(snapshot));
    BOOST_TEST(page.samples.at("edge_cache_origin_duration_seconds_bucket{le=\"60\"}") == "0");
    BOOST_TEST(page.samples.at("edge_cache_origin_duration_seconds_bucket{le=\"+Inf\"}") == "3");
}

BOOST_AUTO_TEST_CASE(nodes_have_their_name_as_label)
{
    const std::string page = text(sample_snapshot());
    for (const char* line :
         {"\nedge_redis_connections{node=\"10.0.0.5:6379\"} 3001\n",
          "\nedge_redis_in_flight{node=\"uni\\\"x:\"} 3002\n",
          "\nedge_redis_breakers_open{node=\"10.0.0.5:6379\"} 3003\n",
          "\nedge_redis_breaker_openings_total{node=\"10.0.0.5:6379\"} 3009\n",
          "\nedge_redis_errors_total{node=\"10.0.0.5:6379\",kind=\"lost\"} 3005\n",
          "\nedge_redis_round_trip_seconds_bucket{node=\"10.0.0.5:6379\",le=\"0.00025\"} 0\n",
          "\nedge_redis_round_trip_seconds_bucket{node=\"10.0.0.5:6379\",le=\"0.0005\"} 10\n",
          "\nedge_redis_round_trip_seconds_sum{node=\"10.0.0.5:6379\"} 0.00401\n",
          "\nedge_redis_round_trip_seconds_count{node=\"uni\\\"x:\"} 10\n"}) {
        BOOST_TEST(page.find(line) != page.npos, line);
    }
    BOOST_TEST(text(Snapshot{}).find("edge_redis_connections") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(without_zones_no_zone_family_is_declared)
{
    BOOST_TEST(text(Snapshot{}).find("zone=") == std::string::npos);
    BOOST_TEST(text(Snapshot{}).find("edge_cache_zone_") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
