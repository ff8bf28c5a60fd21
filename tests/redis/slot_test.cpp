#include "redis/slot.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

using namespace edge::redis;

namespace {

struct Row {
    std::string key;
    unsigned slot;
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.key;
}

// What Redis 7.0 answers to CLUSTER KEYSLOT.
const std::vector<Row> kKeys = {
    {"123456789", 12739},    {"", 0},
    {"foo", 12182},          {"{foo}.bar", 12182},
    {"foo{}{bar}", 8363},    {"foo{{bar}}zap", 4015},
    {"foo{bar}{zap}", 5061}, {"bar", 5061},
    {"{bar", 4015},          {"}foo{", 8453},
    {"a{b", 13340},          {"\xff\x80\x01", 1242},
};

}

BOOST_DATA_TEST_CASE(a_key_belongs_to_the_slot_that_redis_says, boost::unit_test::data::make(kKeys), row)
{
    BOOST_TEST(slot_of(row.key) == row.slot);
}

BOOST_AUTO_TEST_CASE(a_key_with_a_nul_is_hashed_whole)
{
    using namespace std::string_view_literals;
    BOOST_TEST(slot_of("a\0b"sv) != slot_of("a\0c"sv));
    BOOST_TEST(slot_of("{a\0b}1"sv) == slot_of("{a\0b}2"sv));
}
