#include "status/json_check.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <string>

using edge::status::test::JsonReader;
using edge::status::test::JsonValue;

namespace {

const std::string kInvalid[] = {
    "",
    "{",
    "{}{}",
    "{\"a\":1,}",
    "[1,]",
    "[1 2]",
    "{\"a\" 1}",
    "{a:1}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":{},\"a\":[]}",
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "-",
    "nan",
    "Infinity",
    "nul",
    "\"a",
    "\"\n\"",
    "\"\\x41\"",
    "\"\\u12g4\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\xff\"",
    "\"\xc0\xaf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xe2\x82\"",
};

}

BOOST_AUTO_TEST_SUITE(status_json_check)

BOOST_DATA_TEST_CASE(the_reader_refuses_what_is_not_json, kInvalid, text)
{
    BOOST_CHECK_THROW(JsonReader::read(text), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(the_reader_finds_every_value_under_its_path)
{
    const auto values = JsonReader::read(
        " {\"a\" : {\"b\":-1.5e+3, \"c\":[true,{\"d\":null}, "
        "[]]},\"e\":\"\\u00e9\\n\\ud83d\\ude00\xc3\xa9\"}\n");
    BOOST_TEST(values.size() == 4U);
    BOOST_TEST((values.at("a.b") == JsonValue{false, "-1.5e+3"}));
    BOOST_TEST((values.at("a.c[0]") == JsonValue{false, "true"}));
    BOOST_TEST((values.at("a.c[1].d") == JsonValue{false, "null"}));
    BOOST_TEST((values.at("e") == JsonValue{true, "\xc3\xa9\n\xf0\x9f\x98\x80\xc3\xa9"}));
}

BOOST_AUTO_TEST_SUITE_END()
