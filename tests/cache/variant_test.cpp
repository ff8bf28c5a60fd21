#include "cache/variant.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <cstring>
#include <vector>

using namespace edge::cache;
using edge::http::Coding;
using edge::http::Field;

namespace {

std::span<const std::byte> bytes(const VariantHead& head)
{
    return std::as_bytes(std::span{&head, 1});
}

VariantHead head_of(std::uint64_t body, Coding coding)
{
    VariantHead head;
    head.body = body;
    head.coding = static_cast<std::uint8_t>(coding);
    return head;
}

bool forbids(std::vector<Field> fields)
{
    return forbids_encoding(fields);
}

}

BOOST_AUTO_TEST_SUITE(variants)

BOOST_AUTO_TEST_CASE(a_variant_is_of_one_body_and_one_coding)
{
    const VariantHead head = head_of(7, Coding::br);
    BOOST_TEST(read_variant(bytes(head), 7, Coding::br).has_value());
    BOOST_TEST(!read_variant(bytes(head), 8, Coding::br));
    BOOST_TEST(!read_variant(bytes(head), 7, Coding::gzip));
    BOOST_TEST(!read_variant(bytes(head).first(23), 7, Coding::br));
    VariantHead other = head;
    ++other.magic;
    BOOST_TEST(!read_variant(bytes(other), 7, Coding::br));
}

BOOST_AUTO_TEST_CASE(each_has_a_place_of_its_own)
{
    constexpr ZoneShape kShape{1024 * 1024, 64 * 1024};
    const std::unique_ptr<void, decltype(&std::free)> memory{std::aligned_alloc(4096, kShape.bytes),
                                                             std::free};
    std::memset(memory.get(), 0, kShape.bytes);
    Zone::format(memory.get(), kShape, 1);
    const Zone zone{memory.get()};
    const KeyHash a{1, 2}, b{1, 3};
    const KeyHash place = variant_key_hash(zone, a, 7, Coding::br);
    BOOST_TEST((place == variant_key_hash(zone, a, 7, Coding::br)));
    BOOST_TEST((place != variant_key_hash(zone, b, 7, Coding::br)));
    BOOST_TEST((place != variant_key_hash(zone, a, 8, Coding::br)));
    BOOST_TEST((place != variant_key_hash(zone, a, 7, Coding::gzip)));
    BOOST_TEST((place != a));
}

BOOST_AUTO_TEST_CASE(what_may_be_encoded)
{
    BOOST_TEST(!forbids({}));
    BOOST_TEST(
        !forbids({{"Content-Type", "text/html"}, {"Cache-Control", "max-age=60, x=\"no-transform\""}}));
    BOOST_TEST(forbids({{"Cache-Control", "max-age=60, No-Transform"}}));
    BOOST_TEST(forbids({{"Cache-Control", "max-age=60"}, {"cache-control", "no-transform"}}));
    BOOST_TEST(forbids({{"Content-Encoding", "gzip"}}));
    BOOST_TEST(forbids({{"content-md5", "x"}}));
    BOOST_TEST(forbids({{"Repr-Digest", "sha-256=:x:"}}));
    BOOST_TEST(forbids({{"Content-Digest", "sha-256=:x:"}}));
}

BOOST_AUTO_TEST_SUITE_END()
