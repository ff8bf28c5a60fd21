#include "http/coded_etag.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::http;

BOOST_AUTO_TEST_SUITE(coded_etags)

BOOST_AUTO_TEST_CASE(a_tag_has_its_coding_before_the_closing_quote)
{
    BOOST_TEST(coded_etag("\"abc\"", Coding::br) == "\"abc-br\"");
    BOOST_TEST(coded_etag("W/\"abc\"", Coding::gzip) == "W/\"abc-gzip\"");
    BOOST_TEST(coded_etag("\"\"", Coding::zstd) == "\"-zstd\"");
    BOOST_TEST(coded_etag("\"abc\"", Coding::identity) == "\"abc\"");
}

BOOST_AUTO_TEST_CASE(what_is_no_tag_stays_as_it_is)
{
    for (const char* text : {"", "abc", "\"abc", "W/abc", "\"a\", \"b\"", "*"})
        BOOST_TEST(coded_etag(text, Coding::br) == text);
}

BOOST_AUTO_TEST_CASE(an_origin_gets_its_own_tags_beside_ours)
{
    BOOST_TEST(with_plain_tags("\"abc-br\"").value() == "\"abc-br\", \"abc\"");
    BOOST_TEST(with_plain_tags("W/\"a\",  W/\"b-gzip\", \"c-zstd\"").value() ==
               "W/\"a\", W/\"b-gzip\", W/\"b\", \"c-zstd\", \"c\"");
    BOOST_TEST(with_plain_tags("\"a-b-br\"").value() == "\"a-b-br\", \"a-b\"");
}

BOOST_AUTO_TEST_CASE(a_list_without_ours_is_left_alone)
{
    for (const char* list : {"", "*", "\"abc\"", "\"abcbr\"", "\"abc-bro\"", "W/\"-brr\"", "abc-br"})
        BOOST_TEST(!with_plain_tags(list));
}

BOOST_AUTO_TEST_SUITE_END()
