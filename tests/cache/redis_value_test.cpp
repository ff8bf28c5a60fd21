#include "cache/redis_value.hpp"

#include <cstring>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace edge::cache;
using edge::http::Field;

BOOST_AUTO_TEST_SUITE(redis_value)

namespace {

std::span<const std::byte> bytes_of(std::string_view text)
{
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string text_of(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr ValuePosition kPosition{77, 1234};

/// A value with its own room for the meta block.
struct Parsed {
    std::vector<std::byte> room;
    std::optional<Value> value;
    bool has_value() const { return value.has_value(); }
    explicit operator bool() const { return has_value(); }
    const Value* operator->() const { return &*value; }
};

Parsed parsed(std::string_view bytes)
{
    Parsed out;
    out.value = parse_value(bytes, out.room);
    return out;
}

struct Sample {
    std::vector<Field> fields{{"Content-Type", "text/plain"}, {"ETag", "\"a\""}};
    std::vector<std::byte> meta = encode_stored({.kind = StoredKind::response,
                                                 .key = "edge http://a/b",
                                                 .fields = fields,
                                                 .url = "a/b",
                                                 .tags = {{1, 2}, {3}, {}}});
    std::string first = "the first half, ";
    std::string second{"\0\r\nthe second", 13};

    std::string whole() const
    {
        const std::vector<std::span<const std::byte>> pieces{bytes_of(first), {}, bytes_of(second)};
        return encode_value(meta, pieces, first.size() + second.size(), 0, 0, kPosition) + first + second;
    }
};

}

BOOST_FIXTURE_TEST_CASE(a_value_holds_what_was_put_in, Sample)
{
    const std::string bytes = whole();
    const auto value = parsed(bytes);
    BOOST_REQUIRE(value.has_value());
    BOOST_TEST((std::vector<std::byte>{value->meta.begin(), value->meta.end()} == meta));
    BOOST_TEST(text_of(value->body) == first + second);
    BOOST_TEST(value->head.position.epoch == kPosition.epoch);
    BOOST_TEST(value->head.position.number == kPosition.number);
    BOOST_TEST(value->head.part_size == 0U);
    BOOST_TEST(Stored::parse(value->meta)->key() == "edge http://a/b");
}

BOOST_FIXTURE_TEST_CASE(a_value_of_which_any_byte_is_another_is_none, Sample)
{
    const std::string bytes = whole();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        for (const char bit : {1, -128}) {
            std::string other = bytes;
            other[i] = static_cast<char>(other[i] ^ bit);
            BOOST_TEST(!parsed(other).has_value());
        }
    }
}

BOOST_FIXTURE_TEST_CASE(a_value_that_was_cut_or_goes_on_is_none, Sample)
{
    const std::string bytes = whole();
    for (std::size_t n = 0; n < bytes.size(); ++n) BOOST_TEST(!parsed(std::string_view{bytes}.substr(0, n)));
    BOOST_TEST(!parsed(bytes + "x"));
    BOOST_TEST(!parsed(bytes + bytes));
    BOOST_TEST(!parsed(""));
}

BOOST_FIXTURE_TEST_CASE(a_vary_record_is_a_value_without_body, Sample)
{
    const std::vector<Field> names{{"accept", ""}, {"origin", ""}};
    const auto record =
        encode_stored({.kind = StoredKind::vary, .status = 0, .number = 42, .key = "k", .fields = names});
    const std::string bytes = encode_value(record, {}, 0, 0, 0, kPosition);
    const auto value = parsed(bytes);
    BOOST_REQUIRE(value.has_value());
    BOOST_TEST(Stored::parse(value->meta)->head().number == 42U);
    BOOST_TEST(value->body.empty());
}

BOOST_FIXTURE_TEST_CASE(header_lines_that_would_be_two_are_refused, Sample)
{
    for (const Field& field : {Field{"X", "a\r\nSet-Cookie: b"}, Field{"X", std::string_view{"a\0b", 3}},
                               Field{"X\n", "a"}, Field{"X: a", "b"}, Field{"", "a"}}) {
        const std::vector<Field> lines{field};
        const auto bad = encode_stored({.key = "k", .fields = lines});
        BOOST_TEST(!parsed(encode_value(bad, {}, 0, 0, 0, kPosition)));
    }
    // Wherever it is in texts of whatever length.
    for (std::size_t size = 1; size < 50; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char c : {'\r', '\n', '\0', '\t', '\x0b', '\x8d'}) {
                std::string value(size, 'x');
                value[at] = c;
                const std::vector<Field> lines{{"a", "b"}, {"x-what", value}, {"z", ""}};
                const auto block = encode_stored({.key = "k\r\n", .fields = lines});
                const bool breaks = c == '\r' || c == '\n' || c == '\0';
                BOOST_REQUIRE(!parsed(encode_value(block, {}, 0, 0, 0, kPosition)) == breaks);
            }
        }
    }
    const auto one = encode_stored({.status = 101, .key = "k", .fields = {}});
    BOOST_TEST(!parsed(encode_value(one, {}, 0, 0, 0, kPosition)));
}

BOOST_FIXTURE_TEST_CASE(parts_belong_to_their_value_and_their_place, Sample)
{
    const std::vector<std::span<const std::byte>> pieces{bytes_of(first), bytes_of(second)};
    const std::string part = encode_part(pieces, 9, 3) + first + second;
    BOOST_TEST(text_of(parse_part(part, 9, 3).value()) == first + second);
    BOOST_TEST(!parse_part(part, 8, 3));
    BOOST_TEST(!parse_part(part, 9, 2));
    for (std::size_t i = 0; i < part.size(); ++i) {
        std::string other = part;
        other[i] = static_cast<char>(other[i] ^ 4);
        BOOST_TEST(!parse_part(other, 9, 3));
        BOOST_TEST(!parse_part(std::string_view{part}.substr(0, i), 9, 3));
    }
    BOOST_TEST(!parsed(part));
    BOOST_TEST(!parse_part(whole(), 9, 3));
    const std::string cut = encode_value(meta, {}, 1000, 300, 9, kPosition);
    const auto value = parsed(cut);
    BOOST_REQUIRE(value.has_value());
    BOOST_TEST(value->head.generation == 9U);
    BOOST_TEST(!parsed(cut + first));  // its body is elsewhere
}

BOOST_AUTO_TEST_CASE(parts_are_counted)
{
    const auto is = [](Parts parts, std::uint32_t count, std::uint32_t last) {
        return parts.count == count && parts.last_size == last;
    };
    BOOST_TEST(is(parts_of(0, 100), 0, 0));
    BOOST_TEST(is(parts_of(1, 100), 1, 1));
    BOOST_TEST(is(parts_of(100, 100), 1, 100));
    BOOST_TEST(is(parts_of(101, 100), 2, 1));
    BOOST_TEST(is(parts_of(1000, 100), 10, 100));
}

BOOST_AUTO_TEST_CASE(keys_of_one_url_have_one_hash_tag_and_say_nothing)
{
    const std::string primary = value_key("edge:", "site http://a/{b}", "site http://a/{b}");
    const std::string variant = value_key("edge:", "site http://a/{b}", "site http://a/{b}\1vary\0017\1gzip");
    const std::string other = value_key("edge:", "site http://a/c", "site http://a/c");
    BOOST_TEST(primary.size() == 5U + 24U);
    BOOST_TEST(variant.starts_with(primary));
    BOOST_TEST(variant.size() == primary.size() + 22);
    BOOST_TEST(other != primary);
    BOOST_TEST(primary.find('{') == 5U);
    BOOST_TEST(primary.find('}') == primary.size() - 1);
    BOOST_TEST(primary.find("site") == primary.npos);
    BOOST_TEST(part_key(variant, 12, 3) == variant + ".12.3");
    // The first 16 bytes of SHA-256("abc"), base64url.
    BOOST_TEST(value_key("", "abc", "abc") == "{ungWv48Bz-pBQUDeXa4iIw}");
}

BOOST_AUTO_TEST_SUITE_END()
