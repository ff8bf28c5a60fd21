#include "http/vary.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

using namespace edge::http;

namespace {

using Headers = std::vector<Field>;

struct VaryRow {
    const char* section;
    Headers response;
    bool star;
    std::vector<std::string> names;
};

std::ostream& operator<<(std::ostream& out, const VaryRow& row)
{
    out << row.section;
    for (const Field& field : row.response) out << " | " << field.name << ": " << field.value;
    return out;
}

const std::vector<VaryRow> kVary = {
    {"9110 12.5.5", {{"Vary", "Foo"}}, false, {"foo"}},
    {"9110 12.5.5", {{"vary", "Foo, BAR,foo"}}, false, {"bar", "foo"}},
    {"9110 5.3 lines join", {{"Vary", "Foo"}, {"X", "Vary"}, {"VARY", "Bar"}}, false, {"bar", "foo"}},
    {"9110 12.5.5 absent", {{"X-Vary", "Foo"}}, false, {}},
    {"9110 12.5.5 empty", {{"Vary", ""}}, false, {}},
    {"9111 4.1 *", {{"Vary", "*"}}, true, {}},
    {"9111 4.1 * twice", {{"Vary", "*, *"}}, true, {}},
    {"9111 4.1 * on two lines", {{"Vary", "*"}, {"Vary", "*"}}, true, {}},
    {"9111 4.1 empty member", {{"Vary", ", *"}}, true, {}},
    {"9111 4.1 empty line", {{"Vary", ""}, {"Vary", "*"}}, true, {}},
    {"9111 4.1 * first", {{"Vary", "*, Foo"}}, true, {"foo"}},
    {"9111 4.1 * last", {{"Vary", "Foo, *"}}, true, {"foo"}},
    {"not a token", {{"Vary", "Foo Bar"}}, true, {}},
    {"not a token", {{"Vary", "Accept;q=1"}}, true, {}},
    {"not a token", {{"Vary", "\"Accept\""}}, true, {}},
};

struct MatchRow {
    const char* section;
    const char* name;
    Headers a;
    Headers b;
    bool same;
};

std::ostream& operator<<(std::ostream& out, const MatchRow& row)
{
    out << row.section << ", " << row.name;
    for (const Field& field : row.a) out << " | " << field.value;
    out << " <>";
    for (const Field& field : row.b) out << " | " << field.value;
    return out;
}

const std::vector<MatchRow> kMatches = {
    {"9111 4.1", "foo", {{"Foo", "1"}}, {{"foo", "1"}}, true},
    {"9111 4.1", "foo", {{"Foo", "1"}}, {{"Foo", "2"}}, false},
    {"9111 4.1 absent in both", "foo", {}, {{"Bar", "1"}}, true},
    {"9111 4.1 absent in one", "foo", {{"Foo", "1"}}, {}, false},
    {"9111 4.1 empty is not absent", "foo", {{"Foo", ""}}, {}, false},
    {"9111 4.1 unknown fields keep case", "foo", {{"Foo", "a"}}, {{"Foo", "A"}}, false},
    {"9111 4.1 unknown fields keep order", "foo", {{"Foo", "1, 2"}}, {{"Foo", "2, 1"}}, false},
    {"9111 4.1 lines join", "foo", {{"Foo", "1, 2"}}, {{"Foo", "1"}, {"Foo", "2"}}, true},
    {"9111 4.1 line order", "foo", {{"Foo", "1"}, {"Foo", "2"}}, {{"Foo", "2"}, {"Foo", "1"}}, false},
    {"9111 4.1 white space", "foo", {{"Foo", "1,2"}}, {{"Foo", " 1, 2 "}}, true},
    {"9111 4.1 white space inside a member", "foo", {{"Foo", "1 2"}}, {{"Foo", "1  2"}}, false},
    {"9110 5.6.4 white space in quotes", "foo", {{"Foo", "\"1,2\""}}, {{"Foo", "\"1, 2\""}}, false},
    {"a quoted comma does not separate", "foo", {{"Foo", "\"1,2\""}}, {{"Foo", "1,2"}}, false},
    {"secrets are exact", "cookie", {{"Cookie", "a=1, b"}}, {{"Cookie", "a=1,b"}}, false},
    {"secrets are exact",
     "authorization",
     {{"Authorization", "Basic a"}},
     {{"Authorization", "basic a"}},
     false},
    {"secrets are exact, lines too",
     "cookie",
     {{"Cookie", "a"}, {"Cookie", "b"}},
     {{"Cookie", "a,b"}},
     false},
    {"9110 12.5.4 case",
     "accept-language",
     {{"Accept-Language", "en, de"}},
     {{"Accept-Language", "eN, De"}},
     true},
    {"9110 12.5.4 white space",
     "accept-language",
     {{"Accept-Language", "en, de"}},
     {{"Accept-Language", " en ,   de"}},
     true},
    {"9110 12.5.4 order",
     "accept-language",
     {{"Accept-Language", "en, de"}},
     {{"Accept-Language", "de, en"}},
     true},
    {"9110 12.4.2 order of unequal weights",
     "accept-language",
     {{"Accept-Language", "en;q=0.5, de"}},
     {{"Accept-Language", "de, en;q=0.5"}},
     true},
    {"9110 12.4.2 weights differ",
     "accept-language",
     {{"Accept-Language", "en;q=0.5, de"}},
     {{"Accept-Language", "en, de;q=0.5"}},
     false},
    {"9110 12.4.2 the same weight",
     "accept-language",
     {{"Accept-Language", "en;q=1.0, de;Q=0.50"}},
     {{"Accept-Language", "en ; q=1, de; q=0.5"}},
     true},
    {"9110 12.4.2 zero excludes",
     "accept-encoding",
     {{"Accept-Encoding", "br;q=0"}},
     {{"Accept-Encoding", "br"}},
     false},
    {"9110 12.4.2 zero is not nothing",
     "accept-encoding",
     {{"Accept-Encoding", "br;q=0"}},
     {{"Accept-Encoding", ""}},
     false},
    {"9110 12.5.3 order",
     "accept-encoding",
     {{"Accept-Encoding", "gzip, br"}},
     {{"Accept-Encoding", "br,GZIP"}},
     true},
    {"9110 12.5.2 order",
     "accept-charset",
     {{"Accept-Charset", "utf-8, a"}},
     {{"Accept-Charset", "A,UTF-8"}},
     true},
    {"9110 12.5.1 case", "accept", {{"Accept", "Text/HTML"}}, {{"Accept", "text/html"}}, true},
    {"9110 12.5.1 order is kept", "accept", {{"Accept", "a/b, c/d"}}, {{"Accept", "c/d, a/b"}}, false},
    {"9110 12.5.1 order by weight",
     "accept",
     {{"Accept", "a/b;q=0.1, c/d"}},
     {{"Accept", "c/d, a/b;q=0.1"}},
     true},
    {"9110 8.3.1 parameter value keeps case",
     "accept",
     {{"Accept", "a/b;v=X"}},
     {{"Accept", "a/b;v=x"}},
     false},
    {"9110 8.3.1 parameter name has no case",
     "accept",
     {{"Accept", "a/b;V=x"}},
     {{"Accept", "a/b; v=x"}},
     true},
    {"a parameter is not a weight", "accept", {{"Accept", "a/b;level=1"}}, {{"Accept", "a/b"}}, false},
    {"malformed weights keep order",
     "accept-encoding",
     {{"Accept-Encoding", "a;q=2, b"}},
     {{"Accept-Encoding", "b, a;q=2"}},
     false},
    {"malformed is not what it would be sorted to",
     "accept-encoding",
     {{"Accept-Encoding", "gzip;q=0.5"}},
     {{"Accept-Encoding", "gzip;q=500"}},
     false},
    {"no member begins like the mark of a malformed list",
     "accept",
     {{"Accept", "x;q=5"}},
     {{"Accept", "=x;q=0.005"}},
     false},
    {"a quoted parameter keeps all",
     "accept",
     {{"Accept", "a/b;v=\"1;q=0\""}},
     {{"Accept", "a/b;v=\"1;Q=0\""}},
     false},
};

}

BOOST_DATA_TEST_CASE(vary_lists_the_selecting_fields, boost::unit_test::data::make(kVary), row)
{
    const Vary vary = parse_vary(row.response);
    BOOST_TEST(vary.star == row.star);
    if (!row.star) BOOST_TEST(vary.names == row.names, boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(two_requests_share_a_key_exactly_when_they_match, boost::unit_test::data::make(kMatches),
                     row)
{
    const std::vector<std::string> names = {row.name};
    BOOST_TEST((secondary_key(names, row.a) == secondary_key(names, row.b)) == row.same);
}

BOOST_DATA_TEST_CASE(remembered_values_make_the_same_key, boost::unit_test::data::make(kMatches), row)
{
    const std::vector<std::string> names = {row.name};
    NormalisedValues known;
    for (int time = 0; time < 2; ++time) {
        for (const Headers* request : {&row.a, &row.b}) {
            std::string key = "before";
            append_secondary_key(key, names, *request, &known);
            BOOST_TEST(key == "before" + secondary_key(names, *request));
        }
    }
}

BOOST_AUTO_TEST_CASE(of_many_values_each_keeps_its_own_key)
{
    NormalisedValues known;
    const std::vector<std::string> names = {"accept-encoding", "origin"};
    for (int time = 0; time < 2; ++time) {
        for (int i = 0; i < 500; ++i) {
            const std::string value = "gzip, x" + std::to_string(i);
            const Headers request = {{"Origin", value}, {"Accept-Encoding", value}};
            std::string key;
            append_secondary_key(key, names, request, &known);
            BOOST_TEST(key == secondary_key(names, request));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_value_is_remembered_unless_it_is_secret_or_long)
{
    NormalisedValues known;
    std::string key;
    const std::string longer(300, 'a');
    const Headers request = {
        {"Accept-Encoding", "br, gzip"}, {"Authorization", "Bearer t"}, {"Origin", longer}};
    append_secondary_key(key, {"accept-encoding", "authorization", "origin"}, request, &known);
    BOOST_TEST(known.find("accept-encoding", "br, gzip") != nullptr);
    BOOST_TEST(known.find("accept-language", "br, gzip") == nullptr);
    BOOST_TEST(known.find("authorization", "Bearer t") == nullptr);
    BOOST_TEST(known.find("origin", longer) == nullptr);
}

BOOST_AUTO_TEST_CASE(all_selecting_fields_have_to_match)
{
    const std::vector<std::string> names = {"bar", "baz", "foo"};
    const Headers stored = {{"Foo", "1"}, {"Bar", "abc"}, {"Baz", "789"}};
    const Headers reordered = {{"Other", "x"}, {"Baz", "789"}, {"Bar", "abc"}, {"Foo", "1"}};
    const Headers other = {{"Foo", "1"}, {"Baz", "789"}, {"Bar", "abcde"}};
    const Headers without = {{"Foo", "1"}, {"Baz", "789"}};
    BOOST_TEST(secondary_key(names, stored) == secondary_key(names, reordered));
    BOOST_TEST(secondary_key(names, stored) != secondary_key(names, other));
    BOOST_TEST(secondary_key(names, stored) != secondary_key(names, without));
    BOOST_TEST(secondary_key(names, without) == secondary_key(names, without));
}

BOOST_AUTO_TEST_CASE(values_cannot_imitate_the_structure_of_the_key)
{
    const std::vector<std::string> names = {"a", "b"};
    const Headers one = {{"A", "1"}, {"B", "2"}};
    const Headers moved = {{"A", "11:b1:2"}, {"B", ""}};
    const Headers absent = {{"A", "-"}};
    const Headers none = {};
    BOOST_TEST(secondary_key(names, one) != secondary_key(names, moved));
    BOOST_TEST(secondary_key(names, absent) != secondary_key(names, none));
}
