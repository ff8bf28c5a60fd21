#include <boost/test/unit_test.hpp>

#include "cache/hit_ratio.hpp"
#include "cache/zone_fixture.hpp"

using namespace edge::cache;

BOOST_AUTO_TEST_SUITE(zone_admission)

namespace {

constexpr std::uint64_t kMega = 1024 * 1024;
constexpr std::uint64_t kBody = 3000, kBytes = kBody + 300;

struct Admission {
    TestMemory memory{2 * kMega};
    Zone zone{memory.get()}, other{memory.get()};  // as of two processes

    Admission()
    {
        BOOST_REQUIRE(zone.attach());
        BOOST_REQUIRE(other.attach());
    }
    ~Admission() { BOOST_TEST(zone.check() == ""); }

    bool admits(std::uint64_t key, std::uint64_t bytes = kBytes)
    {
        return zone.admits(key_hash(zone, key), bytes);
    }
    void fill_up()
    {
        std::uint64_t key = 1'000'000;
        while (zone.stats().evictions == 0) BOOST_REQUIRE(!!store(zone, {.key = ++key, .body = kBody}));
        const auto left = [this] { return zone.stats().capacity_bytes - zone.stats().used_bytes; };
        while (left() >= kBytes) BOOST_REQUIRE(!!store(zone, {.key = ++key, .body = 50, .meta = 100}));
    }
};

}

BOOST_FIXTURE_TEST_CASE(while_there_is_room_all_is_admitted, Admission)
{
    for (std::uint64_t key = 1; key < 100; ++key) {
        BOOST_TEST(admits(key));
        BOOST_REQUIRE(!!store(zone, {.key = key, .body = kBody}));
    }
}

BOOST_FIXTURE_TEST_CASE(a_full_zone_admits_what_is_asked_for_again_by_any_process, Admission)
{
    fill_up();
    const std::uint64_t evictions = zone.stats().evictions;
    BOOST_TEST(!admits(1));
    BOOST_TEST(!admits(2));
    BOOST_TEST(other.admits(key_hash(other, 1), kBytes));
    BOOST_TEST(admits(2));
    BOOST_TEST(zone.stats().evictions == evictions);
    BOOST_TEST(wrong_with(store(zone, {.key = 1, .body = kBody}), 1) == "");
    BOOST_TEST(zone.stats().evictions > evictions);
}

BOOST_FIXTURE_TEST_CASE(what_was_evicted_is_admitted, Admission)
{
    fill_up();
    BOOST_TEST(!zone.find(key_hash(zone, 1'000'001)));
    BOOST_TEST(admits(1'000'001));
}

BOOST_FIXTURE_TEST_CASE(what_was_refused_is_forgotten_when_the_zone_could_have_been_filled_since, Admission)
{
    fill_up();
    const std::uint64_t all = zone.stats().capacity_bytes / kBytes;
    BOOST_TEST(!admits(1));
    for (std::uint64_t key = 2; key < all / 2; ++key) BOOST_TEST(!admits(key));
    BOOST_TEST(admits(1));
    for (std::uint64_t key = all; key < 3 * all; ++key) BOOST_TEST(!admits(key));
    BOOST_TEST(!admits(1));
}

BOOST_AUTO_TEST_CASE(without_a_slot_nothing_is_admitted)
{
    TestMemory memory{2 * kMega};
    Zone zone{memory.get()};
    BOOST_TEST(!zone.admits(key_hash(zone, 1), 1));
}

BOOST_AUTO_TEST_CASE(a_zone_that_admits_only_what_is_asked_for_again_answers_hardly_less)
{
    constexpr std::uint64_t kRequests = 60000;
    for (const hit_ratio::Case& c : hit_ratio::kCases) {
        hit_ratio::Stream stream{c.kind, 20000, {500, 400000}, 1};
        hit_ratio::ZoneCache all{8 * kMega};
        hit_ratio::ZoneCache some{8 * kMega};
        double hits[2] = {0, 0};
        for (std::uint64_t i = 0; i < kRequests; ++i) {
            const std::uint64_t key = stream.next(), body = stream.size(key);
            hits[0] += all.request(key, body) ? 1 : 0;
            const KeyHash hash = key_hash(some.zone(), key);
            if (some.zone().find(hash)) {
                ++hits[1];
            } else if (some.zone().admits(hash, hit_ratio::kMeta + body)) {
                some.request(key, body);
            }
        }
        const double points = 100 * (hits[1] - hits[0]) / static_cast<double>(kRequests);
        BOOST_TEST_MESSAGE(c.kind.name << ": " << points << " points");
        BOOST_TEST(points >= -0.5, c.kind.name << ": " << points << " points");
    }
}

BOOST_AUTO_TEST_SUITE_END()
