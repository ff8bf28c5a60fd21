#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "cache/policy_case.hpp"

using namespace policy_case;

namespace {

struct ControlRow {
    const char* section;
    Headers request;
    RequestControl expected;
    PolicyConfig config = {};
};

std::ostream& operator<<(std::ostream& out, const ControlRow& row)
{
    out << row.section;
    print(out, row.request);
    return out;
}

const std::vector<ControlRow> kControls = {
    {"none", {{"Accept", "no-cache"}}, {}},
    {"9111 5.2.1", {{"Cache-Control", "nothing-to-see-here"}}, {}},
    {"9111 5.2.1.1", {{"Cache-Control", "max-age=5"}}, {.max_age = 5}},
    {"9111 5.2.1.1 case", {{"cache-control", "MAX-AGE=5"}}, {.max_age = 5}},
    {"9111 5.2.1.1 quoted", {{"Cache-Control", "max-age=\"5\""}}, {.max_age = 5}},
    {"9111 5.2.1.1 invalid asks most", {{"Cache-Control", "max-age=x"}}, {.max_age = 0}},
    {"9111 5.2.1.1 the strictest",
     {{"Cache-Control", "max-age=5, max-age=3"}, {"Cache-Control", "max-age=9"}},
     {.max_age = 3}},
    {"9111 5.2.1.2 any", {{"Cache-Control", "max-stale"}}, {.max_stale = UINT32_MAX}},
    {"9111 5.2.1.2", {{"Cache-Control", "max-stale=10"}}, {.max_stale = 10}},
    {"9111 5.2.1.2 the strictest", {{"Cache-Control", "max-stale, max-stale=10"}}, {.max_stale = 10}},
    {"9111 5.2.1.2 invalid allows nothing", {{"Cache-Control", "max-stale=x"}}, {.max_stale = 0}},
    {"9111 5.2.1.2 malformed allows nothing", {{"Cache-Control", "max-stale x"}}, {.max_stale = 0}},
    {"9111 5.2.1.3", {{"Cache-Control", "min-fresh=10"}}, {.min_fresh = 10}},
    {"9111 5.2.1.3 the strictest", {{"Cache-Control", "min-fresh=10, min-fresh=20"}}, {.min_fresh = 20}},
    {"9111 5.2.1.3 invalid asks most", {{"Cache-Control", "min-fresh"}}, {.min_fresh = 2147483648U}},
    {"9111 5.2.1.4", {{"Cache-Control", "no-cache"}}, {.no_cache = true}},
    {"9111 5.2.1.4 behind others", {{"Cache-Control", "nothing-to-see-here, no-cache"}}, {.no_cache = true}},
    {"9111 5.2.1.5", {{"Cache-Control", "no-store"}}, {.no_store = true}},
    {"9111 5.2.1.7", {{"Cache-Control", "only-if-cached"}}, {.only_if_cached = true}},
    {"5861 4", {{"Cache-Control", "stale-if-error=9"}}, {.stale_if_error = 9}},
    {"5861 4 invalid allows nothing", {{"Cache-Control", "stale-if-error"}}, {.stale_if_error = 0}},
    {"9111 5.2 a quote without end hides directives",
     {{"Cache-Control", "x=\"no-cache"}},
     {.no_cache = true}},
    {"9111 5.4", {{"Pragma", "no-cache"}}, {.no_cache = true}},
    {"9111 5.4 case", {{"pragma", "x, No-Cache"}}, {.no_cache = true}},
    {"9111 5.4 other", {{"Pragma", "unrecognised-extension"}}, {}},
    {"9111 5.4 beside Cache-Control", {{"Pragma", "no-cache"}, {"Cache-Control", "x"}}, {}},
    {"9111 5.4 beside Cache-Control, before it", {{"Cache-Control", "x"}, {"Pragma", "no-cache"}}, {}},
    {"ignored",
     {{"Cache-Control", "no-cache, no-store, max-age=0, only-if-cached"}},
     {},
     {.ignore_client_cache_control = true}},
    {"ignored Cache-Control lets Pragma speak",
     {{"Cache-Control", "x"}, {"Pragma", "no-cache"}},
     {.no_cache = true},
     {.ignore_client_cache_control = true}},
    {"ignored", {{"Pragma", "no-cache"}}, {}, {.ignore_client_pragma = true}},
};

// A response that arrived `age` seconds ago with this much freshness.
struct ReuseRow {
    const char* section;
    RequestControl request;
    std::uint32_t freshness;
    Seconds age;
    std::uint32_t flags;
    std::uint32_t revalidate;  // stale-while-revalidate
    Reuse reuse;
    Forward forward;
};

std::ostream& operator<<(std::ostream& out, const ReuseRow& row)
{
    return out << row.section << ", age " << row.age << " of " << row.freshness << ", flags " << row.flags
               << ", window " << row.revalidate;
}

const RequestControl kAsIs = {};
constexpr auto kNone = Forward::none;

const std::vector<ReuseRow> kReuse = {
    {"9111 4.2 fresh", kAsIs, 60, 0, 0, 0, Reuse::fresh, kNone},
    {"9111 4.2 fresh", kAsIs, 60, 59, 0, 0, Reuse::fresh, kNone},
    {"9111 4.2 just stale", kAsIs, 60, 60, 0, 0, Reuse::validate, Forward::stale},
    {"9111 4.2 stale", kAsIs, 60, 61, 0, 0, Reuse::validate, Forward::stale},
    {"9111 4.2 never fresh", kAsIs, 0, 0, 0, 0, Reuse::validate, Forward::stale},
    {"9111 4.2.2 heuristic", kAsIs, 60, 5, kHeuristic, 0, Reuse::fresh, kNone},
    {"9111 5.2.2.4", kAsIs, 60, 0, kNoCache, 0, Reuse::validate, Forward::stale},
    {"9111 5.2.2.2 fresh", kAsIs, 60, 5, kMustRevalidate, 0, Reuse::fresh, kNone},
    {"9111 5.2.2.2 stale", kAsIs, 60, 61, kMustRevalidate, 99, Reuse::validate, Forward::stale},
    {"9111 5.2.1.1 young enough", {.max_age = 10}, 60, 10, 0, 0, Reuse::fresh, kNone},
    {"9111 5.2.1.1 too old", {.max_age = 10}, 60, 11, 0, 0, Reuse::validate, Forward::request},
    {"9111 5.2.1.1 a reload", {.max_age = 0}, 60, 0, 0, 0, Reuse::validate, Forward::request},
    {"9111 5.2.1.1 stale anyway", {.max_age = 10}, 5, 11, 0, 0, Reuse::validate, Forward::stale},
    {"9111 5.2.1.3 fresh for long enough", {.min_fresh = 50}, 60, 10, 0, 0, Reuse::fresh, kNone},
    {"9111 5.2.1.3 not for long enough", {.min_fresh = 50}, 60, 11, 0, 0, Reuse::validate, Forward::request},
    {"9111 5.2.1.2 any", {.max_stale = UINT32_MAX}, 60, 1000, 0, 0, Reuse::stale_allowed, kNone},
    {"9111 5.2.1.2 within", {.max_stale = 10}, 60, 70, 0, 0, Reuse::stale_allowed, kNone},
    {"9111 5.2.1.2 beyond", {.max_stale = 10}, 60, 71, 0, 0, Reuse::validate, Forward::stale},
    {"9111 5.2.1.2 fresh", {.max_stale = 10}, 60, 10, 0, 0, Reuse::fresh, kNone},
    {"9111 5.2.2.2 over max-stale",
     {.max_stale = UINT32_MAX},
     60,
     61,
     kMustRevalidate,
     0,
     Reuse::validate,
     Forward::stale},
    {"9111 5.2.2.4 over max-stale",
     {.max_stale = UINT32_MAX},
     60,
     61,
     kNoCache,
     0,
     Reuse::validate,
     Forward::stale},
    {"9111 5.2.1 max-stale and max-age",
     {.max_age = 65, .max_stale = 10},
     60,
     65,
     0,
     0,
     Reuse::stale_allowed,
     kNone},
    {"9111 5.2.1 max-stale and max-age",
     {.max_age = 65, .max_stale = 10},
     60,
     66,
     0,
     0,
     Reuse::validate,
     Forward::stale},
    {"9111 5.2.1 max-stale and min-fresh",
     {.min_fresh = 1, .max_stale = 10},
     60,
     65,
     0,
     0,
     Reuse::validate,
     Forward::stale},
    {"9111 5.2.1.4", {.no_cache = true}, 60, 0, 0, 0, Reuse::validate, Forward::request},
    {"9111 5.2.1.4 over the window", {.no_cache = true}, 60, 61, 0, 99, Reuse::validate, Forward::stale},
    {"9111 5.2.1.5 is about storing", {.no_store = true}, 60, 0, 0, 0, Reuse::fresh, kNone},
    {"9111 5.2.1.7 fresh", {.only_if_cached = true}, 60, 0, 0, 0, Reuse::fresh, kNone},
    {"9111 5.2.1.7 stale", {.only_if_cached = true}, 60, 60, 0, 0, Reuse::gateway_timeout, Forward::stale},
    {"9111 5.2.1.7 no-cache",
     {.no_cache = true, .only_if_cached = true},
     60,
     0,
     0,
     0,
     Reuse::gateway_timeout,
     Forward::request},
    {"9111 5.2.1.7 max-stale",
     {.max_stale = 10, .only_if_cached = true},
     60,
     65,
     0,
     0,
     Reuse::stale_allowed,
     kNone},
    {"5861 3 begin", kAsIs, 60, 60, 0, 10, Reuse::stale_while_revalidate, kNone},
    {"5861 3 end", kAsIs, 60, 70, 0, 10, Reuse::stale_while_revalidate, kNone},
    {"5861 3 over", kAsIs, 60, 71, 0, 10, Reuse::validate, Forward::stale},
    {"5861 3 fresh", kAsIs, 60, 59, 0, 10, Reuse::fresh, kNone},
    {"5861 3 never fresh", kAsIs, 0, 5, 0, 10, Reuse::stale_while_revalidate, kNone},
    {"5861 3 not for who asks for max-age", {.max_age = 100}, 60, 61, 0, 10, Reuse::validate, Forward::stale},
    {"5861 3 not for who asks for min-fresh",
     {.min_fresh = 1},
     60,
     61,
     0,
     10,
     Reuse::validate,
     Forward::stale},
    {"5861 3 before max-stale", {.max_stale = 99}, 60, 61, 0, 10, Reuse::stale_while_revalidate, kNone},
};

struct ErrorRow {
    const char* section;
    std::uint16_t status;
    Seconds age;  // of 60 seconds of freshness
    std::uint32_t on_error;
    bool expected;
    std::uint32_t flags = 0;
    RequestControl request = {};
    PolicyConfig config = {.stale_if_unreachable = 0};
    std::uint32_t freshness = 60;
};

std::ostream& operator<<(std::ostream& out, const ErrorRow& row)
{
    return out << row.section << ", " << row.status << ", age " << row.age << ", window " << row.on_error;
}

const std::vector<ErrorRow> kErrors = {
    {"5861 4", 500, 70, 10, true},
    {"5861 4", 502, 70, 10, true},
    {"5861 4", 503, 70, 10, true},
    {"5861 4", 504, 70, 10, true},
    {"9111 4.2.4 disconnected", 0, 70, 10, true},
    {"5861 4 over", 503, 71, 10, false},
    {"5861 4 over", 0, 71, 10, false},
    {"5861 4 not an error of the server", 501, 61, 10, false},
    {"5861 4 not an error of the server", 505, 61, 10, false},
    {"5861 4 not an error of the server", 404, 61, 10, false},
    {"5861 4 not an error of the server", 200, 61, 10, false},
    {"5861 4 none given", 503, 61, 0, false},
    {"9111 4.2.4 none given, disconnected", 0, 61, 0, false},
    {"9111 4.2.4 a fresh one that was to be checked", 503, 30, 0, true},
    {"9111 5.2.2.2", 503, 61, 10, false, kMustRevalidate},
    {"9111 5.2.2.2 disconnected", 0, 61, 10, false, kMustRevalidate},
    {"9111 5.2.2.2 fresh", 503, 30, 0, true, kMustRevalidate},
    {"9111 5.2.2.4", 503, 61, 10, false, kNoCache},
    {"9111 5.2.2.4 fresh", 0, 30, 10, false, kNoCache},
    {"9111 5.2.1.4", 503, 61, 10, false, 0, {.no_cache = true}},
    {"9111 5.2.1.4 fresh", 503, 30, 10, false, 0, {.no_cache = true}},
    {"5861 4 whatever max-age asks", 503, 61, 10, true, 0, {.max_age = 1}},
    {"5861 4 of the request", 503, 65, 0, true, 0, {.stale_if_error = 5}},
    {"5861 4 of the request, over", 503, 66, 0, false, 0, {.stale_if_error = 5}},
    {"5861 4 of the request, the larger", 503, 70, 10, true, 0, {.stale_if_error = 5}},
    {"5861 4 of the request, must-revalidate", 503, 61, 0, false, kMustRevalidate, {.stale_if_error = 5}},
    {"unreachable", 0, 160, 0, true, 0, {}, {.stale_if_unreachable = 100}},
    {"unreachable, over", 0, 161, 0, false, 0, {}, {.stale_if_unreachable = 100}},
    {"unreachable is not an error answer", 503, 61, 0, false, 0, {}, {.stale_if_unreachable = 100}},
    {"unreachable, must-revalidate", 0, 61, 0, false, kMustRevalidate, {}, {.stale_if_unreachable = 100}},
    {"unreachable, the origin gave a window",
     0,
     71,
     10,
     false,
     kNoStaleOnError,
     {},
     {.stale_if_unreachable = 100}},
    {"unreachable, the origin gave none on purpose",
     0,
     61,
     0,
     false,
     kNoStaleOnError,
     {},
     {.stale_if_unreachable = 100}},
    {"unreachable, configuration gave a window",
     0,
     71,
     10,
     false,
     0,
     {},
     {.stale_if_error = 10, .stale_if_unreachable = 100}},
    {"unreachable, configured to none",
     0,
     61,
     0,
     false,
     0,
     {},
     {.stale_if_error = 0, .stale_if_unreachable = 100}},
    {"unreachable, never fresh", 0, 1, 0, false, 0, {}, {.stale_if_unreachable = 100}, 0},
};

struct MethodRow {
    const char* name;
    Method method;
};

std::ostream& operator<<(std::ostream& out, const MethodRow& row)
{
    return out << row.name;
}

// RFC 9110 section 9.2.1; names are case-sensitive (9.1).
const std::vector<MethodRow> kMethods = {
    {"GET", Method::get},           {"HEAD", Method::head},           {"OPTIONS", Method::safe_other},
    {"TRACE", Method::safe_other},  {"PROPFIND", Method::safe_other}, {"REPORT", Method::safe_other},
    {"SEARCH", Method::safe_other}, {"QUERY", Method::safe_other},    {"POST", Method::unsafe},
    {"PUT", Method::unsafe},        {"PATCH", Method::unsafe},        {"DELETE", Method::unsafe},
    {"M-SEARCH", Method::unsafe},   {"get", Method::unsafe},          {"", Method::unsafe},
    {"PROPPATCH", Method::unsafe},  {"LOCK", Method::unsafe},         {"GETT", Method::unsafe},
};

}

BOOST_DATA_TEST_CASE(a_request_says_what_it_takes, boost::unit_test::data::make(kControls), row)
{
    const RequestControl control = parse_request_control(row.request, row.config);
    BOOST_CHECK(control.max_age == row.expected.max_age);
    BOOST_CHECK(control.min_fresh == row.expected.min_fresh);
    BOOST_CHECK(control.max_stale == row.expected.max_stale);
    BOOST_CHECK(control.stale_if_error == row.expected.stale_if_error);
    BOOST_TEST(control.no_cache == row.expected.no_cache);
    BOOST_TEST(control.no_store == row.expected.no_store);
    BOOST_TEST(control.only_if_cached == row.expected.only_if_cached);
}

BOOST_DATA_TEST_CASE(a_stored_response_is_sent_or_not, boost::unit_test::data::make(kReuse), row)
{
    const Lifetime stored = {.response_time = kNow,
                             .corrected_initial_age = 0,
                             .freshness = row.freshness,
                             .stale_while_revalidate = row.revalidate,
                             .stale_if_error = 0,
                             .flags = row.flags};
    const ReuseVerdict verdict = may_reuse(row.request, stored, kNow + row.age, {});
    BOOST_TEST(verdict.reuse == row.reuse);
    BOOST_TEST(verdict.forward == row.forward);
    BOOST_TEST(verdict.age == row.age);
    BOOST_TEST(verdict.ttl == static_cast<std::int64_t>(row.freshness) - row.age);
}

BOOST_DATA_TEST_CASE(a_stored_response_stands_in_for_an_error_or_not, boost::unit_test::data::make(kErrors),
                     row)
{
    const Lifetime stored = {.response_time = kNow,
                             .corrected_initial_age = 0,
                             .freshness = row.freshness,
                             .stale_while_revalidate = 0,
                             .stale_if_error = row.on_error,
                             .flags = row.flags};
    BOOST_TEST(may_serve_on_error(row.request, stored, row.status, kNow + row.age, row.config) ==
               row.expected);
}

BOOST_AUTO_TEST_CASE(without_any_word_an_unreachable_origin_is_stood_in_for_an_hour)
{
    const Headers plain = {{"Cache-Control", "max-age=60"}};
    const Lifetime stored = may_store({}, answer(plain), {}).lifetime;
    BOOST_TEST(may_serve_on_error({}, stored, 0, kNow + 60 + 3600, {}));
    BOOST_TEST(!may_serve_on_error({}, stored, 0, kNow + 61 + 3600, {}));
    BOOST_TEST(!may_serve_on_error({}, stored, 503, kNow + 61, {}));
}

BOOST_DATA_TEST_CASE(a_method_is_known_by_its_exact_name, boost::unit_test::data::make(kMethods), row)
{
    BOOST_TEST(classify_method(row.name) == row.method);
}

BOOST_AUTO_TEST_CASE(the_age_grows_with_the_time_in_store_and_stays_in_its_range)  // RFC 9111 section 4.2.3
{
    Lifetime stored = {.response_time = kNow,
                       .corrected_initial_age = 30,
                       .freshness = 100,
                       .stale_while_revalidate = 0,
                       .stale_if_error = 0,
                       .flags = 0};
    BOOST_TEST(current_age(stored, kNow) == 30U);
    BOOST_TEST(current_age(stored, kNow + 5) == 35U);
    BOOST_TEST(time_to_live(stored, kNow + 5) == 65);
    BOOST_TEST(time_to_live(stored, kNow + 75) == -5);
    BOOST_TEST(current_age(stored, kNow - 1000) == 30U);
    BOOST_TEST(current_age(stored, INT64_MAX) == 0x7fffffffU);
    BOOST_TEST(current_age(stored, INT64_MIN) == 30U);
    stored.corrected_initial_age = 0x80000000U;
    BOOST_TEST(current_age(stored, kNow) == 0x7fffffffU);
}

BOOST_AUTO_TEST_CASE(the_largest_lifetime_does_not_outlive_the_largest_age)  // RFC 9111 section 1.2.2
{
    const Headers overflowing = {{"Cache-Control", "max-age=99999999999"}, {"Age", "99999999999"}};
    const Lifetime stored = may_store({}, answer(overflowing), {}).lifetime;
    BOOST_TEST(may_reuse({}, stored, kNow, {}).reuse == Reuse::validate);
}

BOOST_AUTO_TEST_CASE(forward_names_are_those_of_rfc_9211_2_2)
{
    BOOST_TEST(forward_name(Forward::none).empty());
    BOOST_TEST(forward_name(Forward::bypass) == "bypass");
    BOOST_TEST(forward_name(Forward::method) == "method");
    BOOST_TEST(forward_name(Forward::uri_miss) == "uri-miss");
    BOOST_TEST(forward_name(Forward::vary_miss) == "vary-miss");
    BOOST_TEST(forward_name(Forward::miss) == "miss");
    BOOST_TEST(forward_name(Forward::request) == "request");
    BOOST_TEST(forward_name(Forward::stale) == "stale");
    BOOST_TEST(forward_name(Forward::partial) == "partial");
}
