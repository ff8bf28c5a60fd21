#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "cache/policy_case.hpp"

using namespace policy_case;

namespace {

struct TargetRow {
    const char* section;
    std::string base;
    std::string reference;
    std::optional<std::string> expected;
};

std::ostream& operator<<(std::ostream& out, const TargetRow& row)
{
    return out << row.section << ": " << row.base << " + " << row.reference;
}

const std::string kBase = "http://example.com/a/b/c?q=1";
const auto kElsewhere = std::nullopt;

const std::vector<TargetRow> kTargets = {
    {"3986 5.2.2 path", kBase, "/x/y", "http://example.com/x/y"},
    {"3986 5.2.2 path and query", kBase, "/x?y=1", "http://example.com/x?y=1"},
    {"3986 5.2.2 empty", kBase, "", "http://example.com/a/b/c?q=1"},
    {"3986 5.2.2 fragment only", kBase, "#f", "http://example.com/a/b/c?q=1"},
    {"3986 5.2.2 query only", kBase, "?y", "http://example.com/a/b/c?y"},
    {"3986 5.2.2 empty query", kBase, "?", "http://example.com/a/b/c?"},
    {"3986 5.2.3 merged", kBase, "d", "http://example.com/a/b/d"},
    {"3986 5.2.3 base without path", "http://example.com", "d", "http://example.com/d"},
    {"3986 5.2.3 base without path", "http://example.com?q", "d", "http://example.com/d"},
    {"3986 5.4 dots", kBase, "./d", "http://example.com/a/b/d"},
    {"3986 5.4 dots", kBase, "../d", "http://example.com/a/d"},
    {"3986 5.4 dots", kBase, "..", "http://example.com/a/"},
    {"3986 5.4 dots", kBase, ".", "http://example.com/a/b/"},
    {"3986 5.4 dots beyond the root", kBase, "../../../../d", "http://example.com/d"},
    {"3986 5.4 dots inside", kBase, "/x/./y/../z/", "http://example.com/x/z/"},
    {"3986 5.4 not dot segments", kBase, "/...", "http://example.com/..."},
    {"3986 5.4 dots in the query stay", kBase, "/x?../y", "http://example.com/x?../y"},
    {"3986 5.2.4 empty segments stay", kBase, "/x//y", "http://example.com/x//y"},
    {"3986 3.5", kBase, "/x#f?y", "http://example.com/x"},
    {"3986 4.2 a colon behind a slash", kBase, "/x:y", "http://example.com/x:y"},
    {"9111 4.4 absolute", kBase, "http://example.com/x", "http://example.com/x"},
    {"9111 4.4 absolute, no path", kBase, "http://example.com", "http://example.com/"},
    {"9111 4.4 absolute, no path", kBase, "http://example.com?x", "http://example.com/?x"},
    {"9110 4.2.3 case", kBase, "HTTP://EXAMPLE.com/X", "http://example.com/X"},
    {"9110 4.2.3 default port", kBase, "http://example.com:80/x", "http://example.com/x"},
    {"9110 4.2.3 default port", "https://example.com:443/", "https://EXAMPLE.COM/x", "https://example.com/x"},
    {"9110 4.2.3 empty port", kBase, "http://example.com:/x", "http://example.com/x"},
    {"9110 4.2.3 port with zeros", "http://example.com:8080/", "http://example.com:08080/x",
     "http://example.com:8080/x"},
    {"3986 4.2 network path", kBase, "//example.com/x", "http://example.com/x"},
    {"3986 3.2.2 IPv6", "http://[::1]:8080/", "http://[::1]:8080/x", "http://[::1]:8080/x"},
    {"3986 3.2.2 IPv6, default port", "http://[::1]/", "//[::1]:80/x", "http://[::1]/x"},
    {"9111 4.4 another host", kBase, "http://example.org/x", kElsewhere},
    {"9111 4.4 another host", kBase, "//example.org/x", kElsewhere},
    {"9111 4.4 another host", kBase, "http://www.example.com/x", kElsewhere},
    {"9111 4.4 another scheme", kBase, "https://example.com/x", kElsewhere},
    {"9111 4.4 another port", kBase, "http://example.com:8080/x", kElsewhere},
    {"9111 4.4 another port", "http://example.com:8080/", "http://example.com/x", kElsewhere},
    {"not http", kBase, "mailto:a@b", kElsewhere},
    {"not http", kBase, "javascript:alert(1)", kElsewhere},
    {"not http", "ftp://example.com/", "/x", kElsewhere},
    {"no authority", kBase, "http:x", kElsewhere},
    {"no authority", kBase, "http:///x", kElsewhere},
    {"user information", kBase, "http://a@example.com/x", kElsewhere},
    {"not a port", kBase, "http://example.com:8a/x", kElsewhere},
    {"not a URI", kBase, "/a b", kElsewhere},
    {"not a URI", kBase, "/a\\b", kElsewhere},
    {"not a URI", kBase, "/a\r\nb", kElsewhere},
    {"not a URI", kBase, "\"/a\"", kElsewhere},
    {"a base that is none", "/a/b", "c", kElsewhere},
    {"a base that is none", "", "/c", kElsewhere},
};

struct InvalidRow {
    Method method;
    std::uint16_t status;
    bool expected;
};

std::ostream& operator<<(std::ostream& out, const InvalidRow& row)
{
    return out << row.method << ' ' << row.status;
}

// RFC 9111 section 4.4.
const std::vector<InvalidRow> kInvalid = {
    {Method::unsafe, 200, true},      {Method::unsafe, 204, true},  {Method::unsafe, 299, true},
    {Method::unsafe, 303, true},      {Method::unsafe, 399, true},  {Method::unsafe, 100, false},
    {Method::unsafe, 199, false},     {Method::unsafe, 400, false}, {Method::unsafe, 500, false},
    {Method::unsafe, 0, false},       {Method::get, 200, false},    {Method::head, 200, false},
    {Method::safe_other, 200, false},
};

}

BOOST_DATA_TEST_CASE(a_reference_resolves_within_its_own_origin, boost::unit_test::data::make(kTargets), row)
{
    const auto target = same_origin_target(row.base, row.reference);
    BOOST_TEST(target.has_value() == row.expected.has_value());
    if (target && row.expected) BOOST_TEST(*target == *row.expected);
}

BOOST_DATA_TEST_CASE(an_unsafe_method_that_worked_invalidates, boost::unit_test::data::make(kInvalid), row)
{
    BOOST_TEST(invalidates(row.method, row.status) == row.expected);
}
