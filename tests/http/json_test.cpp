#include "http/json.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace edge::http;

BOOST_AUTO_TEST_SUITE(json)

BOOST_AUTO_TEST_CASE(a_value_is_read_as_a_tree)
{
    const auto value =
        parse_json(R"( {"a": [1, -0.5e+7, "x\u0000\ud83d\ude00"], "b": {"c": null, "d": true}} )");
    BOOST_REQUIRE(value);
    const JsonValue* a = value->find("a");
    BOOST_REQUIRE((a != nullptr && a->items.size() == 3));
    BOOST_TEST(a->items[1].text == "-0.5e+7");
    BOOST_TEST((a->items[2].text == std::string("x\0\xf0\x9f\x98\x80", 6)));
    BOOST_TEST(value->find("b")->find("d")->flag);
    BOOST_TEST((value->find("b")->find("c")->kind == JsonValue::Kind::null));
    BOOST_TEST((value->find("c") == nullptr));
    BOOST_TEST(!value->string("a"));
}

BOOST_AUTO_TEST_CASE(what_is_not_strict_json_is_refused)
{
    for (const std::string& text : {std::string{},
                                    std::string{"{"},
                                    std::string{"{}x"},
                                    std::string{"{,}"},
                                    std::string{"[1,]"},
                                    std::string{"[,1]"},
                                    std::string{"{\"a\":1,}"},
                                    std::string{"{\"a\" 1}"},
                                    std::string{"{a:1}"},
                                    std::string{"{\"a\":1,\"a\":2}"},
                                    std::string{"{\"a\":1,\"\\u0061\":2}"},
                                    std::string{"'a'"},
                                    std::string{"01"},
                                    std::string{"+1"},
                                    std::string{"1."},
                                    std::string{".5"},
                                    std::string{"1e"},
                                    std::string{"-"},
                                    std::string{"NaN"},
                                    std::string{"nul"},
                                    std::string{"truex"},
                                    std::string{"\"\\x\""},
                                    std::string{"\"\t\""},
                                    std::string{"\"\\ud800\""},
                                    std::string{"\"\xff\""},
                                    std::string{"\"a"},
                                    std::string{"/**/1"},
                                    std::string("1\0", 2),
                                    std::string("\0", 1),
                                    std::string("\"a\0\"", 4)}) {
        BOOST_TEST(!parse_json(text), text);
    }
}

BOOST_AUTO_TEST_CASE(depth_and_number_of_values_are_bounded)
{
    BOOST_TEST(parse_json(std::string(8, '[') + std::string(8, ']')).has_value());
    BOOST_TEST(!parse_json(std::string(1000, '[') + std::string(1000, ']')));
    std::string many = "[1";
    for (int i = 0; i < 5000; ++i) many += ",1";
    BOOST_TEST(!parse_json(many + "]"));
}

BOOST_AUTO_TEST_SUITE_END()
