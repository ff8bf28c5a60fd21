#include "redis/url.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

using namespace edge::redis;

BOOST_AUTO_TEST_SUITE(redis_url)

namespace {

struct Good {
    const char* text;
    const char* address;
    bool tls;
    const char* user;
    const char* password;
    unsigned database;
};
std::ostream& operator<<(std::ostream& out, const Good& row)
{
    return out << row.text;
}

const Good kGood[] = {
    {"redis://10.0.0.5", "10.0.0.5:6379", false, "", "", 0},
    {"redis://cache.example:7000", "cache.example:7000", false, "", "", 0},
    {"redis://cache.example:7000/", "cache.example:7000", false, "", "", 0},
    {"redis://cache.example/15", "cache.example:6379", false, "", "", 15},
    {"rediss://cache.example:6380", "cache.example:6380", true, "", "", 0},
    {"redis://:secret@h", "h:6379", false, "", "secret", 0},
    {"redis://edge:secret@h:1/2", "h:1", false, "edge", "secret", 2},
    {"redis://edge@h", "h:6379", false, "edge", "", 0},
    {"redis://e%3Ag:p%40ss%2fword%25@h", "h:6379", false, "e:g", "p@ss/word%", 0},
    {"redis://edge:p@ss@h", "h:6379", false, "edge", "p@ss", 0},
    {"redis://edge:a:b@h", "h:6379", false, "edge", "a:b", 0},
    {"redis://[::1]:7000", "[::1]:7000", false, "", "", 0},
    {"redis://[2001:db8::1]", "[2001:db8::1]:6379", false, "", "", 0},
    {"unix:/run/redis/redis.sock", "unix:/run/redis/redis.sock", false, "", "", 0},
    {"unix:/run/redis.sock?db=3", "unix:/run/redis.sock", false, "", "", 3},
    {"unix://edge:se%20cret@/run/redis.sock?db=3", "unix:/run/redis.sock", false, "edge", "se cret", 3},
};

struct Bad {
    const char* text;
    const char* error;  // begins so
};
std::ostream& operator<<(std::ostream& out, const Bad& row)
{
    return out << row.text;
}

const Bad kBad[] = {
    {"", "expected redis://host:port"},
    {"10.0.0.5:6379", "expected redis://host:port"},
    {"http://10.0.0.5", "expected redis://host:port"},
    {"redis:10.0.0.5", "expected redis://host:port"},
    {"redis://", "there is no host"},
    {"redis://:6379", "there is no host"},
    {"redis://user:pw@", "there is no host"},
    {"redis://h:0", "expected a port"},
    {"redis://h:65536", "expected a port"},
    {"redis://h:", "expected a port"},
    {"redis://h:6379x", "expected a port"},
    {"redis://h:+1", "expected a port"},
    {"redis://::1", "an IPv6 address stands in brackets"},
    {"redis://[::1", "expected \"]\""},
    {"redis://[::1]6379", "expected a port"},
    {"redis://h/one", "after the host expected the number"},
    {"redis://h/-1", "after the host expected the number"},
    {"redis://h/1/2", "after the host expected the number"},
    {"redis://a%zz:b@h", "user and password"},
    {"redis://a:b%4@h", "user and password"},
    {"unix:run/redis.sock", "expected the absolute path"},
    {"unix:", "expected the absolute path"},
    {"unix:/run/redis.sock?database=1", "after \"?\" expected"},
    {"unix:/run/redis.sock?db=", "after \"?\" expected"},
    {"unix://a:%@/run/redis.sock", "user and password"},
};

}

BOOST_DATA_TEST_CASE(an_url_names_a_server, boost::unit_test::data::make(kGood), row)
{
    const ParsedUrl parsed = parse_url(row.text);
    BOOST_TEST(parsed.error == "");
    BOOST_TEST(parsed.url.address() == row.address);
    BOOST_TEST(parsed.url.tls == row.tls);
    BOOST_TEST(parsed.url.user == row.user);
    BOOST_TEST(parsed.url.password == row.password);
    BOOST_TEST(parsed.url.database == row.database);
}

BOOST_DATA_TEST_CASE(what_names_none_is_refused_with_what_would_be_right, boost::unit_test::data::make(kBad),
                     row)
{
    BOOST_TEST(parse_url(row.text).error.substr(0, std::string_view{row.error}.size()) == row.error);
}

BOOST_AUTO_TEST_CASE(a_path_that_no_socket_can_have_is_refused)
{
    const std::string path = "/" + std::string(106, 'x');
    BOOST_TEST(parse_url("unix:" + path).error == "");
    BOOST_TEST(parse_url("unix:" + path + "x").error != "");
}

BOOST_AUTO_TEST_CASE(no_message_repeats_a_password)
{
    for (const char* text : {"redis://u:hunter2%@h", "redis://u:hunter2@", "unix://u:hunter2@x"})
        BOOST_TEST(parse_url(text).error.find("hunter2") == std::string_view::npos);
}

BOOST_AUTO_TEST_SUITE_END()
