#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "cache/policy_case.hpp"

using namespace policy_case;

namespace {

// A validator in each, so that also what is never fresh is stored.
struct FreshRow {
    const char* section;
    Headers response;
    std::uint32_t freshness;
    std::uint16_t status = 200;
    PolicyConfig config = {};
};

std::ostream& operator<<(std::ostream& out, const FreshRow& row)
{
    out << row.section << ", " << row.status;
    print(out, row.response);
    return out;
}

constexpr std::uint32_t kMost = 2147483648U;

const std::vector<FreshRow> kFreshness = {
    {"9111 4.2.1 max-age", {{"Cache-Control", "max-age=3600"}}, 3600},
    {"9111 5.2 case", {{"Cache-Control", "MaX-aGe=3600"}}, 3600},
    {"9111 5.2.3 extensions", {{"Cache-Control", "foobar, max-age=3600, x=y"}}, 3600},
    {"9111 5.2 quoted form", {{"Cache-Control", "max-age=\"3600\""}}, 3600},
    {"9111 1.2.2 leading zeros", {{"Cache-Control", "max-age=003600"}}, 3600},
    {"9111 1.2.2 2^31 - 1", {{"Cache-Control", "max-age=2147483647"}}, 2147483647},
    {"9111 1.2.2 2^31", {{"Cache-Control", "max-age=2147483648"}}, kMost},
    {"9111 1.2.2 overflow", {{"Cache-Control", "max-age=99999999999"}}, kMost},
    {"9111 4.2.1 negative", {{"Cache-Control", "max-age=-3600"}}, 0},
    {"9111 4.2.1 not an integer", {{"Cache-Control", "max-age=3600.0"}}, 0},
    {"9111 4.2.1 not an integer", {{"Cache-Control", "max-age=a3600"}}, 0},
    {"9111 4.2.1 not an integer", {{"Cache-Control", "max-age=3600a"}}, 0},
    {"9111 4.2.1 not an integer", {{"Cache-Control", "max-age='3600'"}}, 0},
    {"9111 4.2.1 no value", {{"Cache-Control", "max-age"}}, 0},
    {"9111 4.2.1 no value", {{"Cache-Control", "max-age="}}, 0},
    {"9111 4.2.1 space before =", {{"Cache-Control", "max-age =3600"}}, 0},
    {"9111 4.2.1 space after =", {{"Cache-Control", "max-age= 3600"}}, 0},
    {"9111 4.2.1 wrong separator", {{"Cache-Control", "max-age=3600; public"}}, 0},
    {"9111 4.2.1 differing, same line", {{"Cache-Control", "max-age=1800, max-age=1"}}, 0},
    {"9111 4.2.1 differing, two lines",
     {{"Cache-Control", "max-age=1"}, {"Cache-Control", "max-age=1800"}},
     0},
    {"9111 4.2.1 one invalid", {{"Cache-Control", "max-age=1800, max-age=x"}}, 0},
    {"9111 4.2.1 equal", {{"Cache-Control", "max-age=1800, max-age=1800"}}, 1800},
    {"9111 5.2 in quotes", {{"Cache-Control", "x=\"max-age=3600\", max-age=1"}}, 1},
    {"9111 5.2 in quotes", {{"Cache-Control", "max-age=1, x=\"max-age=3600\""}}, 1},
    {"9111 5.2.2.10 s-maxage", {{"Cache-Control", "s-maxage=3600"}}, 3600},
    {"9111 5.2.2.10 over max-age", {{"Cache-Control", "max-age=3600, s-maxage=1"}}, 1},
    {"9111 5.2.2.10 over max-age", {{"Cache-Control", "s-maxage=3600, max-age=1"}}, 3600},
    {"9111 5.2.2.10 over max-age, two lines",
     {{"Cache-Control", "max-age=3600"}, {"Cache-Control", "s-maxage=1"}},
     1},
    {"9111 5.2.2.10 over Expires",
     {{"Expires", at(-10)}, {"Cache-Control", "max-age=0, s-maxage=3600"}},
     3600},
    {"9111 4.2.1 s-maxage invalid", {{"Cache-Control", "max-age=3600, s-maxage=x"}}, 0},
    {"9111 5.3 max-age over Expires", {{"Cache-Control", "max-age=3600"}, {"Expires", at(-7200)}}, 3600},
    {"9111 5.3 max-age over Expires", {{"Cache-Control", "max-age=0"}, {"Expires", at(3600)}}, 0},
    {"9111 5.3 max-age over invalid Expires", {{"Cache-Control", "max-age=3600"}, {"Expires", "0"}}, 3600},
    {"9111 5.3", {{"Expires", at(300)}, {"Date", at(0)}}, 300},
    {"9111 5.3 past", {{"Expires", at(-300)}, {"Date", at(0)}}, 0},
    {"9111 5.3 present", {{"Expires", at(0)}, {"Date", at(0)}}, 0},
    {"9111 5.3 before a fast Date", {{"Expires", at(300)}, {"Date", at(400)}}, 0},
    {"9111 5.3 after a slow Date", {{"Expires", at(10)}, {"Date", at(-10)}}, 20},
    {"9111 5.3 after a fast Date", {{"Expires", at(20)}, {"Date", at(10)}}, 10},
    {"9110 6.6.1 no Date", {{"Expires", at(300)}}, 300},
    {"9110 6.6.1 invalid Date", {{"Expires", at(300)}, {"Date", "foo"}}, 300},
    {"9110 6.6.1 two Dates", {{"Expires", at(300)}, {"Date", at(0)}, {"Date", at(100)}}, 300},
    {"9111 5.3 zero", {{"Expires", "0"}, {"Date", at(0)}}, 0},
    {"9111 5.3 empty", {{"Expires", ""}, {"Date", at(0)}}, 0},
    {"9111 5.3 not a date", {{"Expires", "Thu, 18 Aug 2050 02:01:18 UTC"}}, 0},
    {"9111 5.3 RFC 850", {{"Expires", "Thursday, 15-Jan-26 12:05:00 GMT"}}, 300},
    {"9111 5.3 asctime", {{"Expires", "Thu Jan 15 12:05:00 2026"}}, 300},
    {"9111 5.3 case", {{"Expires", "THU, 15 JAN 2026 12:05:00 gmt"}}, 300},
    {"9111 1.2.2 far future", {{"Expires", "Sun, 21 Nov 2286 04:46:39 GMT"}}, kMost},
    {"9111 4.2.1 two Expires", {{"Expires", at(300)}, {"Expires", at(400)}}, 0},
    {"9111 4.2.1 two Expires", {{"Expires", at(300)}, {"Expires", at(300)}}, 300},
    {"9111 5.3 another field", {{"X-Expires", at(300)}}, 0},

    // 4.2.2.
    {"9111 4.2.2", {{"Last-Modified", at(-86400)}, {"Date", at(0)}}, 8640},
    {"9111 4.2.2 no Date", {{"Last-Modified", at(-86400)}}, 8640},
    {"9111 4.2.2 slow Date", {{"Last-Modified", at(-86400)}, {"Date", at(-3600)}}, 8280},
    {"9111 4.2.2 fast Date", {{"Last-Modified", at(-86400)}, {"Date", at(86400)}}, 8640},
    {"9111 4.2.2 never more than the maximum", {{"Last-Modified", at(-86400 * 365)}}, 86400},
    {"9111 4.2.2 from the future", {{"Last-Modified", at(60)}}, 0},
    {"9111 4.2.2 just now", {{"Last-Modified", at(-5)}}, 0},
    {"9111 4.2.2 not a date", {{"Last-Modified", "yesterday"}}, 0},
    {"9111 4.2.2 404", {{"Last-Modified", at(-86400)}}, 8640, 404},
    {"9111 4.2.2 public, other status",
     {{"Last-Modified", at(-86400)}, {"Cache-Control", "public"}},
     8640,
     599},
    {"9111 4.2.2 not beside explicit freshness",
     {{"Last-Modified", at(-86400)}, {"Cache-Control", "max-age=5"}},
     5},
    {"9111 4.2.2 not beside an invalid one",
     {{"Last-Modified", at(-86400)}, {"Cache-Control", "max-age=x"}},
     0},
    {"9111 4.2.2 not beside an invalid one", {{"Last-Modified", at(-86400)}, {"Expires", "x"}}, 0},
    {"configured share", {{"Last-Modified", at(-86400)}}, 17280, 200, {.heuristic_percent = 20}},
    {"configured off", {{"Last-Modified", at(-86400)}}, 0, 200, {.heuristic_percent = 0}},
    {"configured maximum", {{"Last-Modified", at(-86400)}}, 100, 200, {.heuristic_max = 100}},
    {"the longest span there is",
     {{"Last-Modified", "Sat, 01 Jan 0000 00:00:00 GMT"}},
     UINT32_MAX,
     200,
     {.heuristic_percent = UINT32_MAX, .heuristic_max = UINT32_MAX}},

    // edge_cache_valid.
    {"valid", {}, 60, 200, {.valid = {{200, 60}}}},
    {"valid any", {}, 60, 500, {.valid = {{0, 60}}}},
    {"valid: the first rule that fits", {}, 10, 200, {.valid = {{404, 5}, {200, 10}, {0, 60}}}},
    {"valid: the first rule that fits", {}, 60, 200, {.valid = {{0, 60}, {200, 10}}}},
    {"valid before heuristics", {{"Last-Modified", at(-86400)}}, 60, 200, {.valid = {{0, 60}}}},
    {"valid not over max-age", {{"Cache-Control", "max-age=5"}}, 5, 200, {.valid = {{0, 60}}}},
    {"valid not over max-age=0", {{"Cache-Control", "max-age=0"}}, 0, 200, {.valid = {{0, 60}}}},
    {"valid not over Expires", {{"Expires", "0"}}, 0, 200, {.valid = {{0, 60}}}},
    {"valid not over an invalid max-age", {{"Cache-Control", "max-age=x"}}, 0, 200, {.valid = {{0, 60}}}},
    {"valid beside public", {{"Cache-Control", "public"}}, 60, 200, {.valid = {{0, 60}}}},
    {"valid where Expires is ignored",
     {{"Expires", "0"}},
     60,
     200,
     {.valid = {{0, 60}}, .ignore = {.expires = true}}},
    {"valid where Cache-Control is ignored",
     {{"Cache-Control", "max-age=5"}},
     60,
     200,
     {.valid = {{0, 60}}, .ignore = {.cache_control = true}}},

    // RFC 9213.
    {"9213", {{"CDN-Cache-Control", "max-age=3600"}}, 3600},
    {"9213 over max-age", {{"Cache-Control", "max-age=1"}, {"CDN-Cache-Control", "max-age=3600"}}, 3600},
    {"9213 over max-age", {{"Cache-Control", "max-age=3600"}, {"CDN-Cache-Control", "max-age=1"}}, 1},
    {"9213 over Expires", {{"Expires", at(300)}, {"CDN-Cache-Control", "max-age=0"}}, 0},
    {"9213 over Expires", {{"Expires", at(-300)}, {"CDN-Cache-Control", "max-age=3600"}}, 3600},
    {"9213 extensions", {{"CDN-Cache-Control", "foobar, max-age=3600"}}, 3600},
    {"9213 overflow", {{"CDN-Cache-Control", "max-age=99999999999"}}, kMost},
    {"9213 the last of equal keys", {{"CDN-Cache-Control", "max-age=1, max-age=2"}}, 2},
    {"9213 space before =", {{"Cache-Control", "max-age=1"}, {"CDN-Cache-Control", "max-age =100"}}, 1},
    {"9213 space after =", {{"Cache-Control", "max-age=1"}, {"CDN-Cache-Control", "max-age= 100"}}, 1},
    {"9213 silent on freshness",
     {{"CDN-Cache-Control", "public"}, {"Cache-Control", "max-age=9"}},
     60,
     200,
     {.valid = {{0, 60}}}},
};

struct AgeRow {
    const char* section;
    Headers response;
    std::uint32_t age;
    Seconds delay = 0;
};

std::ostream& operator<<(std::ostream& out, const AgeRow& row)
{
    out << row.section << ", delay " << row.delay;
    print(out, row.response);
    return out;
}

const std::vector<AgeRow> kAges = {
    {"9111 4.2.3 none", {}, 0},
    {"9111 4.2.3 Age", {{"Age", "30"}}, 30},
    {"9111 4.2.3 apparent", {{"Date", at(-30)}}, 30},
    {"9111 4.2.3 the larger", {{"Date", at(-30)}, {"Age", "20"}}, 30},
    {"9111 4.2.3 the larger", {{"Date", at(-10)}, {"Age", "20"}}, 20},
    {"9111 4.2.3 fast Date", {{"Date", at(30)}}, 0},
    {"9111 4.2.3 fast Date and Age", {{"Date", at(10)}, {"Age", "15"}}, 15},
    {"9111 4.2.3 delay", {}, 5, 5},
    {"9111 4.2.3 delay and Age", {{"Age", "20"}}, 25, 5},
    {"9111 4.2.3 delay is within the apparent age", {{"Date", at(-30)}}, 30, 5},
    {"9111 4.2.3 our clock went back", {{"Age", "20"}}, 20, -5},
    {"9110 6.6.1 invalid Date", {{"Date", "foo"}}, 0},
    {"9110 6.6.1 two Dates", {{"Date", at(-30)}, {"Date", at(-40)}}, 0},
    {"9110 6.6.1 the same Date twice", {{"Date", at(-30)}, {"Date", at(-30)}}, 30},
    {"9111 5.1 not a number", {{"Age", "abc"}}, 0},
    {"9111 5.1 negative", {{"Age", "-7200"}}, 0},
    {"9111 5.1 decimal", {{"Age", "7200.0"}}, 0},
    {"9111 5.1 parameter", {{"Age", "7200;foo=bar"}}, 0},
    {"9111 5.1 first member", {{"Age", "7200, 0"}}, 7200},
    {"9111 5.1 first member", {{"Age", "0, 7200"}}, 0},
    {"9111 5.1 first line", {{"Age", "7200"}, {"Age", "0"}}, 7200},
    {"9111 5.1 first line", {{"Age", "0"}, {"Age", "7200"}}, 0},
    {"9111 5.1 an invalid first is not replaced", {{"Age", "x, 7200"}}, 0},
    {"9111 5.1 empty", {{"Age", ""}, {"Age", "5"}}, 5},
    {"9111 1.2.2", {{"Age", "2147483647"}}, 2147483647},
    {"9111 1.2.2", {{"Age", "2147483648"}}, kMost},
    {"9111 1.2.2", {{"Age", "99999999999999999999"}}, kMost},
    {"9111 1.2.2 Date of long ago", {{"Date", "Sat, 01 Jan 0000 00:00:00 GMT"}}, kMost},
};

struct FlagRow {
    const char* section;
    Headers response;
    std::uint32_t flags;
    std::uint32_t revalidate;
    std::uint32_t on_error;
    PolicyConfig config = {};
};

std::ostream& operator<<(std::ostream& out, const FlagRow& row)
{
    out << row.section;
    print(out, row.response);
    return out;
}

const PolicyConfig kStale = {.stale_while_revalidate = 7, .stale_if_error = 8};

const std::vector<FlagRow> kFlags = {
    {"none", {{"Cache-Control", "max-age=60"}}, 0, 0, 0},
    {"9111 5.2.2.2", {{"Cache-Control", "max-age=60, must-revalidate"}}, kMustRevalidate, 0, 0},
    {"9111 5.2.2.8", {{"Cache-Control", "max-age=60, proxy-revalidate"}}, kMustRevalidate, 0, 0},
    {"9111 5.2.2.10", {{"Cache-Control", "s-maxage=60"}}, kMustRevalidate, 0, 0},
    {"9111 5.2.2.10 invalid",
     {{"Cache-Control", "s-maxage=x"}, {"ETag", "\"a\""}},
     kMustRevalidate | kHasValidator,
     0,
     0},
    {"9111 5.2.2.2 malformed", {{"Cache-Control", "max-age=60, must-revalidate=1"}}, kMustRevalidate, 0, 0},
    {"9111 5.2.2.4",
     {{"Cache-Control", "max-age=60, no-cache"}, {"ETag", "\"a\""}},
     kNoCache | kHasValidator,
     0,
     0},
    {"9111 5.2.2.4 qualified", {{"Cache-Control", "max-age=60, no-cache=\"a\""}}, 0, 0, 0},
    {"9111 5.2.2.4 qualified, not names",
     {{"Cache-Control", "max-age=60, no-cache=\"a:b\""}, {"ETag", "\"a\""}},
     kNoCache | kHasValidator,
     0,
     0},
    {"9111 5.4", {{"Pragma", "No-Cache, x"}, {"ETag", "\"a\""}}, kNoCache | kHasValidator, 0, 0},
    {"9111 4.2.2", {{"Last-Modified", at(-9000)}}, kHeuristic | kHasValidator, 0, 0},
    {"9111 4.3.1 ETag", {{"Cache-Control", "max-age=60"}, {"ETag", "W/\"a\""}}, kHasValidator, 0, 0},
    {"9111 4.3.1 ETag withheld",
     {{"Cache-Control", "max-age=60, private=\"etag\""}, {"ETag", "\"a\""}},
     0,
     0,
     0},
    {"9111 4.3.1 Last-Modified",
     {{"Cache-Control", "max-age=60"}, {"Last-Modified", at(-9)}},
     kHasValidator,
     0,
     0},
    {"9111 4.3.1 Last-Modified withheld",
     {{"Cache-Control", "max-age=60, no-cache=last-modified"}, {"Last-Modified", at(-9)}},
     0,
     0,
     0},
    {"9111 4.3.1 no dates", {{"Cache-Control", "max-age=60"}, {"Last-Modified", "x"}}, 0, 0, 0},
    {"5861 3", {{"Cache-Control", "max-age=60, stale-while-revalidate=5"}}, 0, 5, 0},
    {"5861 4", {{"Cache-Control", "max-age=60, stale-if-error=5"}}, kNoStaleOnError, 0, 5},
    {"5861 3 invalid", {{"Cache-Control", "max-age=60, stale-while-revalidate"}}, 0, 0, 8, kStale},
    {"5861 configured", {{"Cache-Control", "max-age=60"}}, 0, 7, 8, kStale},
    {"5861 the origin over the configured",
     {{"Cache-Control", "max-age=60, stale-while-revalidate=0, stale-if-error=1"}},
     kNoStaleOnError,
     0,
     1,
     kStale},
    {"9111 5.2.2.2 over both",
     {{"Cache-Control", "max-age=60, must-revalidate, stale-while-revalidate=5, stale-if-error=5"}},
     kMustRevalidate,
     0,
     0,
     kStale},
    {"9111 5.2.2.4 over both",
     {{"Cache-Control", "no-cache, stale-while-revalidate=5, stale-if-error=5"}, {"ETag", "\"a\""}},
     kNoCache | kHasValidator,
     0,
     0,
     kStale},
    {"5861 configured, never fresh",
     {{"Cache-Control", "max-age=0"}, {"ETag", "\"a\""}},
     kHasValidator,
     0,
     8,
     kStale},
    {"9111 4.2.1 doubt",
     {{"Cache-Control", "max-age=1, max-age=2"}, {"ETag", "\"a\""}},
     kHasValidator | kNoStaleOnError,
     0,
     0,
     kStale},
    {"9213 5861",
     {{"CDN-Cache-Control", "max-age=60, stale-while-revalidate=5"}, {"Cache-Control", "must-revalidate"}},
     0,
     5,
     0},
};

}

BOOST_DATA_TEST_CASE(the_freshness_lifetime_follows_from_the_fields, boost::unit_test::data::make(kFreshness),
                     row)
{
    Headers headers = row.response;
    headers.push_back({"ETag", "\"a\""});
    const StoreVerdict verdict = may_store({}, answer(headers, row.status), row.config);
    BOOST_TEST(verdict.reason == NotStored::stored);
    BOOST_TEST(verdict.lifetime.freshness == row.freshness);
}

BOOST_DATA_TEST_CASE(the_initial_age_follows_from_date_age_and_delay, boost::unit_test::data::make(kAges),
                     row)
{
    Headers headers = row.response;
    headers.push_back({"Cache-Control", "max-age=60"});
    ResponseFacts response = answer(headers);
    response.request_time = response.response_time - row.delay;
    const StoreVerdict verdict = may_store(kAnybody, response, kPlain);
    BOOST_TEST(verdict.reason == NotStored::stored);
    BOOST_TEST(verdict.lifetime.corrected_initial_age == row.age);
    BOOST_TEST(verdict.lifetime.response_time == kNow);
}

BOOST_DATA_TEST_CASE(flags_and_windows_follow_from_the_directives, boost::unit_test::data::make(kFlags), row)
{
    const StoreVerdict verdict = may_store(kAnybody, answer(row.response), row.config);
    BOOST_TEST(verdict.reason == NotStored::stored);
    BOOST_TEST(verdict.lifetime.flags == row.flags);
    BOOST_TEST(verdict.lifetime.stale_while_revalidate == row.revalidate);
    BOOST_TEST(verdict.lifetime.stale_if_error == row.on_error);
}
