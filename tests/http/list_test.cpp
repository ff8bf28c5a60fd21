#include "http/list.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

using namespace edge::http;

namespace {

struct Row {
    std::string value;
    std::string members;  // each followed by '|'
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.value;
}

// RFC 9110 section 5.6.1, quoted strings 5.6.4.
const std::vector<Row> kLists = {
    {"a, b,c", "a|b|c|"},
    {" a ,\tb\t", "a|b|"},
    {",a,, ,b,", "a|b|"},
    {"a b, c", "a b|c|"},
    {"\"a,b\", c", "\"a,b\"|c|"},
    {"x=\"a\\\",b\", c", "x=\"a\\\",b\"|c|"},
    {"\"a, b", "\"a, b|"},
    {"\"a\\", "\"a\\|"},
    {"a\\,b", "a\\|b|"},
    {"", ""},
    {" , ", ""},
};

}

BOOST_DATA_TEST_CASE(a_list_splits_at_commas_outside_quotes, boost::unit_test::data::make(kLists), row)
{
    std::string members;
    ListCursor cursor{row.value};
    while (const auto member = cursor.next()) members.append(*member).append("|");
    BOOST_TEST(members == row.members);
}
