#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "cache/policy_case.hpp"

using namespace policy_case;

namespace {

struct UnstoredRow {
    const char* section;
    Headers response;
    const char* name;
    bool unstored;
    PolicyConfig config = {};
};

std::ostream& operator<<(std::ostream& out, const UnstoredRow& row)
{
    out << row.section << ", " << row.name;
    print(out, row.response);
    return out;
}

const std::vector<UnstoredRow> kUnstored = {
    {"9111 3.1", {}, "Test-Header", false},
    {"9111 3.1", {}, "Cache-Control", false},
    {"9111 3.1", {}, "Content-Range", false},
    {"9111 3.1", {}, "Content-Length", false},
    {"9111 3.1", {}, "Clear-Site-Data", false},
    {"9111 3.1", {}, "Set-Cookie2", false},
    {"9111 3.1", {}, "Date", false},
    {"9211 2 appended to", {}, "Cache-Status", false},
    {"9110 7.6.1", {}, "Connection", true},
    {"9110 7.6.1", {}, "KEEP-ALIVE", true},
    {"9110 7.6.1", {}, "Proxy-Connection", true},
    {"9110 7.6.1", {}, "TE", true},
    {"9110 7.6.1", {}, "Transfer-Encoding", true},
    {"9110 7.6.1", {}, "Upgrade", true},
    {"9111 3.1", {}, "Proxy-Authenticate", true},
    {"9111 3.1", {}, "Proxy-Authentication-Info", true},
    {"9111 3.1", {}, "Proxy-Authorization", true},
    {"9110 6.6.2 trailers are not kept", {}, "Trailer", true},
    {"9111 5.1 made here", {}, "Age", true},
    {"I4", {}, "Set-Cookie", true},
    {"I4 also where it forbids nothing", {}, "set-cookie", true, {.ignore = {.set_cookie = true}}},
    {"9110 7.6.1 listed", {{"Connection", "a, B"}}, "b", true},
    {"9110 7.6.1 listed", {{"Connection", "close"}, {"connection", "A"}}, "a", true},
    {"9110 7.6.1 not listed", {{"Connection", "a, b"}}, "c", false},
    {"9111 5.2.2.4", {{"Cache-Control", "no-cache=\"a, B\""}}, "b", true},
    {"9111 5.2.2.4", {{"Cache-Control", "no-cache=\"a\""}, {"Cache-Control", "max-age=1"}}, "A", true},
    {"9111 5.2.2.4", {{"Cache-Control", "no-cache=\"a\""}}, "b", false},
    {"9111 5.2.2.7", {{"Cache-Control", "private=\"a\""}}, "a", true},
    {"9111 5.2.2.7 both", {{"Cache-Control", "private=\"a\", no-cache=\"b\""}}, "b", true},
    {"9213 2.2", {{"CDN-Cache-Control", "private=\"a\""}, {"Cache-Control", "private=\"b\""}}, "a", true},
    {"9213 2.2", {{"CDN-Cache-Control", "private=\"a\""}, {"Cache-Control", "private=\"b\""}}, "b", false},
    {"ignored", {{"Cache-Control", "private=\"a\""}}, "a", false, {.ignore = {.cache_control = true}}},
};

struct MergeRow {
    const char* section;
    Headers stored;
    Headers received;
    Headers expected;  // sorted
};

std::ostream& operator<<(std::ostream& out, const MergeRow& row)
{
    out << row.section;
    print(out, row.stored);
    out << " + 304";
    print(out, row.received);
    return out;
}

const std::vector<MergeRow> kMerges = {
    {"9111 3.2 replaced", {{"A", "1"}}, {{"a", "2"}}, {{"a", "2"}}},
    {"9111 3.2 kept", {{"A", "1"}, {"B", "1"}}, {{"B", "2"}}, {{"A", "1"}, {"B", "2"}}},
    {"9111 3.2 added", {{"A", "1"}}, {{"B", "2"}}, {{"A", "1"}, {"B", "2"}}},
    {"9111 3.2 all lines of a name", {{"A", "1"}, {"A", "2"}}, {{"A", "3"}}, {{"A", "3"}}},
    {"9111 3.2 all lines of a name", {{"A", "1"}}, {{"A", "2"}, {"A", "3"}}, {{"A", "2"}, {"A", "3"}}},
    {"9111 3.2 Content-Type",
     {{"Content-Type", "a/b"}},
     {{"Content-Type", "c/d"}},
     {{"Content-Type", "c/d"}}},
    {"9111 3.2 Content-Length",
     {{"Content-Length", "36"}},
     {{"Content-Length", "10"}},
     {{"Content-Length", "36"}}},
    {"9111 3.2 Content-Length", {}, {{"Content-Length", "0"}}, {}},
    {"9111 3.2 Content-Encoding",
     {{"Content-Encoding", "gzip"}},
     {{"content-encoding", "br"}},
     {{"Content-Encoding", "gzip"}}},
    {"9111 3.2 Content-Range", {{"Content-Range", "x"}}, {{"Content-Range", "y"}}, {{"Content-Range", "x"}}},
    {"9111 3.1 hop by hop",
     {{"A", "1"}},
     {{"Transfer-Encoding", "chunked"}, {"Connection", "close"}, {"Keep-Alive", "x"}},
     {{"A", "1"}}},
    {"9111 3.1 listed in Connection",
     {{"A", "1"}},
     {{"Connection", "a, b"}, {"A", "2"}, {"B", "2"}},
     {{"A", "1"}}},
    {"I4 Set-Cookie", {{"A", "1"}}, {{"Set-Cookie", "a=b"}}, {{"A", "1"}}},
    {"9111 5.1 Age", {{"A", "1"}}, {{"Age", "5"}}, {{"A", "1"}}},
    {"9111 5.2.2.4 the stored directive goes on",
     {{"Cache-Control", "no-cache=\"a\""}},
     {{"A", "2"}},
     {{"Cache-Control", "no-cache=\"a\""}}},
    {"9111 5.2.2.4 a new directive takes away",
     {{"A", "1"}, {"Cache-Control", "max-age=1"}},
     {{"Cache-Control", "no-cache=\"a\""}},
     {{"Cache-Control", "no-cache=\"a\""}}},
    {"9111 3.2 freshness",
     {{"Cache-Control", "max-age=1"}, {"Date", "x"}},
     {{"Cache-Control", "max-age=2"}},
     {{"Cache-Control", "max-age=2"}, {"Date", "x"}}},
};

struct SelectRow {
    const char* section;
    Headers stored;
    Headers received;
    bool selected;
};

std::ostream& operator<<(std::ostream& out, const SelectRow& row)
{
    out << row.section;
    print(out, row.stored);
    out << " <- 304";
    print(out, row.received);
    return out;
}

const std::vector<SelectRow> kSelects = {
    {"9111 4.3.4 no validator", {{"ETag", "\"a\""}}, {}, true},
    {"9111 4.3.4 strong", {{"ETag", "\"a\""}}, {{"ETag", "\"a\""}}, true},
    {"9111 4.3.4 another strong", {{"ETag", "\"a\""}}, {{"ETag", "\"b\""}}, false},
    {"9111 4.3.4 strong, stored weak", {{"ETag", "W/\"a\""}}, {{"ETag", "\"a\""}}, false},
    {"9111 4.3.4 weak", {{"ETag", "W/\"a\""}}, {{"ETag", "W/\"a\""}}, true},
    {"9111 4.3.4 weakened on the way", {{"ETag", "\"a\""}}, {{"ETag", "W/\"a\""}}, true},
    {"9111 4.3.4 another weak", {{"ETag", "W/\"a\""}}, {{"ETag", "W/\"b\""}}, false},
    {"9111 4.3.4 none stored", {{"Last-Modified", "x"}}, {{"ETag", "\"a\""}}, false},
    {"9111 4.3.4 strong settles it",
     {{"ETag", "\"a\""}, {"Last-Modified", at(-9)}},
     {{"ETag", "\"a\""}, {"Last-Modified", at(-5)}},
     true},
    {"9111 4.3.4 weak and another date",
     {{"ETag", "W/\"a\""}, {"Last-Modified", at(-9)}},
     {{"ETag", "W/\"a\""}, {"Last-Modified", at(-5)}},
     false},
    {"9111 4.3.4 weak and a date none is stored of",
     {{"ETag", "W/\"a\""}},
     {{"ETag", "W/\"a\""}, {"Last-Modified", at(-5)}},
     true},
    {"9111 4.3.4 date", {{"Last-Modified", at(-9)}}, {{"Last-Modified", at(-9)}}, true},
    {"9111 4.3.4 another date", {{"Last-Modified", at(-9)}}, {{"Last-Modified", at(-8)}}, false},
    {"9110 5.6.7 the same date otherwise",
     {{"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"}},
     {{"Last-Modified", "Sun Nov  6 08:49:37 1994"}},
     true},
    {"9111 4.3.4 date, none stored", {{"ETag", "\"a\""}}, {{"Last-Modified", at(-9)}}, false},
    {"9110 8.8.3 not tags, but the same", {{"ETag", "a"}}, {{"ETag", "a"}}, true},
    {"9110 8.8.3 not tags", {{"ETag", "a"}}, {{"ETag", "b"}}, false},
};

const std::vector<SelectRow> kHeads = {
    // selected: still up to date; the stored length is 10
    {"9111 4.3.5 nothing said", {{"ETag", "\"a\""}}, {}, true},
    {"9111 4.3.5 length", {}, {{"Content-Length", "10"}}, true},
    {"9111 4.3.5 another length", {}, {{"Content-Length", "11"}}, false},
    {"9111 4.3.5 not a length", {}, {{"Content-Length", "10, 10"}}, false},
    {"9111 4.3.5 not a length", {}, {{"Content-Length", ""}}, false},
    {"9111 4.3.5 not a length", {}, {{"Content-Length", "99999999999999999999"}}, false},
    {"9111 4.3.5 tag", {{"ETag", "\"a\""}}, {{"ETag", "\"a\""}}, true},
    {"9111 4.3.5 another tag", {{"ETag", "\"a\""}}, {{"ETag", "\"b\""}}, false},
    {"9111 4.3.5 weakened on the way", {{"ETag", "\"a\""}}, {{"ETag", "W/\"a\""}}, true},
    {"9111 4.3.5 a new tag", {}, {{"ETag", "\"a\""}}, true},
    {"9111 4.3.5 date", {{"Last-Modified", at(-9)}}, {{"Last-Modified", at(-9)}}, true},
    {"9111 4.3.5 another date", {{"Last-Modified", at(-9)}}, {{"Last-Modified", at(-8)}}, false},
};

}

BOOST_DATA_TEST_CASE(some_fields_are_not_kept, boost::unit_test::data::make(kUnstored), row)
{
    BOOST_TEST((UnstoredFields{row.response, row.config}.contains(row.name)) == row.unstored);
}

BOOST_DATA_TEST_CASE(a_304_renews_the_stored_fields, boost::unit_test::data::make(kMerges), row)
{
    auto merged = merge_304(row.stored, row.received, {});
    std::sort(merged.begin(), merged.end(), [](const http::Field& a, const http::Field& b) {
        return std::pair{a.name, a.value} < std::pair{b.name, b.value};
    });
    BOOST_REQUIRE(merged.size() == row.expected.size());
    for (std::size_t i = 0; i < merged.size(); ++i) {
        BOOST_TEST(merged[i].name == row.expected[i].name);
        BOOST_TEST(merged[i].value == row.expected[i].value);
    }
}

BOOST_DATA_TEST_CASE(a_304_is_about_the_stored_response_or_not, boost::unit_test::data::make(kSelects), row)
{
    BOOST_TEST(selects_stored(row.stored, row.received) == row.selected);
}

BOOST_DATA_TEST_CASE(a_head_answer_shows_what_is_out_of_date, boost::unit_test::data::make(kHeads), row)
{
    BOOST_TEST(head_contradicts(row.stored, 10, row.received) == !row.selected);
}

BOOST_AUTO_TEST_CASE(after_a_304_the_age_is_that_of_the_304)  // RFC 9111 section 4.3.4
{
    const Headers stored = {{"Cache-Control", "max-age=60"}, {"Date", at(-5000)}, {"ETag", "\"a\""}};
    const Headers undated = {{"ETag", "\"a\""}};
    const auto merged = merge_304(stored, undated, {});
    StoreVerdict verdict = may_update({}, 200, merged, answer(undated, 304), {});
    BOOST_TEST(verdict.reason == NotStored::stored);
    BOOST_TEST(verdict.lifetime.corrected_initial_age == 0U);
    BOOST_TEST(verdict.lifetime.freshness == 60U);

    const Headers aged = {{"Age", "7"}, {"Date", at(-3)}};
    verdict = may_update({}, 200, merge_304(stored, aged, {}), answer(aged, 304), {});
    BOOST_TEST(verdict.lifetime.corrected_initial_age == 7U);
}

BOOST_AUTO_TEST_CASE(after_a_304_expires_is_counted_from_its_date)  // RFC 9111 section 4.2.1
{
    const Headers stored = {{"Expires", at(-4000)}, {"Date", at(-5000)}, {"ETag", "\"a\""}};
    const Headers undated = {};
    BOOST_TEST(
        may_update({}, 200, merge_304(stored, undated, {}), answer(undated, 304), {}).lifetime.freshness ==
        0U);
    const Headers renewed = {{"Expires", at(100)}, {"Date", at(0)}};
    BOOST_TEST(
        may_update({}, 200, merge_304(stored, renewed, {}), answer(renewed, 304), {}).lifetime.freshness ==
        100U);
}

BOOST_AUTO_TEST_CASE(a_304_can_end_the_storing)  // RFC 9111 section 5.2.2.5
{
    const Headers stored = {{"Cache-Control", "max-age=60"}, {"ETag", "\"a\""}};
    const Headers forbidding = {{"Cache-Control", "no-store"}};
    const auto merged = merge_304(stored, forbidding, kPlain);
    BOOST_TEST(may_update(kAnybody, 200, merged, answer(forbidding, 304), kPlain).reason ==
               NotStored::response_no_store);
}
