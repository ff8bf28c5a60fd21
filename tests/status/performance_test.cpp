#include "status/performance.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::status;

namespace {

std::string page(PerformancePage which, const Snapshot& snapshot)
{
    std::string out;
    render_performance(which, snapshot, out);
    return out;
}

void set(Snapshot& snapshot, Counter counter, std::uint64_t value)
{
    snapshot.totals.counters[static_cast<std::size_t>(counter)] = value;
}

Snapshot sample()
{
    Snapshot snapshot;
    snapshot.program.now = 1767323045;
    snapshot.memory = {.used = 300, .limit = 1200};
    snapshot.websockets = true;
    snapshot.zones = {{.name = "a", .objects = 7}, {.name = "b", .objects = 5}};
    set(snapshot, Counter::requests_hit, 80);
    set(snapshot, Counter::requests_revalidated, 5);
    set(snapshot, Counter::requests_miss, 10);
    set(snapshot, Counter::requests_expired, 5);
    set(snapshot, Counter::requests_pass, 1000);
    set(snapshot, Counter::websocket_active, 3);
    set(snapshot, Counter::websocket_messages_upstream, 40);
    set(snapshot, Counter::websocket_batches_first, 4);
    set(snapshot, Counter::websocket_batches_delay, 6);
    set(snapshot, Counter::websocket_bytes_from_upstream, 1000);
    set(snapshot, Counter::websocket_bytes_to_client, 250);
    return snapshot;
}

const std::string kMemory = R"({"used":300,"limit":1200,"percentage":25.00})";
const std::string kCache = R"({"available":true,"stats":{"keys":12,"hits":85,"misses":15,"hitRate":85.00}})";
const std::string kWebsocket = R"({"batcherEnabled":true,"metrics":{"connections":3,"messages":40,)"
                               R"("batches":10,"bytesBefore":1000,"bytesSent":250,"saved":75.00}})";

std::string whole(const std::string& data)
{
    return R"({"success":true,"data":)" + data + R"(,"timestamp":"2026-01-02T03:04:05.000Z"})" + "\n";
}

}

BOOST_AUTO_TEST_SUITE(performance_pages)

BOOST_AUTO_TEST_CASE(each_page_has_its_shape)
{
    const Snapshot snapshot = sample();
    BOOST_TEST(page(PerformancePage::memory, snapshot) == whole(kMemory));
    BOOST_TEST(page(PerformancePage::cache, snapshot) == whole(kCache));
    BOOST_TEST(page(PerformancePage::websocket, snapshot) == whole(kWebsocket));
    BOOST_TEST(
        page(PerformancePage::metrics, snapshot) ==
        whole(R"({"memory":)" + kMemory + R"(,"cache":)" + kCache + R"(,"websocket":)" + kWebsocket + "}"));
}

BOOST_AUTO_TEST_CASE(without_anything_there_is_zero_and_no_division)
{
    Snapshot snapshot;
    snapshot.program.now = 1767323045;
    BOOST_TEST(page(PerformancePage::memory, snapshot) == whole(R"({"used":0,"limit":0,"percentage":0.00})"));
    BOOST_TEST(page(PerformancePage::cache, snapshot) ==
               whole(R"({"available":false,"stats":{"keys":0,"hits":0,"misses":0,"hitRate":0.00}})"));
}

BOOST_AUTO_TEST_CASE(more_sent_than_came_saves_nothing)
{
    Snapshot snapshot = sample();
    set(snapshot, Counter::websocket_bytes_to_client, 2000);
    BOOST_TEST(page(PerformancePage::websocket, snapshot).find("\"saved\":0.00") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
