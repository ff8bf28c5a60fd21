#include "image/signature.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::image;

namespace {

const SigningKeys kKeys{"new key of sixteen", "old key of sixteen"};
constexpr std::string_view kText = "/uploads/a.jpg?w=333&exp=2000";

}

BOOST_AUTO_TEST_SUITE(image_signature)

BOOST_AUTO_TEST_CASE(it_is_hmac_sha256)
{
    // RFC 4231 section 4.3.
    BOOST_TEST(sign("Jefe", "what do ya want for nothing?") ==
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

BOOST_AUTO_TEST_CASE(each_of_the_keys_verifies)
{
    for (const std::string& key : kKeys)
        BOOST_CHECK(verify(kKeys, kText, sign(key, kText), 2000, 1000) == Signature::valid);
    BOOST_CHECK(verify(kKeys, kText, sign("another key of some length", kText), 2000, 1000) ==
                Signature::wrong);
}

BOOST_AUTO_TEST_CASE(another_text_or_half_a_signature_does_not)
{
    const std::string right = sign(kKeys[0], kText);
    BOOST_CHECK(verify(kKeys, "/uploads/a.jpg?w=334&exp=2000", right, 2000, 1000) == Signature::wrong);
    BOOST_CHECK(verify(kKeys, kText, right.substr(0, 32), 2000, 1000) == Signature::wrong);
    BOOST_CHECK(verify(kKeys, kText, "", 2000, 1000) == Signature::wrong);
    std::string other = right;
    other.back() = other.back() == '0' ? '1' : '0';
    BOOST_CHECK(verify(kKeys, kText, other, 2000, 1000) == Signature::wrong);
    BOOST_CHECK(verify({}, kText, right, 2000, 1000) == Signature::wrong);
}

BOOST_AUTO_TEST_CASE(it_holds_until_the_second_it_names)
{
    const std::string right = sign(kKeys[1], kText);
    BOOST_CHECK(verify(kKeys, kText, right, 2000, 2000) == Signature::valid);
    BOOST_CHECK(verify(kKeys, kText, right, 2000, 2001) == Signature::expired);
    BOOST_CHECK(verify(kKeys, kText, right, 0, 4000000000) == Signature::valid);
    // Who can't sign learns nothing of the time either.
    BOOST_CHECK(verify(kKeys, kText, "wrong", 2000, 2001) == Signature::wrong);
}

BOOST_AUTO_TEST_CASE(a_key_is_a_line_of_at_least_sixteen_bytes)
{
    const auto keys =
        std::get<SigningKeys>(parse_signing_keys("# new\n0123456789abcdef\r\n\nanother key, longer\n"));
    BOOST_TEST(keys.size() == 2U);
    BOOST_TEST(keys[0] == "0123456789abcdef");
    BOOST_TEST(keys[1] == "another key, longer");
    BOOST_TEST(std::get<std::string>(parse_signing_keys("0123456789abcdef\nshort")) ==
               "line 2: a key has at least 16 bytes");
    BOOST_TEST(std::get<std::string>(parse_signing_keys("# nothing\n")) == "there is no key in it");
}

BOOST_AUTO_TEST_SUITE_END()
