#include "http/cache_status.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "http/structured_fields.hpp"

using namespace edge::http;

namespace {

struct Row {
    const char* section;
    CacheStatus status;
    const char* existing;
    const char* expected;
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.section << ": " << row.expected;
}

const std::vector<Row> kStatus = {
    {"9211 2.1", {.hit = true}, "", "nginx-edge; hit"},
    {"9211 2.1, 2.4", {.hit = true, .ttl = 30}, "", "nginx-edge; hit; ttl=30"},
    {"9211 2.4 negative", {.hit = true, .ttl = -412}, "", "nginx-edge; hit; ttl=-412"},
    {"9211 2.2", {.forward = "uri-miss"}, "", "nginx-edge; fwd=uri-miss"},
    {"9211 2.2 not with hit", {.hit = true, .forward = "stale", .stored = true}, "", "nginx-edge; hit"},
    {"9211 2.3", {.forward = "stale", .forward_status = 304}, "", "nginx-edge; fwd=stale; fwd-status=304"},
    {"9211 2.5, 2.6",
     {.forward = "uri-miss", .forward_status = 200, .ttl = 60, .stored = true, .collapsed = true},
     "",
     "nginx-edge; fwd=uri-miss; fwd-status=200; stored; collapsed; ttl=60"},
    {"9211 2.8",
     {.forward = "bypass", .detail = "set-cookie"},
     "",
     "nginx-edge; fwd=bypass; detail=set-cookie"},
    {"9211 2.8 string", {.hit = true, .detail = "two words"}, "", "nginx-edge; hit; detail=\"two words\""},
    {"9211 2.7", {.hit = true, .key = "http://a/\"b\\"}, "", "nginx-edge; hit; key=\"http://a/\\\"b\\\\\""},
    {"9651 3.3.3 printable only", {.hit = true, .key = "a\n\xc3\xa9"}, "", "nginx-edge; hit; key=\"a???\""},
    {"9211 2 appended behind the origin's",
     {.hit = true},
     "origin; fwd=miss",
     "origin; fwd=miss, nginx-edge; hit"},
    {"9211 2 name as string", {.cache = "edge 1", .hit = true}, "", "\"edge 1\"; hit"},
    {"9211 2 name as string", {.cache = "1edge", .hit = true}, "", "\"1edge\"; hit"},
    {"9651 3.3.1 integer range",
     {.hit = true, .ttl = INT64_MIN},
     "",
     "nginx-edge; hit; ttl=-999999999999999"},
};

}

BOOST_DATA_TEST_CASE(a_member_says_what_the_cache_did, boost::unit_test::data::make(kStatus), row)
{
    std::vector<char> out(cache_status_bound(row.status, row.existing));
    const std::string_view text = write_cache_status(row.status, row.existing, out);
    BOOST_TEST(text == row.expected);
    BOOST_TEST(sf::parse_list(text).has_value());
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_left_out_whole_and_the_optional_parts_first)
{
    const CacheStatus status{.hit = true, .ttl = 5, .key = "k", .detail = "d"};
    const std::string whole = "nginx-edge; hit; ttl=5; key=\"k\"; detail=d";
    const std::string without_detail = "nginx-edge; hit; ttl=5; key=\"k\"";
    const std::string bare = "nginx-edge; hit; ttl=5";
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        std::string want;
        if (size >= bare.size()) want = bare;
        if (size >= without_detail.size()) want = without_detail;
        if (size >= whole.size()) want = whole;
        std::vector<char> out(size + 8, '#');
        const auto text = write_cache_status(status, "", std::span{out}.first(size));
        BOOST_TEST(text == want);
        BOOST_TEST((std::string{out.begin() + static_cast<std::ptrdiff_t>(size), out.end()}) == "########");
    }
    BOOST_TEST(write_cache_status(status, "origin; hit", std::span<char>{}).empty());
}
