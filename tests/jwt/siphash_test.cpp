#include "jwt/siphash.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>

using namespace edge::jwt;

namespace {

/// The key 00 01 02 … 0f and the text 00 01 02 … of `size` bytes, as in the algorithm's own test vectors.
std::string tag(std::size_t size)
{
    constexpr TagKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i);
    const Tag result = siphash(kKey, text);
    std::string hex;
    constexpr char kDigits[] = "0123456789ABCDEF";
    unsigned char bytes[16];
    std::memcpy(bytes, result.data(), sizeof(bytes));
    for (const unsigned char byte : bytes) hex.append({kDigits[byte >> 4], kDigits[byte & 15]});
    return hex;
}

}

BOOST_AUTO_TEST_SUITE(siphashes)

BOOST_AUTO_TEST_CASE(tags_are_those_of_the_reference)
{
    BOOST_TEST(tag(0) == "A3817F04BA25A8E66DF67214C7550293");
    BOOST_TEST(tag(1) == "DA87C1D86B99AF44347659119B22FC45");
    BOOST_TEST(tag(10) == "00110DC378146956C95447D3F3D0FBBA");
}

BOOST_AUTO_TEST_CASE(another_key_makes_another_tag)
{
    BOOST_TEST((siphash({1, 2}, "token") != siphash({1, 3}, "token")));
    BOOST_TEST((siphash({1, 2}, "token") != siphash({1, 2}, std::string("token\0", 6))));
}

BOOST_AUTO_TEST_SUITE_END()
