#include "http/etag.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

using namespace edge::http;

namespace {

struct Row {
    const char* text;
    bool valid;
    bool weak;
    const char* opaque;
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.text;
}

// RFC 9110 section 8.8.3.
const std::vector<Row> kTags = {
    {"\"abc\"", true, false, "abc"},  {"W/\"abc\"", true, true, "abc"},
    {"\"\"", true, false, ""},        {"\"a\\b\"", true, false, "a\\b"},
    {"\"a,b\"", true, false, "a,b"},  {"\"abc\xc3\xbc\"", true, false, "abc\xc3\xbc"},
    {"w/\"abc\"", false, false, ""},  {"W\\\"abc\"", false, false, ""},
    {"W\"abc\"", false, false, ""},   {"W/", false, false, ""},
    {"abc", false, false, ""},        {"\"abc", false, false, ""},
    {"abc\"", false, false, ""},      {"\"a b\"", false, false, ""},
    {"\"a\tb\"", false, false, ""},   {"\"a\x7f\"", false, false, ""},
    {"\"abc\" ", false, false, ""},   {" \"abc\"", false, false, ""},
    {"\"a\"\"b\"", false, false, ""}, {"\"a\", \"b\"", false, false, ""},
    {"*", false, false, ""},          {"", false, false, ""},
};

struct ListRow {
    const char* text;
    const char* expected;
};

std::ostream& operator<<(std::ostream& out, const ListRow& row)
{
    return out << row.text;
}

const std::vector<ListRow> kLists = {
    {"\"a\", \"b\",W/\"c\"", "a b W/c"},
    {"  \"a\"  ", "a"},
    {",, \"a\" ,, \"b\",", "a b"},
    {"\"a,b\", \"c\"", "a,b c"},
    {"\"a\" \"b\"", ""},
    {"\"a\", abc, \"b\"", "a"},
    {"\"a\", \"b", "a"},
    {"abc", ""},
    {"*", ""},
    {"", ""},
};

std::string walk(std::string_view value)
{
    std::string seen;
    EntityTagCursor cursor{value};
    while (const auto tag = cursor.next()) {
        if (!seen.empty()) seen += ' ';
        if (tag->weak) seen += "W/";
        seen += tag->opaque;
    }
    return seen;
}

}

BOOST_DATA_TEST_CASE(an_entity_tag_is_a_quoted_text_with_or_without_weakness,
                     boost::unit_test::data::make(kTags), row)
{
    const auto tag = parse_entity_tag(row.text);
    BOOST_REQUIRE(tag.has_value() == row.valid);
    if (!tag) return;
    BOOST_TEST(tag->weak == row.weak);
    BOOST_TEST(tag->opaque == row.opaque);
}

BOOST_DATA_TEST_CASE(a_list_of_tags_ends_at_the_first_thing_that_is_none,
                     boost::unit_test::data::make(kLists), row)
{
    BOOST_TEST(walk(row.text) == row.expected);
}

BOOST_AUTO_TEST_CASE(comparison_follows_the_table_of_rfc_9110_8_8_3_2)
{
    const EntityTag weak1{true, "1"}, weak2{true, "2"}, strong1{false, "1"};
    BOOST_TEST(!strong_match(weak1, weak1));
    BOOST_TEST(weak_match(weak1, weak1));
    BOOST_TEST(!strong_match(weak1, weak2));
    BOOST_TEST(!weak_match(weak1, weak2));
    BOOST_TEST(!strong_match(weak1, strong1));
    BOOST_TEST(weak_match(weak1, strong1));
    BOOST_TEST(strong_match(strong1, strong1));
    BOOST_TEST(weak_match(strong1, strong1));
}
