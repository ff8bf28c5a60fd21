#include "redis/slot_map.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "redis/whole_reply.hpp"

using namespace edge::redis;
using edge::redis::test::with_reply;

namespace {

std::string bulk(const std::string& text)
{
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

/// A node as Redis 7 says it; from 3.0 to 6.2 without the last part.
std::string node(const std::string& host, unsigned port, const std::string& more = "*0\r\n")
{
    return (more.empty() ? "*3\r\n" : "*4\r\n") + bulk(host) + ":" + std::to_string(port) + "\r\n" +
           bulk("36b5be9f5be9ec0f3a0a2f8bb0ea5e0d3b0e0c1b") + more;
}

std::string range(unsigned first, unsigned last, std::initializer_list<std::string> nodes)
{
    std::string text = "*" + std::to_string(2 + nodes.size()) + "\r\n:" + std::to_string(first) +
                       "\r\n:" + std::to_string(last) + "\r\n";
    for (const std::string& one : nodes) text += one;
    return text;
}

std::optional<SlotMap> read(const std::string& bytes, std::string_view asked = "192.0.2.9")
{
    std::optional<SlotMap> map;
    BOOST_REQUIRE(
        with_reply(bytes, [&](const Reply& reply) { map = SlotMap::from_cluster_slots(reply, asked); }));
    return map;
}

std::string master_of(const SlotMap& map, std::uint16_t slot)
{
    const SlotMap::Shard* shard = map.shard_of(slot);
    return shard == nullptr ? "nobody" : to_string(map.nodes()[shard->master]);
}

std::string three_shards()
{
    return "*4\r\n" + range(0, 5460, {node("10.0.0.1", 1), node("10.0.0.4", 4)}) +
           range(5461, 10922, {node("10.0.0.2", 2), node("10.0.0.5", 5), node("10.0.0.6", 6)}) +
           range(10923, 16000, {node("10.0.0.3", 3)}) +
           range(16002, 16383, {node("10.0.0.1", 1), node("10.0.0.4", 4)});
}

struct Three {
    SlotMap map = read(three_shards()).value();
};

}

BOOST_FIXTURE_TEST_CASE(every_range_of_slots_has_its_master, Three)
{
    BOOST_TEST(master_of(map, 0) == "10.0.0.1:1");
    BOOST_TEST(master_of(map, 5460) == "10.0.0.1:1");
    BOOST_TEST(master_of(map, 5461) == "10.0.0.2:2");
    BOOST_TEST(master_of(map, 16000) == "10.0.0.3:3");
    BOOST_TEST(master_of(map, 16001) == "nobody");
    BOOST_TEST(master_of(map, 16383) == "10.0.0.1:1");
    BOOST_TEST(map.slots_served() == 16383U);
    BOOST_TEST(map.masters() == 3U);
    BOOST_TEST(map.nodes().size() == 6U);
}

BOOST_FIXTURE_TEST_CASE(a_shard_in_two_ranges_is_one, Three)
{
    BOOST_TEST(map.shard_of(0) == map.shard_of(16383));
    BOOST_TEST(map.shard_of(0)->replicas.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(moved_changes_one_slot, Three)
{
    BOOST_TEST(map.moved(7, {"10.0.0.3", 3}) == map.shard_of(16000)->master);
    BOOST_TEST(master_of(map, 7) == "10.0.0.3:3");
    BOOST_TEST(master_of(map, 6) == "10.0.0.1:1");
    BOOST_TEST(master_of(map, 8) == "10.0.0.1:1");
    BOOST_TEST(map.nodes().size() == 6U);
}

BOOST_FIXTURE_TEST_CASE(moved_may_name_a_node_that_was_not_there_yet, Three)
{
    map.moved(16001, {"10.0.0.7", 7});
    BOOST_TEST(master_of(map, 16001) == "10.0.0.7:7");
    BOOST_TEST(map.masters() == 4U);
    BOOST_TEST(map.slots_served() == 16384U);
}

BOOST_FIXTURE_TEST_CASE(a_replica_that_was_promoted_takes_over_slot_by_slot, Three)
{
    map.moved(0, {"10.0.0.4", 4});
    BOOST_TEST(master_of(map, 0) == "10.0.0.4:4");
    BOOST_TEST(map.shard_of(0)->replicas.empty());
    BOOST_TEST(master_of(map, 1) == "10.0.0.1:1");
}

BOOST_FIXTURE_TEST_CASE(there_is_an_end_to_the_nodes_that_redirections_may_name, Three)
{
    for (unsigned port = 1; port <= 3000; ++port) {
        map.moved(static_cast<std::uint16_t>(port), {"10.9.9.9", static_cast<std::uint16_t>(port)});
    }
    BOOST_TEST(map.nodes().size() == SlotMap::kMostNodes);
    BOOST_TEST(master_of(map, 3000) == "10.0.0.1:1");
    BOOST_TEST(map.add({"10.9.9.8", 1}) == SlotMap::kNobody);
}

BOOST_AUTO_TEST_CASE(a_node_without_a_name_is_at_the_host_that_was_asked)
{
    const auto nil = read("*1\r\n" + range(0, 1, {"*3\r\n$-1\r\n:7000\r\n" + bulk("id")}));
    BOOST_TEST(master_of(nil.value(), 0) == "192.0.2.9:7000");
    BOOST_TEST(master_of(read("*1\r\n" + range(0, 1, {node("", 7000)})).value(), 0) == "192.0.2.9:7000");
    BOOST_TEST(master_of(read("*1\r\n" + range(0, 1, {node("", 7000, "")})).value(), 0) == "192.0.2.9:7000");
    // cluster-preferred-endpoint-type hostname, and this one has none.
    const auto unnamed =
        read("*1\r\n" + range(0, 1, {node("?", 7000, "*2\r\n" + bulk("ip") + bulk("10.0.0.8"))}));
    BOOST_TEST(master_of(unnamed.value(), 0) == "10.0.0.8:7000");
}

BOOST_AUTO_TEST_CASE(a_master_among_its_own_replicas_and_a_replica_named_twice_count_once)
{
    const auto map = read("*1\r\n" + range(0, 9, {node("a", 1), node("a", 1), node("b", 2), node("b", 2)}));
    BOOST_TEST(map.value().shard_of(0)->replicas.size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_no_map_is_none)
{
    for (const std::string& bytes : std::vector<std::string>{
             "*0\r\n", "*-1\r\n", "$-1\r\n", ":5\r\n", "+OK\r\n",
             "-ERR This instance has cluster support disabled\r\n", "*1\r\n*0\r\n",
             "*1\r\n*2\r\n:0\r\n:5\r\n", "*1\r\n" + range(5, 4, {node("a", 1)}),
             "*1\r\n" + range(0, 16384, {node("a", 1)}), "*1\r\n" + range(0, 5, {node("a", 65536)}),
             "*1\r\n" + range(0, 5, {node("a", 0)}), "*1\r\n" + range(0, 5, {bulk("a")}),
             "*1\r\n*3\r\n$1\r\n0\r\n$1\r\n5\r\n" + node("a", 1)}) {
        BOOST_TEST(!read(bytes).has_value(), bytes);
    }
}

BOOST_AUTO_TEST_CASE(reads_take_turns_among_replicas_that_are_up)
{
    const SlotMap::Shard shard{.master = 9, .replicas = {3, 4, 5}};
    std::multiset<SlotMap::Index> all;
    for (std::uint32_t turn = 0; turn < 300; ++turn)
        all.insert(reader_of(shard, turn, [](SlotMap::Index) { return true; }));
    BOOST_TEST(all.count(3) == 100U);
    BOOST_TEST(all.count(4) == 100U);
    BOOST_TEST(all.count(5) == 100U);
    for (std::uint32_t turn = 0; turn < 6; ++turn) {
        BOOST_TEST(reader_of(shard, turn, [](SlotMap::Index one) { return one == 4; }) == 4);
        BOOST_TEST(reader_of(shard, turn, [](SlotMap::Index) { return false; }) == 9);
    }
    const SlotMap::Shard alone{.master = 2};
    BOOST_TEST(reader_of(alone, 0xffffffff, [](SlotMap::Index) { return true; }) == 2);
}
