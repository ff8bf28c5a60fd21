#include <sched.h>

#include <boost/test/unit_test.hpp>

#include "cache/zone_fixture.hpp"
#include "cache/zone_processes.hpp"

using namespace edge::cache;

namespace {

constexpr std::uint64_t kMega = 1024 * 1024;

/// Two views as of two processes: one writes, one follows.
struct Following {
    TestMemory memory{4 * kMega};
    Zone writer{memory.get()}, reader{memory.get()};
    KeyHash key = key_hash(writer, 1);

    Following()
    {
        BOOST_REQUIRE(writer.attach());
        BOOST_REQUIRE(reader.attach());
    }
    ~Following()
    {
        BOOST_TEST(writer.check() == "");
        BOOST_TEST(writer.stats().dead_bytes == 0U);
    }

    Fill begin(std::uint64_t size = 0)
    {
        Fill fill = writer.begin(key, size);
        BOOST_REQUIRE(fill.set_meta(make_meta({1, 7, size, 7, 100})));
        return fill;
    }
    static void write(Fill& fill, std::uint64_t bytes)
    {
        for (const std::uint64_t end = fill.body_size() + bytes; fill.body_size() < end;) {
            const auto room = fill.room(static_cast<std::size_t>(end - fill.body_size()));
            BOOST_REQUIRE(!room.empty());
            write_pattern(room, 7, fill.body_size());
            fill.advance(room.size());
        }
    }
    /// Reads on; how many bytes there were, all of them right.
    static std::uint64_t read(const Pin& pin, Pin::Reader& at)
    {
        const std::uint64_t before = at.position();
        for (std::uint64_t from = before;; from = at.position()) {
            const auto bytes = pin.next_available(at);
            if (bytes.empty()) return from - before;
            BOOST_REQUIRE(at.position() == from + bytes.size());
            BOOST_REQUIRE(has_pattern(bytes, 7, from));
        }
    }
};

}

BOOST_AUTO_TEST_SUITE(zone_follow)

BOOST_FIXTURE_TEST_CASE(a_reader_gets_each_part_of_a_body_once_it_is_written, Following)
{
    Fill fill = begin();
    const Pin pin = reader.join(key, fill.entry());
    BOOST_REQUIRE(!!pin);
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 0U);
    for (const std::uint64_t step : {1U, 255U, 256U, 5000U, 1U, 70000U, 3U}) {
        write(fill, step);
        BOOST_TEST(pin.body_size() == fill.body_size());
        BOOST_TEST(read(pin, at) == step);
        BOOST_TEST(read(pin, at) == 0U);
        BOOST_CHECK(pin.progress() == Progress::filling);
    }
    const std::uint64_t size = fill.body_size();
    fill.finish();
    BOOST_CHECK(pin.progress() == Progress::complete);
    BOOST_TEST(pin.body_size() == size);
    BOOST_TEST(at.position() == size);
    BOOST_TEST(read(pin, at) == 0U);
}

BOOST_FIXTURE_TEST_CASE(room_that_was_not_written_is_never_read_before_and_after_the_end, Following)
{
    Fill fill = begin();
    const Pin pin = reader.join(key, fill.entry());
    Pin::Reader at;
    const auto first = fill.room(100000);
    write(fill, first.size());
    BOOST_TEST(fill.room(100000).size() == 100000U);
    BOOST_TEST(read(pin, at) == first.size());
    const std::uint64_t used = writer.stats().used_bytes;
    fill.finish();
    BOOST_TEST(writer.stats().used_bytes < used - 99000);
    BOOST_TEST(read(pin, at) == 0U);
    Pin::Reader again;
    BOOST_TEST(read(pin, again) == first.size());
}

BOOST_FIXTURE_TEST_CASE(a_reader_follows_over_many_extents_and_blocks_of_extents, Following)
{
    // Every other object stays pinned, so that only runs of about 20 units are free.
    std::vector<Pin> pinned;
    for (std::uint64_t k = 100; writer.stats().evictions == 0; ++k) {
        Pin pin = store(writer, {.key = k, .body = 4800, .meta = 64});
        BOOST_REQUIRE(!!pin);
        if (k % 2 == 0) pinned.push_back(std::move(pin));
    }
    for (std::uint64_t k = 101; k < 4000; k += 2) writer.remove(key_hash(writer, k));

    Fill fill = begin();
    const Pin pin = reader.join(key, fill.entry());
    Pin::Reader at;
    for (int i = 0; i < 100; ++i) {
        write(fill, 4097);
        BOOST_TEST(read(pin, at) == 4097U);
    }
    const Pin stored = fill.finish();
    BOOST_TEST(pieces(stored) > 3U + 31U + 31U);
    BOOST_TEST(pieces(pin) == pieces(stored));
    Pin::Reader again;
    BOOST_TEST(read(pin, again) == 409700U);
}

BOOST_FIXTURE_TEST_CASE(a_body_may_begin_behind_a_first_extent_that_the_meta_fills, Following)
{
    Fill fill = writer.begin(key, 0);
    BOOST_REQUIRE(fill.set_meta(make_meta({1, 7, 0, 7, memory.shape().max_object - 10})));
    const Pin pin = reader.join(key, fill.entry());
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 0U);
    write(fill, 10);
    BOOST_TEST(read(pin, at) == 10U);
    BOOST_TEST(!!fill.finish());
    BOOST_TEST(read(pin, at) == 0U);
}

BOOST_FIXTURE_TEST_CASE(an_empty_body_is_complete_at_once, Following)
{
    Fill fill = begin();
    const Pin pin = reader.join(key, fill.entry());
    fill.finish();
    BOOST_CHECK(pin.progress() == Progress::complete);
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_complete_object_stays_complete_when_it_is_removed, Following)
{
    Fill fill = begin();
    write(fill, 1000);
    const Pin pin = reader.join(key, fill.entry());
    fill.finish();
    BOOST_TEST(writer.remove(key));
    BOOST_CHECK(pin.progress() == Progress::complete);
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 1000U);
}

BOOST_FIXTURE_TEST_CASE(a_complete_object_stays_complete_when_it_is_replaced, Following)
{
    Fill fill = begin();
    write(fill, 1000);
    const Pin pin = reader.join(key, fill.entry());
    fill.finish();
    BOOST_TEST(!!store(writer, {.body = 5}));
    BOOST_CHECK(pin.progress() == Progress::complete);
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 1000U);
}

BOOST_FIXTURE_TEST_CASE(a_complete_object_stays_complete_when_its_meta_is_renewed, Following)
{
    Fill fill = begin();
    write(fill, 1000);
    const Pin pin = reader.join(key, fill.entry());
    const Pin own = fill.finish();
    const std::vector<std::byte> before{pin.meta().begin(), pin.meta().end()};
    BOOST_TEST(writer.replace_meta(own, make_meta({1, 7, 1000, 9, 500})));
    BOOST_CHECK(pin.progress() == Progress::complete);
    BOOST_TEST(std::equal(before.begin(), before.end(), pin.meta().begin(), pin.meta().end()));
}

BOOST_FIXTURE_TEST_CASE(a_withdrawn_fill_is_complete_for_followers_and_leaves_what_is_found, Following)
{
    Fill fill = begin();
    write(fill, 1000);
    const Pin pin = reader.join(key, fill.entry());
    BOOST_TEST(!!store(writer, {.body = 5}));
    const auto free_before = writer.stats().used_bytes;
    {
        const Pin own = fill.withdraw();
        BOOST_TEST(!!own);
        BOOST_TEST(!fill);
        BOOST_CHECK(pin.progress() == Progress::complete);
        Pin::Reader at;
        BOOST_TEST(read(own, at) == 1000U);
        const Pin found = reader.find(key);
        BOOST_REQUIRE(!!found);
        BOOST_TEST(found.body_size() == 5U);
    }
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 1000U);
    BOOST_TEST(writer.check() == "");
    BOOST_TEST(writer.stats().used_bytes == free_before);
    BOOST_TEST(writer.stats().dead_bytes >= 1000U);
    BOOST_TEST(writer.idle());
}

BOOST_FIXTURE_TEST_CASE(a_withdrawn_fill_that_nobody_follows_is_freed, Following)
{
    const auto before = writer.stats().used_bytes;
    Fill fill = begin();
    write(fill, 1000);
    static_cast<void>(fill.withdraw());
    BOOST_TEST(!writer.find(key));
    BOOST_TEST(writer.stats().used_bytes == before);
}

BOOST_FIXTURE_TEST_CASE(a_dropped_fill_is_broken_and_what_was_written_stays_readable, Following)
{
    Pin pin;
    {
        Fill fill = begin();
        write(fill, 10000);
        pin = reader.join(key, fill.entry());
    }
    BOOST_CHECK(pin.progress() == Progress::broken);
    BOOST_TEST(!reader.find(key));
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 10000U);
    BOOST_TEST(writer.stats().dead_bytes >= 10000U);
}

BOOST_FIXTURE_TEST_CASE(a_hold_of_the_writer_follows_like_a_joined_pin, Following)
{
    Fill fill = begin();
    const Pin pin = fill.hold();
    Pin::Reader at;
    write(fill, 300);
    BOOST_TEST(read(pin, at) == 300U);
    BOOST_CHECK(pin.progress() == Progress::filling);
    fill.finish();
    BOOST_CHECK(pin.progress() == Progress::complete);
}

BOOST_FIXTURE_TEST_CASE(only_the_object_of_that_key_is_joined, Following)
{
    Fill fill = begin();
    BOOST_TEST(!reader.join(key_hash(writer, 2), fill.entry()));
    for (std::uint32_t id = 0; id < writer.stats().entries_capacity + 100; ++id) {
        if (id != fill.entry()) BOOST_TEST(!reader.join(key, id));
    }
    BOOST_TEST(!reader.join(key, ~std::uint32_t{0}));
    const Pin pin = reader.join(key, fill.entry());
    BOOST_TEST(!!pin);
    BOOST_TEST(pin.entry() == fill.entry());
}

BOOST_FIXTURE_TEST_CASE(an_object_without_its_meta_is_not_joined, Following)
{
    Fill fill = writer.begin(key, 0);
    write(fill, 100);
    BOOST_TEST(!reader.join(key, fill.entry()));
    BOOST_TEST(fill.set_meta(make_meta({1, 7, 0, 7, 100})));
    const Pin pin = reader.join(key, fill.entry());
    Pin::Reader at;
    BOOST_TEST(read(pin, at) == 100U);
}

BOOST_FIXTURE_TEST_CASE(a_finished_object_is_joined_a_removed_one_is_not, Following)
{
    Fill fill = begin();
    const std::uint32_t entry = fill.entry();
    write(fill, 100);
    const Pin own = fill.finish();
    BOOST_TEST(!!reader.join(key, entry));
    writer.remove(key);
    BOOST_TEST(!reader.join(key, entry));
}

BOOST_FIXTURE_TEST_CASE(an_entry_used_again_for_another_key_is_not_joined, Following)
{
    std::uint32_t entry = 0;
    {
        Fill fill = begin();
        entry = fill.entry();
    }
    // Of the same shard, so that it gets the entry that was given back last.
    std::uint64_t other = 2;
    while (key_hash(writer, other).high >> 58 != key.high >> 58) ++other;
    Fill second = writer.begin(key_hash(writer, other), 0);
    BOOST_REQUIRE(second.set_meta(make_meta({other, 7, 0, 7, 100})));
    BOOST_REQUIRE(second.entry() == entry);
    BOOST_TEST(!reader.join(key, entry));
}

BOOST_FIXTURE_TEST_CASE(joining_needs_a_slot, Following)
{
    const Fill fill = begin();
    Zone stranger{memory.get()};
    BOOST_TEST(!stranger.join(key, fill.entry()));
}

namespace {

/// What the writing process tells the following one.
struct Telling {
    std::atomic<std::uint32_t> round, entry, joined;
    std::atomic<std::uint64_t> number;
    std::atomic<unsigned> complete;
};

constexpr std::uint64_t kTold = 1ULL << 40;  // bodies are smaller

/// Writes objects under key 1 in random steps until `rounds` are over; each waits for its follower.
int write_rounds(void* memory, Telling& telling, std::uint64_t seed, std::uint32_t rounds)
{
    Zone zone{memory};
    if (!zone.attach()) return 1;
    Random random{seed};
    for (std::uint32_t round = 1; round <= rounds; ++round) {
        const std::uint64_t number = zone.next_number(), size = random.below(300000);
        Fill fill = zone.begin(key_hash(zone, 1), random.one_in(2) ? size : 0);
        if (!fill.set_meta(make_meta({1, number, size, number, 40 + random.below(3000)}))) return 2;
        telling.number.store(number);
        telling.entry.store(fill.entry());
        telling.round.store(round);
        while (telling.joined.load() != round) sched_yield();
        const bool drop = random.one_in(4);
        const std::uint64_t end = drop ? random.below(size + 1) : size;
        const std::uint64_t step = random.one_in(2) ? 40 : 20000;
        while (fill.body_size() < end) {
            const auto room =
                fill.room(static_cast<std::size_t>(std::min(end - fill.body_size(), 1 + random.below(step))));
            if (room.empty()) return 3;
            write_pattern(room, number, fill.body_size());
            fill.advance(room.size());
            if (random.one_in(16)) sched_yield();
            // Others' objects come and go, so that the free runs are of all lengths.
            if (random.one_in(8)) store(zone, {.key = 2 + random.below(500), .body = random.below(5000)});
        }
        if (!drop && !fill.finish()) return 4;
    }
    return 0;
}

/// Follows one body to its end or to `stop` bytes. What was wrong; empty: nothing.
std::string follow(const Pin& pin, std::uint64_t number, std::uint64_t stop, Pin::Reader& at)
{
    while (at.position() < stop) {
        const Progress progress = pin.progress();
        const std::uint64_t size = pin.body_size(), from = at.position();
        const auto bytes = pin.next_available(at);
        if (!bytes.empty()) {
            if (!has_pattern(bytes, number, from)) return "wrong bytes";
            continue;
        }
        if (progress == Progress::filling) {
            sched_yield();
            continue;
        }
        if (at.position() != size) return "the end is not where the body ends";
        break;
    }
    return "";
}

}

BOOST_AUTO_TEST_CASE(a_reader_in_another_process_follows_a_writer_to_every_byte)
{
    constexpr std::uint32_t kRounds = 300;
    const TestMemory memory{3 * kMega};
    Zone zone{memory.get()};
    BOOST_REQUIRE(zone.attach());
    const Shared<Telling> telling;
    Child writer{[&] { return write_rounds(memory.get(), *telling, 5, kRounds); }};
    unsigned complete = 0, broken = 0;
    for (std::uint32_t round = 1; round <= kRounds; ++round) {
        while (telling->round.load() != round) sched_yield();
        const Pin pin = zone.join(key_hash(zone, 1), telling->entry.load());
        BOOST_REQUIRE(!!pin);
        const std::uint64_t number = telling->number.load();
        telling->joined.store(round);
        Pin::Reader at;
        BOOST_REQUIRE_EQUAL(follow(pin, number, kTold, at), "");
        if (pin.progress() == Progress::complete) {
            ++complete;
            BOOST_REQUIRE_EQUAL(wrong_with(pin, 1), "");
        } else {
            ++broken;
        }
    }
    BOOST_TEST(writer.wait() == 0);
    BOOST_TEST(complete > 100U);
    BOOST_TEST(broken > 30U);
    BOOST_TEST(zone.check() == "");
}

BOOST_AUTO_TEST_CASE(a_writer_killed_half_way_leaves_its_readers_with_a_broken_body)
{
    const TestMemory memory{3 * kMega};
    Zone zone{memory.get()};
    BOOST_REQUIRE(zone.attach());
    unsigned broken = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        const Shared<Telling> telling;
        Child writer{[&] { return write_rounds(memory.get(), *telling, seed, 1000); }};
        Random random{seed};
        const std::uint32_t last = 1 + static_cast<std::uint32_t>(random.below(5));
        for (std::uint32_t round = 1; round <= last; ++round) {
            while (telling->round.load() != round) sched_yield();
            Pin pin = zone.join(key_hash(zone, 1), telling->entry.load());
            BOOST_REQUIRE(!!pin);
            const std::uint64_t number = telling->number.load();
            telling->joined.store(round);
            Pin::Reader at;
            BOOST_REQUIRE_EQUAL(follow(pin, number, round == last ? random.below(200000) : kTold, at), "");
            if (round != last) continue;
            BOOST_TEST(writer.kill_now());
            const bool unfinished = pin.progress() == Progress::filling;
            BOOST_TEST(zone.reclaim_dead() == 1U);
            BOOST_CHECK(pin.progress() != Progress::filling);
            if (unfinished) BOOST_CHECK(pin.progress() == Progress::broken);
            broken += unfinished;
            BOOST_REQUIRE_EQUAL(follow(pin, number, kTold, at), "");
            BOOST_TEST(zone.check() == "");
            pin = {};
            BOOST_TEST(zone.stats().dead_bytes == 0U);
            BOOST_TEST(zone.check() == "");
        }
    }
    BOOST_TEST(broken >= 10U);
}

BOOST_AUTO_TEST_SUITE_END()
