#include "http/cache_control.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

using namespace edge::http;

namespace {

// Directives as name, then =argument, then ! when malformed; '#' at the end when a quote was left open.
std::string walk(std::string_view line)
{
    std::string seen;
    DirectiveCursor cursor{line};
    while (const auto directive = cursor.next()) {
        if (!seen.empty()) seen += ' ';
        seen += directive->name;
        if (directive->has_argument) seen.append("=").append(directive->argument);
        if (directive->malformed) seen += '!';
    }
    if (cursor.unterminated()) seen += '#';
    return seen;
}

struct Row {
    const char* section;
    std::string line;
    std::string expected;
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.section << ": " << row.line;
}

const std::vector<Row> kLines = {
    {"9111 5.2", "max-age=60, no-store", "max-age=60 no-store"},
    {"9111 5.2 quoted argument", "max-age=\"60\"", "max-age=60"},
    {"9111 5.2 commas in quotes", "private=\"a, b\", max-age=1", "private=a, b max-age=1"},
    {"9110 5.6.4 escape in quotes", "x=\"a\\\"b, no-store\", public", "x=a\\\"b, no-store public"},
    {"9111 5.2 directives in quotes are text", "ext=\"max-age=3600\", max-age=1",
     "ext=max-age=3600 max-age=1"},
    {"9110 5.6.1 empty members", ", ,max-age=1,, ,", "max-age=1"},
    {"9110 5.6.1 tabs", "a\t,\tb", "a b"},
    {"empty", "", ""},
    {"only white space", " \t ", ""},
    {"empty argument", "max-age=", "max-age="},
    {"space before =", "max-age =1", "max-age=1!"},
    {"space after =", "max-age= 1", "max-age=1!"},
    {"space after = and no value", "max-age= ", "max-age=!"},
    {"two =", "max-age==1", "max-age=! 1!"},
    {"wrong separator", "max-age=60; private, public", "max-age=60! private! public"},
    {"no separator", "public private", "public! private!"},
    {"text behind a quoted argument", "private=\"a\"b, c", "private=a! b! c"},
    {"single quotes are ordinary", "max-age='60'", "max-age='60'"},
    {"not a token", "max-age=60, &&&&(), no-store", "max-age=60 &&&&! no-store"},
    {"a quoted string alone is no directive", "\"no-store, public\", max-age=1", "max-age=1"},
    {"quote without end", "private=\"a, max-age=60", "private=a, max-age=60!#"},
    {"quote without end but an escape", "private=\"a\\", "private=a\\!#"},
    {"stray quote without end", "max-age=1, \"no-store", "max-age=1#"},
    {"bytes above ASCII", "\xc3\xa9=1, max-age=2", "1! max-age=2"},
    {"NUL", std::string("a\0b, c", 6), "a! b! c"},
};

struct Delta {
    const char* section;
    const char* text;
    std::optional<std::uint32_t> expected;
};

std::ostream& operator<<(std::ostream& out, const Delta& row)
{
    return out << row.section << ": " << row.text;
}

const std::vector<Delta> kDeltas = {
    {"9111 1.2.2", "0", 0},
    {"9111 1.2.2", "3600", 3600},
    {"9111 1.2.2 leading zeros", "003600", 3600},
    {"9111 1.2.2 below 2^31", "2147483647", 2147483647U},
    {"9111 1.2.2 2^31", "2147483648", 2147483648U},
    {"9111 1.2.2 above", "2147483649", 2147483648U},
    {"9111 1.2.2 above 2^32", "4294967297", 2147483648U},
    {"9111 1.2.2 above 2^64", "99999999999999999999999999", 2147483648U},
    {"9111 1.2.2 digits only", "", std::nullopt},
    {"9111 1.2.2 digits only", "-1", std::nullopt},
    {"9111 1.2.2 digits only", "+1", std::nullopt},
    {"9111 1.2.2 digits only", "3600.0", std::nullopt},
    {"9111 1.2.2 digits only", "3600a", std::nullopt},
    {"9111 1.2.2 digits only", "a3600", std::nullopt},
    {"9111 1.2.2 digits only", " 1", std::nullopt},
    {"9111 1.2.2 digits only", "1 ", std::nullopt},
};

}

BOOST_DATA_TEST_CASE(a_line_splits_into_directives, boost::unit_test::data::make(kLines), row)
{
    BOOST_TEST(walk(row.line) == row.expected);
}

BOOST_DATA_TEST_CASE(delta_seconds_are_digits_that_saturate, boost::unit_test::data::make(kDeltas), row)
{
    BOOST_CHECK(parse_delta_seconds(row.text) == row.expected);
}
