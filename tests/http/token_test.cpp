#include "http/token.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace edge::http;

BOOST_AUTO_TEST_CASE(a_token_is_made_of_the_77_tchars_of_rfc_9110_5_6_2)
{
    int count = 0;
    for (int c = 0; c < 256; ++c) count += is_tchar(static_cast<char>(c)) ? 1 : 0;
    BOOST_TEST(count == 77);
    for (char c : std::string{"\"(),/:;<=>?@[\\]{} \t\x7f\0", 21}) BOOST_TEST(!is_tchar(c));
    BOOST_TEST(is_token("X-Foo.bar_1!"));
    BOOST_TEST(!is_token(""));
    BOOST_TEST(!is_token("a b"));
    BOOST_TEST(!is_token("caf\xc3\xa9"));
}

BOOST_AUTO_TEST_CASE(letter_case_folds_in_ascii_only)
{
    BOOST_TEST(equal_fold("Cache-CONTROL", "cache-control"));
    BOOST_TEST(!equal_fold("a", "ab"));
    BOOST_TEST(!equal_fold("@", "`"));
    BOOST_TEST(!equal_fold("[", "{"));
    BOOST_TEST(!equal_fold("\xc3\x84", "\xc3\xa4"));
}

BOOST_AUTO_TEST_CASE(trim_takes_spaces_and_tabs_from_both_ends)
{
    BOOST_TEST(trim(" \ta b\t ") == "a b");
    BOOST_TEST(trim(" \t ").empty());
    BOOST_TEST(trim("\na\r") == "\na\r");
}
