#define XXH_INLINE_ALL
#include "cache/checksum.hpp"

#include <xxhash.h>

#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(checksums)

BOOST_AUTO_TEST_CASE(whatever_registers_it_takes_a_checksum_is_xxh3)
{
    std::string bytes(20'000, '\0');
    std::uint32_t state = 1;
    for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    for (std::size_t size = 0; size < bytes.size() - 64; size += 1 + size / 9) {
        const std::string_view part = std::string_view{bytes}.substr(size % 61, size);
        BOOST_REQUIRE(edge::cache::checksum(part) == XXH3_64bits(part.data(), part.size()));
    }
}

BOOST_AUTO_TEST_SUITE_END()
