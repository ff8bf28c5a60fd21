#include "cache/tag_list.hpp"

#include <boost/test/unit_test.hpp>

namespace edge::cache {

namespace {

std::vector<std::string> tags_of(std::string_view value)
{
    std::vector<std::string> tags;
    for_each_tag(value, [&](std::string_view tag) {
        tags.emplace_back(tag);
        return true;
    });
    return tags;
}

using Names = std::vector<std::string>;
constexpr Lifetime kLifetime{.response_time = 1000,
                             .corrected_initial_age = 5,
                             .freshness = 100,
                             .stale_while_revalidate = 30,
                             .stale_if_error = 0,
                             .flags = 0};

}

BOOST_AUTO_TEST_SUITE(tag_list)

BOOST_AUTO_TEST_CASE(tags_are_separated_by_spaces_and_commas)
{
    BOOST_TEST((tags_of("a b") == Names{"a", "b"}));
    BOOST_TEST((tags_of("a,b") == Names{"a", "b"}));
    BOOST_TEST((tags_of(" ,, a:1\t,\tb/2 ,") == Names{"a:1", "b/2"}));
    BOOST_TEST(tags_of("").empty());
    BOOST_TEST(tags_of(" , ").empty());
}

BOOST_AUTO_TEST_CASE(groups_are_a_list_of_strings)
{
    BOOST_TEST((parse_groups(R"("a", "b c";x=1)") == Names{"a", "b c"}));
    BOOST_TEST((parse_groups(R"("a\"b")") == Names{"a\"b"}));
    BOOST_TEST(parse_groups("").empty());
}

BOOST_AUTO_TEST_CASE(groups_with_one_mistake_are_none)
{
    for (const std::string_view value :
         {R"("a", b)", R"("a" "b")", R"("a", ("b"))", R"("a", 1)", R"("a)", R"("a",)"})
        BOOST_TEST(parse_groups(value).empty(), value);
}

BOOST_AUTO_TEST_CASE(duplicates_do_not_count)
{
    TagCount count;
    std::vector<std::uint64_t> one, two;
    for (std::uint64_t i = 0; i < kMaxTags; ++i) {
        BOOST_TEST(count.add(i % 2 == 0 ? one : two, i));
        BOOST_TEST(count.add(one, i));
    }
    BOOST_TEST(one.size() == kMaxTags / 2);
    BOOST_TEST(two.size() == kMaxTags / 2);
    BOOST_TEST(!count.add(one, 999));
    BOOST_TEST(count.add(one, 3));
}

BOOST_AUTO_TEST_CASE(a_soft_purge_ends_the_lifetime_when_it_came)
{
    const Lifetime purged = expired_since(kLifetime, 1010);
    BOOST_TEST(time_to_live(purged, 1010) == 0);
    BOOST_TEST(time_to_live(purged, 1025) == -15);
    BOOST_TEST(current_age(purged, 1025) == current_age(kLifetime, 1025));
    BOOST_TEST(purged.stale_while_revalidate == 30u);
}

BOOST_AUTO_TEST_CASE(a_lifetime_that_was_over_before_stays_as_it_was)
{
    BOOST_TEST(time_to_live(expired_since(kLifetime, 1200), 1200) == time_to_live(kLifetime, 1200));
}

BOOST_AUTO_TEST_CASE(one_purged_in_its_first_second_counts_as_having_been_fresh)
{
    Lifetime lifetime = kLifetime;
    lifetime.corrected_initial_age = 0;
    const Lifetime purged = expired_since(lifetime, 1000);
    BOOST_TEST(purged.freshness != 0u);
    BOOST_TEST(time_to_live(purged, 1000) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}
