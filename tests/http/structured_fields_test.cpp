#include "http/structured_fields.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

using namespace edge::http::sf;

namespace {

struct ItemRow {
    const char* section;
    std::string text;
    std::optional<BareItem> expected;
};

std::ostream& operator<<(std::ostream& out, const ItemRow& row)
{
    return out << row.section << ": " << row.text;
}

BareItem integer(std::int64_t value)
{
    return BareItem{value};
}

const std::vector<ItemRow> kItems = {
    {"9651 3.3.1", "42", integer(42)},
    {"9651 3.3.1", "-0", integer(0)},
    {"9651 3.3.1 leading zeros", "0042", integer(42)},
    {"9651 3.3.1 fifteen digits", "999999999999999", integer(999999999999999)},
    {"9651 3.3.1 fifteen digits", "-999999999999999", integer(-999999999999999)},
    {"9651 3.3.1 sixteen digits", "1000000000000000", std::nullopt},
    {"9651 4.2.4", "-", std::nullopt},
    {"9651 4.2.4", "--1", std::nullopt},
    {"9651 4.2.4", "- 1", std::nullopt},
    {"9651 4.2.4", "+1", std::nullopt},
    {"9651 4.2.4 text behind", "1a", std::nullopt},
    {"9651 3.3.2", "4.5", BareItem{Decimal{4500}}},
    {"9651 3.3.2", "-0.001", BareItem{Decimal{-1}}},
    {"9651 3.3.2 twelve digits", "123456789012.345", BareItem{Decimal{123456789012345}}},
    {"9651 3.3.2 thirteen digits", "1234567890123.1", std::nullopt},
    {"9651 3.3.2 four digits", "1.2345", std::nullopt},
    {"9651 3.3.2 no digit", "1.", std::nullopt},
    {"9651 3.3.2 no digit", ".1", std::nullopt},
    {"9651 3.3.2 two points", "1.2.3", std::nullopt},
    {"9651 3.3.3", "\"a b\"", BareItem{String{"a b"}}},
    {"9651 3.3.3", "\"\"", BareItem{String{""}}},
    {"9651 3.3.3 escapes", "\"a\\\"b\\\\\"", BareItem{String{"a\"b\\"}}},
    {"9651 3.3.3 other escapes", "\"a\\n\"", std::nullopt},
    {"9651 3.3.3 no end", "\"a", std::nullopt},
    {"9651 3.3.3 no end", "\"a\\", std::nullopt},
    {"9651 3.3.3 control", "\"a\tb\"", std::nullopt},
    {"9651 3.3.3 DEL", "\"a\x7f\"", std::nullopt},
    {"9651 3.3.3 not ASCII", "\"\xc3\xa9\"", std::nullopt},
    {"9651 3.3.3 single quotes", "'a'", std::nullopt},
    {"9651 3.3.4", "foo123/456", BareItem{Token{"foo123/456"}}},
    {"9651 3.3.4", "*a:b", BareItem{Token{"*a:b"}}},
    {"9651 3.3.4 ends at other text", "a\"b\"", std::nullopt},
    {"9651 3.3.5", ":aGVsbG8=:", BareItem{ByteSequence{"hello"}}},
    {"9651 3.3.5 empty", "::", BareItem{ByteSequence{""}}},
    {"9651 4.2.7 no padding", ":aGVsbG8:", BareItem{ByteSequence{"hello"}}},
    {"9651 4.2.7 pad bits", ":iZ==:", BareItem{ByteSequence{"\x89"}}},
    {"9651 3.3.5 one character", ":a:", std::nullopt},
    {"9651 3.3.5 too much padding", ":aGVsbG8==:", std::nullopt},
    {"9651 3.3.5 padding alone", ":====:", std::nullopt},
    {"9651 3.3.5 padding inside", ":aG=sbG8=:", std::nullopt},
    {"9651 3.3.5 url alphabet", ":_-Ah:", std::nullopt},
    {"9651 3.3.5 space", ":aGVs bG8=:", std::nullopt},
    {"9651 3.3.5 no end", ":aGVsbG8=", std::nullopt},
    {"9651 3.3.6", "?1", BareItem{true}},
    {"9651 3.3.6", "?0", BareItem{false}},
    {"9651 3.3.6", "?2", std::nullopt},
    {"9651 3.3.6", "?", std::nullopt},
    {"9651 3.3.7", "@1659578233", BareItem{Date{1659578233}}},
    {"9651 3.3.7", "@-62135596800", BareItem{Date{-62135596800}}},
    {"9651 3.3.7 decimal", "@1.5", std::nullopt},
    {"9651 3.3.7", "@", std::nullopt},
    {"9651 3.3.7", "@a", std::nullopt},
    {"9651 3.3.8", "%\"f%c3%bc\"", BareItem{DisplayString{"f\xc3\xbc"}}},
    {"9651 3.3.8", "%\"a b\"", BareItem{DisplayString{"a b"}}},
    {"9651 3.3.8 upper-case hex", "%\"%C3%BC\"", std::nullopt},
    {"9651 3.3.8 not UTF-8", "%\"%c3\"", std::nullopt},
    {"9651 3.3.8 overlong", "%\"%c0%af\"", std::nullopt},
    {"9651 3.3.8 overlong of three", "%\"%e0%80%af\"", std::nullopt},
    {"9651 3.3.8 surrogate", "%\"%ed%a0%80\"", std::nullopt},
    {"9651 3.3.8 four bytes", "%\"%f0%9f%98%80\"", BareItem{DisplayString{"\xf0\x9f\x98\x80"}}},
    {"9651 3.3.8 above U+10FFFF", "%\"%f4%90%80%80\"", std::nullopt},
    {"9651 3.3.8 not ASCII", "%\"\xc3\xbc\"", std::nullopt},
    {"9651 3.3.8 cut", "%\"a%c", std::nullopt},
    {"9651 3.3.8 no quote", "%a", std::nullopt},
    {"9651 4.2 spaces around", "  1  ", integer(1)},
    {"9651 4.2 no tabs around", "\t1", std::nullopt},
    {"9651 4.2 one item", "1, 2", std::nullopt},
    {"9651 4.2 empty", "", std::nullopt},
    {"9651 4.2.3.1", "&", std::nullopt},
};

struct FieldRow {
    const char* section;
    std::string text;
    bool valid;
};

std::ostream& operator<<(std::ostream& out, const FieldRow& row)
{
    return out << row.section << ": " << row.text;
}

const std::vector<FieldRow> kDictionaries = {
    {"9651 3.2", "a=1, b;x=1, c=(1 2);y", true},
    {"9651 3.2 empty", "", true},
    {"9651 4.2.2 tabs between", "a\t,\tb", true},
    {"9651 4.2.2 trailing comma", "a=1,", false},
    {"9651 4.2.2 empty member", "a,,b", false},
    {"9651 4.2.2 no comma", "a b", false},
    {"9651 4.2.3.3 upper case", "MaX-aGe=3600", false},
    {"9651 4.2.3.3 key begins with a letter or *", "1a=1", false},
    {"9651 4.2.3.3 key begins with a letter or *", "-a", false},
    {"9651 4.2.3.3 key characters", "a_b-c.d*9=1", true},
    {"9651 4.2.2 space before =", "max-age =1", false},
    {"9651 4.2.2 space after =", "max-age= 1", false},
    {"9651 4.2.2 no value", "a=", false},
    {"9651 4.2.2 not an item", "max-age=10000, &&&&&", false},
    {"9651 4.2.3.2 space before ;", "a ;b", false},
    {"9651 4.2.3.2 spaces after ;", "a;  b", true},
    {"9651 4.2.3.2 no key", "a;", false},
    {"9651 4.2.3.2 inner list as parameter", "a;b=(1)", false},
    {"9651 4.2.1.2 nested lists", "a=((1))", false},
    {"9651 4.2.1.2 no end", "a=(1 2", false},
    {"9651 4.2.1.2 no space", "a=(1\"a\")", false},
    {"9651 4.2.1.2 commas", "a=(1,2)", false},
    {"9651 4.2.1.2 spaces", "a=(  1  2  )", true},
    {"9651 4.2.1.2 empty", "a=()", true},
};

const std::vector<FieldRow> kLists = {
    {"9651 3.1", "a, \"b\";x=1, (c d);y", true}, {"9651 3.1 empty", "", true},
    {"9651 4.2.1 spaces only", "   ", true},     {"9651 4.2.1 trailing comma", "a, ", false},
    {"9651 4.2.1 trailing comma", "a,", false},  {"9651 4.2.1 empty member", "a,,b", false},
    {"9651 4.2.1 no comma", "a b", false},
};

}

BOOST_DATA_TEST_CASE(an_item_has_the_value_it_is_written_as, boost::unit_test::data::make(kItems), row)
{
    const auto item = parse_item(row.text);
    BOOST_REQUIRE(item.has_value() == row.expected.has_value());
    if (item) BOOST_CHECK(item->value == *row.expected);
}

BOOST_DATA_TEST_CASE(one_mistake_fails_the_whole_dictionary, boost::unit_test::data::make(kDictionaries), row)
{
    BOOST_TEST(parse_dictionary(row.text).has_value() == row.valid);
}

BOOST_DATA_TEST_CASE(one_mistake_fails_the_whole_list, boost::unit_test::data::make(kLists), row)
{
    BOOST_TEST(parse_list(row.text).has_value() == row.valid);
}

BOOST_AUTO_TEST_CASE(a_dictionary_keeps_members_in_order_and_the_last_of_equal_keys)
{
    const auto dictionary = parse_dictionary("b=1, a;p;q=\"x\";p=2, c=(1 t;z);w, b=2;v");
    BOOST_REQUIRE(dictionary.has_value());
    const Dictionary expected = {
        {"b", Item{integer(2), {{"v", true}}}},
        {"a", Item{true, {{"p", integer(2)}, {"q", String{"x"}}}}},
        {"c", InnerList{{Item{integer(1), {}}, Item{Token{"t"}, {{"z", true}}}}, {{"w", true}}}},
    };
    BOOST_CHECK(*dictionary == expected);
}
