#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "cache/hit_ratio.hpp"

using namespace edge::cache;

namespace edge::cache::hit_ratio {

std::ostream& operator<<(std::ostream& out, const Case& c)
{
    return out << c.kind.name;
}

}

BOOST_AUTO_TEST_SUITE(zone_hitratio)

// The same as scripts/bench hitratio, smaller.
BOOST_DATA_TEST_CASE(a_zone_answers_more_than_an_lru_or_hardly_less,
                     boost::unit_test::data::make(hit_ratio::kCases), wanted)
{
    constexpr std::uint64_t kBytes = 12 * 1024 * 1024, kRequests = 100000;
    for (const std::uint64_t seed : {1, 2}) {
        const auto ratio = hit_ratio::measure({wanted.kind, 20000, {500, 400000}, seed}, kBytes, kRequests);
        BOOST_TEST_MESSAGE(wanted.kind.name << ": zone " << ratio.zone << " %, LRU " << ratio.lru << " %");
        BOOST_TEST(ratio.lru > 1);
        BOOST_TEST(ratio.zone - ratio.lru >= wanted.at_least);
    }
}

BOOST_AUTO_TEST_CASE(the_lru_it_is_measured_by_forgets_what_was_used_longest_ago)
{
    hit_ratio::Lru lru{10 * 512};
    const auto ask = [&](std::uint64_t key) { return lru.request(key, 512 - hit_ratio::kMeta); };
    for (std::uint64_t key = 0; key < 10; ++key) BOOST_TEST(!ask(key));
    BOOST_TEST(ask(0));
    BOOST_TEST(!ask(10));
    BOOST_TEST(ask(0));
    BOOST_TEST(!ask(1));
    BOOST_TEST(!lru.request(50, 3 * 512 - hit_ratio::kMeta));
    BOOST_TEST(!ask(4));
    BOOST_TEST(ask(0));
}

BOOST_AUTO_TEST_SUITE_END()
