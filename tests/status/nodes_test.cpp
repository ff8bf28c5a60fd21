#include <boost/test/unit_test.hpp>
#include <memory>
#include <new>
#include <string>

#include "status/counters.hpp"

using namespace edge::status;

BOOST_AUTO_TEST_SUITE(status_nodes)

namespace {

struct Memory {
    Memory() : bytes{new (std::align_val_t{64}) char[bytes_needed()]{}} { format(bytes, 1); }
    ~Memory() { operator delete[](bytes, std::align_val_t{64}); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    char* bytes;
};

bool nobody_exists(std::int64_t)
{
    return false;
}
bool all_exist(std::int64_t)
{
    return true;
}

}

BOOST_FIXTURE_TEST_CASE(processes_add_to_the_node_of_a_name, Memory)
{
    Counters a = Counters::claim(bytes, 100, all_exist);
    Counters b = Counters::claim(bytes, 200, all_exist);
    const unsigned node = a.name_node("10.0.0.5:6379");
    BOOST_TEST(b.name_node("10.0.0.6:6379") != node);
    BOOST_TEST(b.name_node("10.0.0.5:6379") == node);
    a.change(node, NodeGauge::connections, 2);
    b.change(node, NodeGauge::connections, 3);
    b.change(node, NodeGauge::connections, -1);
    a.add(node, NodeCounter::lost);
    b.add(node, NodeCounter::lost);
    a.record(node, 400);
    b.record(node, 600);
    const auto all = sum_nodes(bytes);
    BOOST_REQUIRE(all.size() == 2U);
    BOOST_TEST(all[0].name == "10.0.0.5:6379");
    BOOST_TEST(all[0][NodeGauge::connections] == 4U);
    BOOST_TEST(all[0][NodeCounter::lost] == 2U);
    BOOST_TEST(all[0].round_trip.total() == 2U);
    BOOST_TEST(all[0].round_trip.sum == 1000U);
    BOOST_TEST(all[1][NodeGauge::connections] == 0U);
}

BOOST_FIXTURE_TEST_CASE(what_a_process_that_is_gone_had_is_no_longer_there_but_its_counts_are, Memory)
{
    Counters a = Counters::claim(bytes, 100, all_exist);
    const unsigned node = a.name_node("n");
    a.change(node, NodeGauge::in_flight, 7);
    a.add(node, NodeCounter::openings);
    Counters b = Counters::claim(bytes, 200, nobody_exists);  // finds a gone, and takes its place
    const auto all = sum_nodes(bytes);
    BOOST_TEST(all[0][NodeGauge::in_flight] == 0U);
    BOOST_TEST(all[0][NodeCounter::openings] == 1U);
    b.change(node, NodeGauge::in_flight, -1);
    BOOST_TEST(sum_nodes(bytes)[0][NodeGauge::in_flight] == 0U);  // never below
}

BOOST_FIXTURE_TEST_CASE(nodes_beyond_the_last_are_ignored, Memory)
{
    Counters a = Counters::claim(bytes, 100, all_exist);
    for (unsigned i = 0; i < kNodes; ++i) BOOST_TEST(a.name_node("node " + std::to_string(i)) == i);
    BOOST_TEST(a.name_node("one more") == kNodes);
    a.change(kNodes, NodeGauge::connections, 1);
    a.add(kNodes, NodeCounter::lost);
    a.record(kNodes, 1);
    BOOST_TEST(sum_nodes(bytes).size() == std::size_t{kNodes});
    Counters unattached;
    BOOST_TEST(unattached.name_node("x") == kNodes);
    unattached.change(0, NodeGauge::connections, 1);
    unattached.add(0, NodeCounter::lost);
}

BOOST_FIXTURE_TEST_CASE(of_a_long_name_the_beginning_is_kept, Memory)
{
    Counters a = Counters::claim(bytes, 100, all_exist);
    const std::string name(300, 'x');
    const unsigned node = a.name_node(name);
    BOOST_TEST(a.name_node(name) == node);
    BOOST_TEST(sum_nodes(bytes)[0].name.size() == kNodeName);
}

BOOST_AUTO_TEST_SUITE_END()
