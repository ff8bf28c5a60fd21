#include "http/media_types.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::http;

BOOST_AUTO_TEST_SUITE(media_types)

BOOST_AUTO_TEST_CASE(a_type_is_compared_without_case_and_parameters)
{
    MediaTypes types;
    BOOST_TEST(types.add("Application/JSON"));
    BOOST_TEST(types.contains("application/json"));
    BOOST_TEST(types.contains("APPLICATION/json ; charset=utf-8"));
    BOOST_TEST(!types.contains("application/jsonp"));
    BOOST_TEST(!types.contains("xapplication/json"));
    BOOST_TEST(!types.contains(""));
}

BOOST_AUTO_TEST_CASE(a_star_stands_for_anything)
{
    MediaTypes types;
    BOOST_TEST(types.add("text/*"));
    BOOST_TEST(types.add("application/*+json"));
    BOOST_TEST(types.contains("text/html"));
    BOOST_TEST(types.contains("text/"));
    BOOST_TEST(!types.contains("text"));
    BOOST_TEST(types.contains("application/problem+json"));
    BOOST_TEST(types.contains("application/+json"));
    BOOST_TEST(!types.contains("application/json"));
    BOOST_TEST(!types.contains("application/problem+xml"));
    MediaTypes all;
    BOOST_TEST(all.add("*"));
    BOOST_TEST(all.contains("image/png"));
}

BOOST_AUTO_TEST_CASE(a_star_does_not_let_its_two_sides_overlap)
{
    MediaTypes types;
    BOOST_TEST(types.add("a/bc*cb"));
    BOOST_TEST(!types.contains("a/bcb"));
    BOOST_TEST(types.contains("a/bccb"));
}

BOOST_AUTO_TEST_CASE(what_is_no_type_is_refused)
{
    MediaTypes types;
    for (const char* text : {"", "text", "text/", "/html", "text/html;q=1", "te xt/html", "*/*", "a/b/c"})
        BOOST_TEST(!types.add(text));
    BOOST_TEST(types.empty());
}

BOOST_AUTO_TEST_SUITE_END()
