#include "cache/stored.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>

namespace edge::cache {

namespace {

const std::array<http::Field, 3> kFields{{{"Content-Type", "text/html"}, {"ETag", "\"a\""}, {"X-Empty", ""}}};

std::vector<std::byte> block_of(StoredKind kind = StoredKind::response)
{
    return encode_stored({.kind = kind,
                          .status = 203,
                          .lifetime = {.response_time = 1000,
                                       .corrected_initial_age = 5,
                                       .freshness = 60,
                                       .stale_while_revalidate = 0,
                                       .stale_if_error = 7,
                                       .flags = kHasValidator},
                          .last_modified = 900,
                          .number = 42,
                          .key = "http://a/b",
                          .fields = kFields});
}

StoredHead& head_of(std::vector<std::byte>& block)
{
    return *reinterpret_cast<StoredHead*>(block.data());
}

}

BOOST_AUTO_TEST_SUITE(stored)

BOOST_AUTO_TEST_CASE(a_block_gives_back_what_went_into_it)
{
    const auto block = block_of();
    const auto stored = Stored::parse(block);
    BOOST_REQUIRE(stored.has_value());
    BOOST_TEST(stored->key() == "http://a/b");
    BOOST_TEST(stored->head().status == 203);
    BOOST_TEST(stored->head().lifetime.stale_if_error == 7u);
    BOOST_TEST(stored->head().last_modified == 900);
    BOOST_TEST(stored->head().number == 42u);
    BOOST_REQUIRE(stored->size() == kFields.size());
    for (std::size_t i = 0; i < kFields.size(); ++i) {
        BOOST_TEST(stored->field(i).name == kFields[i].name);
        BOOST_TEST(stored->field(i).value == kFields[i].value);
    }
}

BOOST_AUTO_TEST_CASE(what_a_response_can_be_purged_by_comes_back)
{
    for (const std::string_view url : {"a/b", "elsewhere/c", ""}) {
        StoredInput input{.key = "http://a/b", .fields = kFields, .url = url, .sequence = 7};
        input.tags = {.own = {1, 2, 3}, .fields = {4}, .groups = {5, 6}};
        const auto block = encode_stored(input);
        const auto stored = Stored::parse(block);
        BOOST_REQUIRE(stored.has_value());
        BOOST_TEST(stored->key() == "http://a/b");
        BOOST_TEST(stored->field(1).value == "\"a\"");
        const Purgeable purgeable = stored->purgeable();
        BOOST_TEST(purgeable.sequence == 7u);
        BOOST_TEST(purgeable.key == 2u);
        BOOST_TEST(purgeable.url == url);
        const std::vector<std::uint64_t> all{1, 2, 3, 4, 5, 6};
        BOOST_TEST(std::vector(purgeable.tags.begin(), purgeable.tags.end()) == all,
                   boost::test_tools::per_element());
        BOOST_TEST(stored->tags().own.size() == 3u);
        BOOST_TEST(stored->tags().fields.front() == 4u);
        BOOST_TEST(stored->tags().groups.back() == 6u);
    }
    BOOST_TEST(Stored::parse(block_of())->purgeable().key == 0u);
}

BOOST_AUTO_TEST_CASE(tags_and_url_outside_of_the_block_are_refused)
{
    auto block = block_of();
    head_of(block).own_tags = 60000;
    BOOST_TEST(!Stored::parse(block).has_value());
    block = block_of();
    head_of(block).url_size = static_cast<std::uint32_t>(block.size());
    BOOST_TEST(!Stored::parse(block).has_value());
}

BOOST_AUTO_TEST_CASE(fields_are_recognised_whatever_the_case_of_their_names)
{
    BOOST_CHECK(classify_field("eTaG") == FieldKind::etag);
    BOOST_CHECK(classify_field("CONTENT-TYPE") == FieldKind::content_type);
    BOOST_CHECK(classify_field("ETags") == FieldKind::other);
    BOOST_CHECK(classify_field("") == FieldKind::other);
}

BOOST_AUTO_TEST_CASE(a_value_is_found_by_its_kind)
{
    const auto block = block_of();
    const auto stored = Stored::parse(block);
    BOOST_TEST(stored->value(FieldKind::etag).value() == "\"a\"");
    BOOST_TEST(!stored->value(FieldKind::date).has_value());
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_block_is_refused)
{
    const auto block = block_of();
    for (std::size_t size = 0; size < block.size(); ++size) {
        BOOST_TEST(!Stored::parse({block.data(), size}).has_value());
    }
}

BOOST_AUTO_TEST_CASE(a_block_of_another_layout_is_refused)
{
    auto block = block_of();
    head_of(block).magic += 1;
    BOOST_TEST(!Stored::parse(block).has_value());
}

BOOST_AUTO_TEST_CASE(a_block_from_our_zone_is_still_refused_when_it_is_cut_or_of_another_layout)
{
    const auto whole = block_of();
    BOOST_TEST(Stored::from_zone(whole).has_value());
    BOOST_TEST(!Stored::from_zone({whole.data(), whole.size() - 1}).has_value());
    BOOST_TEST(!Stored::from_zone({}).has_value());
    auto other = block_of();
    head_of(other).magic += 1;
    BOOST_TEST(!Stored::from_zone(other).has_value());
    auto longer = block_of();
    head_of(longer).field_count = 0xffffffffu;
    BOOST_TEST(!Stored::from_zone(longer).has_value());
}

BOOST_AUTO_TEST_CASE(an_offset_outside_of_the_block_is_refused)
{
    for (const std::size_t member : {offsetof(StoredField, name_offset), offsetof(StoredField, value_offset),
                                     offsetof(StoredField, value_size)}) {
        auto block = block_of();
        const std::uint32_t outside = 0xfffffff0u;
        std::memcpy(block.data() + sizeof(StoredHead) + member, &outside, sizeof(outside));
        BOOST_TEST(!Stored::parse(block).has_value());
    }
}

BOOST_AUTO_TEST_CASE(a_count_of_fields_that_does_not_fit_is_refused)
{
    auto block = block_of();
    head_of(block).field_count = 0xffffffffu;
    BOOST_TEST(!Stored::parse(block).has_value());
}

BOOST_AUTO_TEST_CASE(a_name_over_64_kilobytes_and_a_block_over_a_megabyte_are_refused)
{
    const std::string name(70'000, 'n');
    const std::string value(1'100'000, 'v');
    const std::array<http::Field, 1> long_name{{{name, "v"}}};
    const std::array<http::Field, 1> long_value{{{"n", value}}};
    BOOST_TEST(encode_stored({.key = "k", .fields = long_name}).empty());
    BOOST_TEST(encode_stored({.key = "k", .fields = long_value}).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}
