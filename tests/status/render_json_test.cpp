#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "status/json_check.hpp"
#include "status/report.hpp"
#include "status/sample_snapshot.hpp"

using namespace edge::status;
using test::JsonReader;
using test::JsonValue;
using test::JsonValues;
using test::sample_snapshot;

namespace {

std::string json(const Snapshot& page)
{
    std::string out;
    render_json(page, out);
    return out;
}

std::string number(const JsonValues& values, const std::string& path)
{
    const auto found = values.find(path);
    if (found == values.end()) return "missing";
    return found->second.string ? "a string" : found->second.text;
}

/// Every name the documented page has beside the counters and zones.
const char* const kOtherNames[] = {
    "edge.version",
    "edge.nginx_version",
    "edge.workers",
    "edge.pid",
    "edge.generation",
    "edge.started_at",
    "edge.counting_since",
    "edge.now",
    "edge.uptime_s",
    "cache.hit_ratio",
    "cache.offload_ratio",
    "websocket.compression_ratio",
    "latency.hit.count",
    "latency.hit.sum_us",
    "latency.hit.p50_us",
    "latency.hit.p95_us",
    "latency.hit.p99_us",
    "latency.hit.max_us",
    "latency.origin.count",
    "latency.origin.sum_us",
    "latency.origin.p50_us",
    "latency.origin.p95_us",
    "latency.origin.p99_us",
    "latency.origin.max_us",
    "latency.encode.count",
    "latency.encode.sum_us",
    "latency.encode.p50_us",
    "latency.encode.p95_us",
    "latency.encode.p99_us",
    "latency.encode.max_us",
    "latency.websocket_hold.count",
    "latency.websocket_hold.sum_us",
    "latency.websocket_hold.p50_us",
    "latency.websocket_hold.p95_us",
    "latency.websocket_hold.p99_us",
    "latency.websocket_hold.max_us",
};

}

BOOST_AUTO_TEST_SUITE(status_render_json)

BOOST_AUTO_TEST_CASE(the_page_is_one_valid_object_with_the_documented_names_and_no_other)
{
    const JsonValues values = JsonReader::read(json(sample_snapshot()));
    std::set<std::string> expected{std::begin(kOtherNames), std::end(kOtherNames)};
    for (const CounterInfo& counter : kCounters) {
        std::string path{info(counter.family).json_path};
        if (!counter.json_key.empty()) path += '.' + std::string{counter.json_key};
        expected.insert(path);
    }
    for (const char* zone : {"zones[0].", "zones[1]."}) {
        for (const char* key :
             {"name", "capacity_bytes", "used_bytes", "dead_bytes", "objects", "objects_limit", "evictions",
              "evicted_bytes", "refused", "recoveries", "purge_sequence", "purge_floor", "purge_soft_floor",
              "purge_tags", "purge_tags_limit", "purge_prefixes", "purge_overflows"}) {
            expected.insert(std::string{zone} + key);
        }
    }
    for (const char* node : {"redis.nodes[0].", "redis.nodes[1]."}) {
        for (const char* key :
             {"name", "connections", "in_flight", "breakers_open", "openings", "errors.timed_out",
              "errors.lost", "errors.refused", "errors.protocol", "errors.error_reply", "round_trip.count",
              "round_trip.sum_us", "round_trip.p50_us", "round_trip.p95_us", "round_trip.p99_us",
              "round_trip.max_us"}) {
            expected.insert(std::string{node} + key);
        }
    }
    std::set<std::string> found;
    for (const auto& [path, value] : values) found.insert(path);
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(names_that_others_rely_on_keep_their_place_and_value)
{
    const Snapshot page = sample_snapshot();
    const JsonValues values = JsonReader::read(json(page));
    const auto counter = [&](Counter which) { return std::to_string(page.totals[which]); };
    BOOST_TEST(number(values, "cache.requests.hit") == counter(Counter::requests_hit));
    BOOST_TEST(number(values, "cache.requests.pass") == counter(Counter::requests_pass));
    BOOST_TEST(number(values, "cache.forwards.uri_miss") == counter(Counter::forwards_uri_miss));
    BOOST_TEST(number(values, "cache.not_stored.response_private") ==
               counter(Counter::not_stored_response_private));
    BOOST_TEST(number(values, "cache.bytes.served") == counter(Counter::served_bytes));
    BOOST_TEST(number(values, "cache.bytes.stored") == counter(Counter::stored_bytes));
    BOOST_TEST(number(values, "cache.fills.started") == counter(Counter::fills_started));
    BOOST_TEST(number(values, "cache.fills.active") == counter(Counter::fills_active));
    BOOST_TEST(number(values, "cache.revalidations.replaced") == counter(Counter::revalidations_replaced));
    BOOST_TEST(number(values, "cache.invalidations") == counter(Counter::invalidations));
    BOOST_TEST(number(values, "cache.stale_if_error") == counter(Counter::stale_if_error));
    BOOST_TEST(number(values, "cache.answers.only_if_cached") == counter(Counter::answers_only_if_cached));
}

BOOST_AUTO_TEST_CASE(the_figures_of_a_node_are_where_they_belong)
{
    const JsonValues values = JsonReader::read(json(sample_snapshot()));
    BOOST_TEST(values.at("redis.nodes[0].name").text == "10.0.0.5:6379");
    BOOST_TEST(values.at("redis.nodes[1].name").text == "uni\"x:");
    BOOST_TEST(number(values, "redis.nodes[0].connections") == "3001");
    BOOST_TEST(number(values, "redis.nodes[0].in_flight") == "3002");
    BOOST_TEST(number(values, "redis.nodes[0].breakers_open") == "3003");
    BOOST_TEST(number(values, "redis.nodes[0].errors.timed_out") == "3004");
    BOOST_TEST(number(values, "redis.nodes[0].errors.error_reply") == "3008");
    BOOST_TEST(number(values, "redis.nodes[0].openings") == "3009");
    BOOST_TEST(number(values, "redis.nodes[0].round_trip.sum_us") == "4010");
}

BOOST_AUTO_TEST_CASE(the_program_is_described)
{
    const JsonValues values = JsonReader::read(json(sample_snapshot()));
    BOOST_TEST((values.at("edge.version") == JsonValue{true, "1.2.3"}));
    BOOST_TEST((values.at("edge.nginx_version") == JsonValue{true, "1.22.1"}));
    BOOST_TEST(number(values, "edge.workers") == "4");
    BOOST_TEST(number(values, "edge.pid") == "4711");
    BOOST_TEST(number(values, "edge.generation") == "9");
    BOOST_TEST(number(values, "edge.started_at") == "1700000100");
    BOOST_TEST(number(values, "edge.counting_since") == "1700000050");
    BOOST_TEST(number(values, "edge.now") == "1700000160");
    BOOST_TEST(number(values, "edge.uptime_s") == "60");
}

BOOST_AUTO_TEST_CASE(without_a_start_time_counting_began_with_the_program)
{
    Snapshot page = sample_snapshot();
    page.program.started_at = 0;
    const JsonValues values = JsonReader::read(json(page));
    BOOST_TEST(number(values, "edge.started_at") == "1700000050");
    BOOST_TEST(number(values, "edge.uptime_s") == "110");
}

BOOST_AUTO_TEST_CASE(a_clock_set_back_gives_no_negative_uptime)
{
    Snapshot page = sample_snapshot();
    page.program.now = page.program.started_at - 1;
    BOOST_TEST(number(JsonReader::read(json(page)), "edge.uptime_s") == "0");
}

BOOST_AUTO_TEST_CASE(ratios_have_four_decimals_and_are_null_without_requests)
{
    Snapshot page;
    JsonValues values = JsonReader::read(json(page));
    BOOST_TEST(number(values, "cache.hit_ratio") == "null");
    BOOST_TEST(number(values, "cache.offload_ratio") == "null");
    page.totals[Counter::requests_hit] = 2;
    page.totals[Counter::requests_miss] = 1;
    page.totals[Counter::requests_bypass] = 1;
    values = JsonReader::read(json(page));
    BOOST_TEST(number(values, "cache.hit_ratio") == "0.6667");
    BOOST_TEST(number(values, "cache.offload_ratio") == "0.5000");
}

BOOST_AUTO_TEST_CASE(latencies_are_quantiles_or_null_without_values)
{
    const JsonValues values = JsonReader::read(json(sample_snapshot()));
    BOOST_TEST(number(values, "latency.hit.count") == "100");
    BOOST_TEST(number(values, "latency.hit.sum_us") == "10380");
    BOOST_TEST(number(values, "latency.hit.p50_us") == "20");
    BOOST_TEST(number(values, "latency.hit.p95_us") == "30");
    BOOST_TEST(number(values, "latency.hit.p99_us") == "2015");
    BOOST_TEST(number(values, "latency.hit.max_us") == "2015");
    BOOST_TEST(number(values, "latency.origin.count") == "0");
    for (const char* name : {"p50_us", "p95_us", "p99_us", "max_us"}) {
        BOOST_TEST(number(values, std::string{"latency.origin."} + name) == "null");
    }
}

BOOST_AUTO_TEST_CASE(zones_are_listed_with_their_figures_and_escaped_names)
{
    const JsonValues values = JsonReader::read(json(sample_snapshot()));
    BOOST_TEST((values.at("zones[0].name") == JsonValue{true, "main"}));
    const char* const keys[] = {"capacity_bytes", "used_bytes",    "dead_bytes", "objects",   "objects_limit",
                                "evictions",      "evicted_bytes", "refused",    "recoveries"};
    for (std::size_t i = 0; i < std::size(keys); ++i) {
        BOOST_TEST(number(values, std::string{"zones[0]."} + keys[i]) == std::to_string(2001 + i), keys[i]);
    }
    BOOST_TEST((values.at("zones[1].name") == JsonValue{true, "we\"i\\r\nd\\xff"}));
    BOOST_TEST(number(values, "zones[1].capacity_bytes") == "18446744073709551615");
}

BOOST_AUTO_TEST_CASE(without_zones_the_list_is_empty)
{
    const std::string text = json(Snapshot{});
    BOOST_CHECK_NO_THROW(JsonReader::read(text));
    BOOST_TEST(text.ends_with(",\"zones\":[],\"redis\":{\"nodes\":[]}}\n"));
}

BOOST_AUTO_TEST_CASE(the_page_is_appended)
{
    std::string out = "before";
    render_json(Snapshot{}, out);
    BOOST_TEST(out == "before" + json(Snapshot{}));
}

BOOST_AUTO_TEST_SUITE_END()
