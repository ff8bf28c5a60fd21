#include "status/text.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "status/json_check.hpp"

using namespace edge::status;
using namespace std::string_literals;

namespace {

struct SecondsRow {
    std::uint64_t microseconds;
    const char* text;
};
std::ostream& operator<<(std::ostream& out, const SecondsRow& row)
{
    return out << row.microseconds;
}

const SecondsRow kSecondsRows[] = {
    {0, "0"},
    {1, "0.000001"},
    {100, "0.0001"},
    {250'000, "0.25"},
    {999'999, "0.999999"},
    {1'000'000, "1"},
    {1'000'001, "1.000001"},
    {60'500'000, "60.5"},
    {UINT64_MAX, "18446744073709.551615"},
};

struct EscapeRow {
    const char* what;
    std::string text, json, label;
};
std::ostream& operator<<(std::ostream& out, const EscapeRow& row)
{
    return out << row.what;
}

const EscapeRow kEscapeRows[] = {
    {"nothing", "", R"("")", R"("")"},
    {"plain", "main", R"("main")", R"("main")"},
    {"quote and backslash", R"(a"b\c)", R"("a\"b\\c")", R"("a\"b\\c")"},
    {"a backslash at the end", R"(a\)", R"("a\\")", R"("a\\")"},
    {"line feed", "a\nb", R"("a\nb")", R"("a\nb")"},
    {"control characters", "\r\t\x1f\x7f"s, R"("\u000d\u0009\u001f\u007f")", R"("\\x0d\\x09\\x1f\\x7f")"},
    {"zero byte", "a\0b"s, R"("a\u0000b")", R"("a\\x00b")"},
    {"braces and commas", R"(x="1",y})", R"("x=\"1\",y}")", R"("x=\"1\",y}")"},
    {"two, three and four bytes", "\u00e9\u20ac\U0001f600", "\"\u00e9\u20ac\U0001f600\"",
     "\"\u00e9\u20ac\U0001f600\""},
    {"first and last of each length", "\u0080\u07ff\u0800\uffff\U00010000\U0010ffff",
     "\"\u0080\u07ff\u0800\uffff\U00010000\U0010ffff\"", "\"\u0080\u07ff\u0800\uffff\U00010000\U0010ffff\""},
    {"around the surrogates", "\ud7ff\ue000", "\"\ud7ff\ue000\"", "\"\ud7ff\ue000\""},
    {"bytes that start nothing", "\x80\xbf\xc0\xc1\xf5\xff", R"("\\x80\\xbf\\xc0\\xc1\\xf5\\xff")",
     R"("\\x80\\xbf\\xc0\\xc1\\xf5\\xff")"},
    {"a surrogate", "\xed\xa0\x80", R"("\\xed\\xa0\\x80")", R"("\\xed\\xa0\\x80")"},
    {"overlong", "\xe0\x9f\xbf\xf0\x8f\xbf\xbf", R"("\\xe0\\x9f\\xbf\\xf0\\x8f\\xbf\\xbf")",
     R"("\\xe0\\x9f\\xbf\\xf0\\x8f\\xbf\\xbf")"},
    {"past U+10FFFF", "\xf4\x90\x80\x80", R"("\\xf4\\x90\\x80\\x80")", R"("\\xf4\\x90\\x80\\x80")"},
    {"cut short before another character", "\xe2\x82z\xc3", R"("\\xe2\\x82z\\xc3")", R"("\\xe2\\x82z\\xc3")"},
};

}

BOOST_AUTO_TEST_SUITE(status_text)

BOOST_DATA_TEST_CASE(microseconds_become_exact_seconds, kSecondsRows, row)
{
    std::string out = "=";
    append_seconds(out, row.microseconds);
    BOOST_TEST(out == std::string{"="} + row.text);
}

BOOST_AUTO_TEST_CASE(integers_are_written_whole)
{
    std::string out;
    append_integer(out, UINT64_MAX);
    out += ' ';
    append_integer(out, INT64_MIN);
    BOOST_TEST(out == "18446744073709551615 -9223372036854775808");
}

BOOST_DATA_TEST_CASE(a_json_string_is_escaped, kEscapeRows, row)
{
    std::string out;
    append_json_string(out, row.text);
    BOOST_TEST(out == row.json);
    BOOST_CHECK_NO_THROW(test::JsonReader::read(out));
}

BOOST_DATA_TEST_CASE(a_label_value_is_escaped, kEscapeRows, row)
{
    std::string out;
    append_label_value(out, row.text);
    BOOST_TEST(out == row.label);
}

BOOST_AUTO_TEST_CASE(nothing_past_the_end_of_the_text_is_read)
{
    std::string json, label;
    append_json_string(json, std::string_view{"\u20ac", 2});
    append_label_value(label, std::string_view{"\u20ac", 1});
    BOOST_TEST(json == R"("\\xe2\\x82")");
    BOOST_TEST(label == R"("\\xe2")");
}

BOOST_AUTO_TEST_CASE(any_two_bytes_give_a_valid_json_string)
{
    for (unsigned pair = 0; pair < 0x10000; ++pair) {
        const std::string text{static_cast<char>(pair >> 8), static_cast<char>(pair & 0xff)};
        std::string out;
        append_json_string(out, text);
        BOOST_REQUIRE_NO_THROW(test::JsonReader::read(out));
    }
}

BOOST_AUTO_TEST_SUITE_END()
