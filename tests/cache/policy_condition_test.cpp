#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "cache/policy_case.hpp"

using namespace policy_case;

namespace {

using Text = std::optional<std::string_view>;
const Text kAbsent = std::nullopt;

void show(std::ostream& out, const char* name, Text text)
{
    if (text) out << " | " << name << ": " << *text;
}

struct ConditionRow {
    const char* section;
    Text if_none_match;
    Text if_modified_since;
    Text etag;
    Text last_modified;
    Precondition expected;
    Text date = std::nullopt;
    Seconds now = kNow;
};

std::ostream& operator<<(std::ostream& out, const ConditionRow& row)
{
    out << row.section;
    show(out, "If-None-Match", row.if_none_match);
    show(out, "If-Modified-Since", row.if_modified_since);
    show(out, "ETag", row.etag);
    show(out, "Last-Modified", row.last_modified);
    return out;
}

constexpr auto kSend = Precondition::send;
constexpr auto kNotModified = Precondition::not_modified;

const std::vector<ConditionRow> kConditions = {
    {"9110 13.2.2 none", kAbsent, kAbsent, "\"a\"", at(-60), kSend},
    {"9110 13.1.2", "\"a\"", kAbsent, "\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 another", "\"b\"", kAbsent, "\"a\"", kAbsent, kSend},
    {"9110 13.1.2 weak comparison", "W/\"a\"", kAbsent, "\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 weak comparison", "\"a\"", kAbsent, "W/\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 weak comparison", "W/\"a\"", kAbsent, "W/\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 first of a list", "\"a\", \"b\", \"c\"", kAbsent, "\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 middle of a list", "\"b\",\"a\" ,\"c\"", kAbsent, "\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 last of a list", "\"b\", \"c\", \"a\"", kAbsent, "\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 not in the list", "\"b\", \"c\"", kAbsent, "\"a\"", kAbsent, kSend},
    {"9110 13.1.2 *", "*", kAbsent, "\"a\"", kAbsent, kNotModified},
    {"9110 13.1.2 * without an ETag", " * ", kAbsent, kAbsent, kAbsent, kNotModified},
    {"9110 13.1.2 a tag, not *", "\"*\"", kAbsent, "\"a\"", kAbsent, kSend},
    {"9110 13.1.2 no ETag", "\"a\"", kAbsent, kAbsent, kAbsent, kSend},
    {"9110 8.8.3 unquoted", "a", kAbsent, "\"a\"", kAbsent, kSend},
    {"9110 8.8.3 unquoted", "a", kAbsent, "a", kAbsent, kSend},
    {"9110 8.8.3 lower-case w", "w/\"a\"", kAbsent, "w/\"a\"", kAbsent, kSend},
    {"9110 8.8.3 obs-text", "\"a\xc3\xbc\"", kAbsent, "\"a\xc3\xbc\"", kAbsent, kNotModified},
    {"9110 8.8.3 a part", "\"ab\"", kAbsent, "\"a\"", kAbsent, kSend},
    {"9110 13.1.3 ignored beside If-None-Match", "\"a\"", at(-9000), "\"a\"", at(-60), kNotModified},
    {"9110 13.1.3 ignored beside If-None-Match", "\"b\"", at(0), "\"a\"", at(-60), kSend},
    {"9110 13.1.3 ignored beside If-None-Match", "\"b\"", at(0), kAbsent, at(-60), kSend},
    {"9110 13.1.3 equal", kAbsent, at(-60), kAbsent, at(-60), kNotModified},
    {"9110 13.1.3 later", kAbsent, at(-59), kAbsent, at(-60), kNotModified},
    {"9110 13.1.3 earlier", kAbsent, at(-61), kAbsent, at(-60), kSend},
    {"9110 13.1.3 not a date", kAbsent, "x", kAbsent, at(-60), kSend},
    {"9110 13.1.3 RFC 850", kAbsent, "Thursday, 15-Jan-26 11:59:00 GMT", kAbsent, at(-60), kNotModified},
    {"9110 13.1.3 RFC 850", kAbsent, "Thursday, 15-Jan-26 11:58:59 GMT", kAbsent, at(-60), kSend},
    {"9110 13.1.3 RFC 850, no clock", kAbsent, "Thursday, 15-Jan-26 11:59:00 GMT", kAbsent, at(-60),
     kNotModified, kAbsent, 0},
    {"9110 13.1.3 asctime", kAbsent, "Thu Jan 15 11:59:00 2026", kAbsent, at(-60), kNotModified},
    {"9110 13.1.3 Last-Modified not a date", kAbsent, "x", kAbsent, "x", kSend},
    {"9111 4.3.2 Date stands in", kAbsent, at(0), kAbsent, kAbsent, kNotModified, at(0)},
    {"9111 4.3.2 Date stands in", kAbsent, at(-1), kAbsent, kAbsent, kSend, at(0)},
    {"9111 4.3.2 Last-Modified before Date", kAbsent, at(0), kAbsent, at(10), kSend, at(-10)},
    {"9111 4.3.2 nothing to compare with", kAbsent, at(0), "\"a\"", kAbsent, kSend},
};

struct RangeRow {
    const char* section;
    Text if_range;
    Text etag;
    Text last_modified;
    Text date;
    bool expected;
};

std::ostream& operator<<(std::ostream& out, const RangeRow& row)
{
    out << row.section;
    show(out, "If-Range", row.if_range);
    show(out, "ETag", row.etag);
    show(out, "Last-Modified", row.last_modified);
    show(out, "Date", row.date);
    return out;
}

const std::vector<RangeRow> kRanges = {
    {"9110 13.1.5 absent", kAbsent, kAbsent, kAbsent, kAbsent, true},
    {"9110 13.1.5 tag", "\"a\"", "\"a\"", kAbsent, kAbsent, true},
    {"9110 13.1.5 another tag", "\"b\"", "\"a\"", kAbsent, kAbsent, false},
    {"9110 13.1.5 strong comparison", "W/\"a\"", "\"a\"", kAbsent, kAbsent, false},
    {"9110 13.1.5 strong comparison", "\"a\"", "W/\"a\"", kAbsent, kAbsent, false},
    {"9110 13.1.5 strong comparison", "W/\"a\"", "W/\"a\"", kAbsent, kAbsent, false},
    {"9110 13.1.5 no ETag", "\"a\"", kAbsent, at(-60), at(0), false},
    {"9110 13.1.5 date", at(-60), "\"a\"", at(-60), at(0), true},
    {"9110 13.1.5 later date", at(-59), "\"a\"", at(-60), at(0), false},
    {"9110 13.1.5 earlier date", at(-61), "\"a\"", at(-60), at(0), false},
    {"9110 8.8.2.2 one second is enough", at(-1), kAbsent, at(-1), at(0), true},
    {"9110 8.8.2.2 a weak date", at(0), kAbsent, at(0), at(0), false},
    {"9110 8.8.2.2 no Date", at(-60), kAbsent, at(-60), kAbsent, false},
    {"9110 13.1.5 no Last-Modified", at(-60), kAbsent, kAbsent, at(0), false},
    {"9110 13.1.5 neither", "a", "a", "a", at(0), false},
};

}

BOOST_DATA_TEST_CASE(conditions_are_judged_in_their_order, boost::unit_test::data::make(kConditions), row)
{
    BOOST_TEST(evaluate_precondition(row.if_none_match, row.if_modified_since, row.etag, row.last_modified,
                                     row.date, row.now) == row.expected);
}

BOOST_DATA_TEST_CASE(a_range_is_honoured_for_the_very_same_bytes, boost::unit_test::data::make(kRanges), row)
{
    BOOST_TEST(range_applies(row.if_range, row.etag, row.last_modified, row.date) == row.expected);
}
