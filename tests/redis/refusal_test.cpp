#include "redis/refusal.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

using namespace edge::redis;
using Kind = Refusal::Kind;

namespace {

struct Row {
    std::string line;
    Kind kind;
    unsigned slot = 0;
    std::string address = ":0";
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.line;
}

const std::vector<Row> kLines = {
    {"MOVED 3999 127.0.0.1:6381", Kind::moved, 3999, "127.0.0.1:6381"},
    {"ASK 0 10.1.2.3:7000", Kind::ask, 0, "10.1.2.3:7000"},
    {"MOVED 16383 2001:db8::1:6379", Kind::moved, 16383, "[2001:db8::1]:6379"},
    {"MOVED 1 [::1]:6379", Kind::moved, 1, "[::1]:6379"},
    {"MOVED 1 redis-2.example.org:6379", Kind::moved, 1, "redis-2.example.org:6379"},
    // An unknown endpoint is where the reply came from ("Redis cluster specification", MOVED redirection).
    {"MOVED 1 :6379", Kind::moved, 1, ":6379"},
    {"MOVED 1 ?:6379", Kind::moved, 1, ":6379"},
    {"MOVED 16384 127.0.0.1:6381", Kind::other},
    {"MOVED -1 127.0.0.1:6381", Kind::other},
    {"MOVED 1 127.0.0.1:65536", Kind::other},
    {"MOVED 1 127.0.0.1:0", Kind::other},
    {"MOVED 1 127.0.0.1", Kind::other},
    {"MOVED 1 user@127.0.0.1:6379", Kind::other},
    {"MOVED 1", Kind::other},
    {"MOVED", Kind::other},
    {"ASK x 127.0.0.1:6379", Kind::other},
    {"TRYAGAIN Multiple keys request during rehashing of slot", Kind::try_again},
    {"CLUSTERDOWN The cluster is down", Kind::cluster_down},
    {"CLUSTERDOWN Hash slot not served", Kind::cluster_down},
    {"LOADING Redis is loading the dataset in memory", Kind::loading},
    {"BUSY Redis is busy running a script.", Kind::loading},
    {"BUSYGROUP Consumer Group name already exists", Kind::other},
    {"READONLY You can't write against a read only replica.", Kind::read_only},
    {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Kind::master_down},
    {"OOM command not allowed when used memory > 'maxmemory'.", Kind::other},
    {"MISCONF Redis is configured to save RDB snapshots", Kind::other},
    {"NOREPLICAS Not enough good replicas to write.", Kind::other},
    {"NOAUTH Authentication required.", Kind::other},
    {"WRONGPASS invalid username-password pair or user is disabled.", Kind::other},
    {"NOPERM this user has no permissions to run the 'xadd' command", Kind::other},
    {"ERR invalid password", Kind::other},
    {"ERR unknown command 'FOO'", Kind::other},
    {"moved 1 127.0.0.1:6379", Kind::other},
    {"", Kind::other},
};

}

BOOST_DATA_TEST_CASE(an_error_says_what_to_do, boost::unit_test::data::make(kLines), row)
{
    const Refusal refusal = parse_refusal(row.line);
    BOOST_TEST((refusal.kind == row.kind));
    BOOST_TEST(refusal.slot == row.slot);
    BOOST_TEST(to_string(refusal.address) == row.address);
}
