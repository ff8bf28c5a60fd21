#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "cache/policy.hpp"

using namespace edge::cache;
using edge::http::Field;

namespace {

constexpr Seconds kNow = 1'700'000'000;

struct Row {
    const char* name;
    std::uint16_t status;
    std::vector<Field> fields;
    NotStored reason;
    std::uint32_t ttl = 0;
    friend std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
};

RequestFacts of_a_user(std::uint32_t longest = 60)
{
    RequestFacts facts;
    facts.identified = true;
    facts.longest_use = longest;
    return facts;
}

PolicyConfig with_valid()
{
    PolicyConfig config;
    config.valid = {{200, 30}, {404, 5}, {410, 0}, {0, 20}};
    return config;
}

StoreVerdict judge(const Row& row, const RequestFacts& facts)
{
    static const PolicyConfig config = with_valid();
    return may_store(
        facts, {.status = row.status, .fields = row.fields, .request_time = kNow, .response_time = kNow},
        config);
}

const std::vector<Row> kRows{
    {"silent", 200, {}, NotStored::stored, 30},
    {"private", 200, {{"Cache-Control", "private, max-age=10"}}, NotStored::stored, 10},
    {"private alone", 200, {{"Cache-Control", "private"}}, NotStored::stored, 30},
    {"no-store", 200, {{"Cache-Control", "no-store"}}, NotStored::response_no_store},
    {"private, no-store", 200, {{"Cache-Control", "private, no-store"}}, NotStored::response_no_store},
    {"Vary: Authorization", 200, {{"Vary", "Accept-Encoding, Authorization"}}, NotStored::stored, 30},
    {"Vary: *", 200, {{"Vary", "*"}}, NotStored::vary_star},
    {"a cookie",
     200,
     {{"Set-Cookie", "a=b"}, {"Cache-Control", "public, s-maxage=10"}},
     NotStored::set_cookie},
    {"401", 401, {{"Cache-Control", "public, max-age=300"}}, NotStored::status},
    {"403", 403, {{"Cache-Control", "public, max-age=300"}}, NotStored::status},
    {"404 is named", 404, {{"Cache-Control", "public, max-age=300"}}, NotStored::stored, 60},
    {"404, silent", 404, {}, NotStored::stored, 5},
    {"410 is named for nothing", 410, {{"Cache-Control", "public, max-age=300"}}, NotStored::status},
    {"500 by any is not named", 500, {{"Cache-Control", "public, max-age=300"}}, NotStored::status},
    {"longer than the token", 200, {{"Cache-Control", "max-age=3600"}}, NotStored::stored, 60},
    {"old already", 200, {{"Cache-Control", "max-age=3600"}, {"Age", "1000"}}, NotStored::stored, 60},
};

}

BOOST_AUTO_TEST_SUITE(policy_private)

BOOST_DATA_TEST_CASE(what_one_user_may_keep, boost::unit_test::data::make(kRows))
{
    const StoreVerdict verdict = judge(sample, of_a_user());
    BOOST_TEST((verdict.reason == sample.reason), reason_name(verdict.reason));
    if (verdict.store()) BOOST_TEST(time_to_live(verdict.lifetime, kNow) == sample.ttl);
}

BOOST_AUTO_TEST_CASE(no_window_reaches_beyond_the_longest_use)
{
    const std::vector<std::vector<Field>> all{
        {{"Cache-Control", "max-age=20, stale-while-revalidate=3600, stale-if-error=3600"}},
        {{"Cache-Control", "max-age=3600, stale-while-revalidate=3600, stale-if-error=3600"}},
        {{"Cache-Control", "max-age=0, stale-while-revalidate=3600, stale-if-error=3600"}, {"ETag", "\"a\""}},
        {{"Cache-Control", "max-age=100, stale-while-revalidate=3600, stale-if-error=3600"}, {"Age", "300"}},
        {{"Last-Modified", "Mon, 01 Jan 2001 00:00:00 GMT"}},
    };
    PolicyConfig config;
    config.stale_while_revalidate = 3600;
    config.stale_if_error = 3600;
    RequestControl control;
    for (const auto& fields : all) {
        for (const std::uint32_t longest : {1U, 30U, 60U}) {
            const auto verdict = may_store(
                of_a_user(longest),
                {.status = 200, .fields = fields, .request_time = kNow, .response_time = kNow}, config);
            BOOST_REQUIRE(verdict.store());
            const Seconds after = kNow + longest + 1;
            BOOST_TEST((may_reuse(control, verdict.lifetime, after, config).reuse == Reuse::validate));
            for (const std::uint16_t status : {0, 500, 503})
                BOOST_TEST(!may_serve_on_error(control, verdict.lifetime, status, after, PolicyConfig{}));
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_for_all_is_judged_as_before)
{
    for (const Row& row : kRows) {
        RequestFacts facts = of_a_user();
        facts.identified = false;
        facts.has_authorization = true;
        const bool explicitly = row.reason != NotStored::response_no_store && !row.fields.empty() &&
                                row.fields.back().value.starts_with("public");
        BOOST_TEST(judge(row, facts).store() == explicitly, row.name);
    }
}

BOOST_AUTO_TEST_SUITE_END()
