#include "http/query.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

using namespace edge::http;

BOOST_AUTO_TEST_SUITE(query)

namespace {

using Names = QueryRules::Names;

const QueryRules kSort{.names = Names::all, .list = {}, .sort = true};
const QueryRules kStrip{.names = Names::all_but, .list = {"utm_*", "fbclid", "_", "_cb"}, .sort = false};
const QueryRules kStripAndSort{.names = Names::all_but, .list = {"utm_*"}, .sort = true};
const QueryRules kKeep{.names = Names::only, .list = {"page", "q*"}, .sort = false};
const QueryRules kKeepAndSort{.names = Names::only, .list = {"page", "q"}, .sort = true};

struct Row {
    const char* what;
    const QueryRules* rules;
    std::string_view query;
    std::string_view result;
};
std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.what;
}

const Row kRows[] = {
    {"sorted by name", &kSort, "b=2&a=1&c=3", "a=1&b=2&c=3"},
    {"repeated names keep their order", &kSort, "b=2&a=9&b=1&a=0", "a=9&a=0&b=2&b=1"},
    {"values do not sort", &kSort, "a=2&a=1", "a=2&a=1"},
    {"a shorter name comes first", &kSort, "aa=1&a=2&a-b=3", "a=2&a-b=3&aa=1"},
    {"no value and an empty one are two things, in their order", &kSort, "b&a=&a", "a=&a&b"},
    {"case counts", &kSort, "a=1&B=2", "B=2&a=1"},
    {"bytes above ASCII come last", &kSort, "\xc3\xa4=1&z=2", "z=2&\xc3\xa4=1"},
    {"percent-encoding is left as it is", &kSort, "b=%41%zz&%61=1", "%61=1&b=%41%zz"},
    {"empty items go", &kSort, "&&b=2&&a=1&", "a=1&b=2"},
    {"an item without name is one", &kSort, "b=1&=x", "=x&b=1"},
    {"a second equals sign belongs to the value", &kSort, "b=1&a=x=y", "a=x=y&b=1"},
    {"a semicolon separates nothing", &kSort, "b=1;a=2", "b=1;a=2"},
    {"stripped by name and by beginning", &kStrip, "_=17&id=5&utm_source=x&utm_=y&fbclid=z&_cb=1", "id=5"},
    {"a name is a whole name", &kStrip, "__=1&_cbx=2&fbclid2=3&xfbclid=4&utm=5",
     "__=1&_cbx=2&fbclid2=3&xfbclid=4&utm=5"},
    {"stripped without a value too", &kStrip, "_&a", "a"},
    {"an encoded name is another name", &kStrip, "%5f=1&fbclid=2", "%5f=1"},
    {"order stays without sort", &kStrip, "b=1&_=2&a=3", "b=1&a=3"},
    {"empty items go when stripping", &kStrip, "b=1&&_=2&", "b=1"},
    {"nothing is left", &kStrip, "_=1&fbclid", ""},
    {"both", &kStripAndSort, "b=1&utm_x=2&a=3", "a=3&b=1"},
    {"kept by name and by beginning", &kKeep, "x=1&q=2&page=3&query=4&Page=5", "q=2&page=3&query=4"},
    {"kept and sorted", &kKeepAndSort, "q=2&x=1&page=3&q=1", "page=3&q=2&q=1"},
    {"nothing", &kSort, "", ""},
    {"only separators", &kSort, "&&&", ""},
};

}

BOOST_DATA_TEST_CASE(a_query_is_normalised, boost::unit_test::data::make(kRows), row)
{
    BOOST_TEST(normalise_query(row.query, *row.rules) == row.result);
    BOOST_TEST(normalise_query(row.result, *row.rules) == row.result);
}

BOOST_AUTO_TEST_CASE(without_rules_it_stays_as_it_is)
{
    const QueryRules none;
    BOOST_TEST(normalise_query("b&&a=1&", none) == "b&&a=1&");
    BOOST_TEST(normalise_target("/x?", none) == "/x?");
    BOOST_TEST(normalise_target("/x?b&&a", none) == "/x?b&&a");
}

BOOST_AUTO_TEST_CASE(a_lone_question_mark_is_no_query)
{
    BOOST_TEST(normalise_target("/x?", kSort) == "/x");
    BOOST_TEST(normalise_target("/x?&", kSort) == "/x");
    BOOST_TEST(normalise_target("/x?_=1", kStrip) == "/x");
    BOOST_TEST(normalise_target("/x", kStrip) == "/x");
    BOOST_TEST(normalise_target("/x?b=1?&a=2", kSort) == "/x?a=2&b=1?");
    BOOST_TEST(normalise_target("/a&b=1/x?c&b", kSort) == "/a&b=1/x?b&c");
}

BOOST_AUTO_TEST_CASE(a_star_counts_at_the_end_only)
{
    const std::vector<std::string> list{"a*b", "c*"};
    BOOST_TEST(names_argument(list, "a*b"));
    BOOST_TEST(!names_argument(list, "axb"));
    BOOST_TEST(names_argument(list, "c"));
    BOOST_TEST(names_argument(list, "c*"));
    BOOST_TEST(!names_argument(list, "bc"));
}

BOOST_AUTO_TEST_SUITE_END()
