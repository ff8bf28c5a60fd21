#include "http/accept_encoding.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

using namespace edge::http;

namespace {

struct Row {
    std::vector<const char*> lines;
    const char* chosen;  // of br, gzip, zstd in this order
    int identity;
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    for (const char* line : row.lines) out << '[' << line << ']';
    return out;
}

// RFC 9110 section 12.5.3; qvalues section 12.4.2.
const std::vector<Row> kRows = {
    {{}, "", 1},
    {{""}, "", 1},
    {{"gzip"}, "gzip", 1},
    {{"gzip, deflate, br, zstd"}, "br gzip zstd", 1},
    {{"GZip , BR"}, "br gzip", 1},
    {{"x-gzip"}, "gzip", 1},
    {{"deflate"}, "", 1},
    {{"br;q=0.5, gzip"}, "gzip br", 1},
    {{"br;q=0.5, gzip;q=0.500, zstd;q=0.501"}, "zstd br gzip", 1},
    {{"br;q=0, gzip"}, "gzip", 1},
    {{"br;q=0.000"}, "", 1},
    {{"*"}, "br gzip zstd", 1000},
    {{"*;q=0"}, "", 0},
    {{"gzip;q=0.1, *;q=0"}, "gzip", 0},
    {{"br, *;q=0.2"}, "br gzip zstd", 200},
    {{"gzip;q=0.2, *;q=0.8"}, "br zstd", 800},
    {{"identity;q=0"}, "", 0},
    {{"identity;q=0, gzip;q=0.001"}, "gzip", 0},
    {{"identity;q=0.5, gzip;q=0.4, br;q=0.5"}, "br", 500},
    {{"identity, *;q=0"}, "", 1000},
    {{"identity;q=1, br"}, "br", 1000},
    // More than one line is one list.
    {{"gzip", "br"}, "br gzip", 1},
    {{"gzip, br", "br;q=0"}, "gzip", 1},
    // Of two weights the lower one, of none none.
    {{"br, br;q=0"}, "", 1},
    {{"br;q=0.3, br;q=0.7, gzip;q=0.5"}, "gzip br", 1},
    {{"br;q=2, gzip;q=1.001, zstd;q=1.0"}, "zstd", 1},
    {{"br;q=, gzip;q=-1, zstd;q=0.1234"}, "", 1},
    {{"br;q=.5, gzip;q=1.000"}, "gzip", 1},
    {{"br ; q=0.5 , gzip;Q=0.4"}, "br gzip", 1},
    {{"br;level=5, gzip;q"}, "", 1},
    {{"br;q=0.5;x=1, gzip"}, "gzip", 1},
    {{"\"br, gzip\", zstd"}, "zstd", 1},
    {{",,gzip,,"}, "gzip", 1},
    {{"br gzip"}, "", 1},
};

std::string chosen(const AcceptEncoding& accept, std::span<const Coding> offered)
{
    std::string text;
    for (const Coding coding : accept.choose(offered))
        text.append(text.empty() ? "" : " ").append(coding_name(coding));
    return text;
}

constexpr Coding kAll[] = {Coding::br, Coding::gzip, Coding::zstd};

}

BOOST_AUTO_TEST_SUITE(accept_encoding)

BOOST_DATA_TEST_CASE(a_client_gets_what_it_likes_best, boost::unit_test::data::make(kRows), row)
{
    AcceptEncoding accept;
    for (const char* line : row.lines) accept.add(line);
    BOOST_TEST(chosen(accept, kAll) == row.chosen);
    BOOST_TEST(accept.weight(Coding::identity) == row.identity);
}

BOOST_AUTO_TEST_CASE(equals_come_in_the_order_they_are_offered)
{
    AcceptEncoding accept;
    accept.add("br, gzip, zstd");
    constexpr Coding kOther[] = {Coding::zstd, Coding::br};
    BOOST_TEST(chosen(accept, kOther) == "zstd br");
    BOOST_TEST(chosen(accept, {}) == "");
}

BOOST_AUTO_TEST_CASE(identity_is_never_chosen_as_a_coding)
{
    AcceptEncoding accept;
    accept.add("*");
    constexpr Coding kOdd[] = {Coding::identity, Coding::gzip, Coding::identity};
    BOOST_TEST(chosen(accept, kOdd) == "gzip");
}

BOOST_AUTO_TEST_SUITE_END()
