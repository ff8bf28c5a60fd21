#include <boost/test/unit_test.hpp>
#include <memory>

#include "cache/zone_fixture.hpp"
#include "cache/zone_layout.hpp"
#include "cache/zone_processes.hpp"

using namespace edge::cache;

namespace {

constexpr std::uint64_t kMega = 1024 * 1024;

struct Store {
    TestMemory memory{2 * kMega};
    Zone zone{memory.get()}, other{memory.get()};  // as of two processes

    Store()
    {
        BOOST_REQUIRE(zone.attach());
        BOOST_REQUIRE(other.attach());
    }
    ~Store() { BOOST_TEST(zone.check() == ""); }

    KeyHash key(std::uint64_t number) const { return key_hash(zone, number); }
    /// Stores objects until others have to go.
    void fill_up(std::uint64_t body = 1000)
    {
        const std::uint64_t before = zone.stats().evictions;
        for (std::uint64_t k = 1000000; zone.stats().evictions < before + 10; ++k) {
            BOOST_REQUIRE(!!store(zone, {.key = k, .body = body}));
        }
    }
};

std::span<const std::byte> bytes_of(std::string_view text)
{
    return std::as_bytes(std::span{text.data(), text.size()});
}

}

BOOST_AUTO_TEST_SUITE(zone_store)

BOOST_FIXTURE_TEST_CASE(a_stamp_is_that_of_one_object_alone, Store)
{
    BOOST_TEST(!Pin{}.stamp());
    // The zone's first one has the number that says nothing.
    BOOST_REQUIRE(!!store(zone, {.key = 9, .body = 10}));
    BOOST_REQUIRE(!!store(zone, {.key = 1, .body = 1000}));
    const Pin first = zone.find(key(1));
    BOOST_REQUIRE(first.stamp().has_value());
    BOOST_TEST((other.find(key(1)).stamp() == first.stamp()));
    BOOST_REQUIRE(!!store(zone, {.key = 1, .body = 1000}));
    const Pin second = zone.find(key(1));
    BOOST_REQUIRE(second.stamp().has_value());
    BOOST_TEST(!(second.stamp() == first.stamp()));
    // In the place of one that has gone.
    BOOST_REQUIRE(!!store(zone, {.key = 2, .body = 1000}));
    const auto gone = zone.find(key(2)).stamp();
    zone.remove(zone.find(key(2)));
    Fill fill = zone.begin(key(3), 100);
    BOOST_REQUIRE(fill.set_meta(bytes_of("meta")));
    const Pin hidden = fill.withdraw();
    BOOST_REQUIRE(!!hidden);
    BOOST_TEST(!hidden.stamp());
    BOOST_REQUIRE(!!store(zone, {.key = 4, .body = 1000}));
    BOOST_TEST(!(zone.find(key(4)).stamp() == gone));
}

BOOST_FIXTURE_TEST_CASE(what_was_stored_is_found_byte_for_byte, Store)
{
    for (const bool sized : {true, false}) {
        for (const bool meta_last : {true, false}) {
            std::uint64_t k = 0;
            for (const std::uint64_t body :
                 {0U, 1U, 7U, 255U, 256U, 257U, 4096U, 65535U, 65536U, 65537U, 300000U}) {
                for (const std::uint64_t meta : {40U, 47U, 256U, 300U, 5000U}) {
                    ++k;
                    BOOST_REQUIRE(!!store(zone, {k, body, meta, sized, meta_last, 70001}));
                    BOOST_REQUIRE_EQUAL(wrong_with(zone.find(key(k)), k), "");
                    BOOST_REQUIRE_EQUAL(wrong_with(other.find(key(k)), k), "");
                }
            }
        }
    }
}

BOOST_FIXTURE_TEST_CASE(a_meta_may_be_empty, Store)
{
    Fill fill = zone.begin(key(1), 0);
    BOOST_TEST(fill.set_meta({}));
    BOOST_TEST(!!fill.finish());
    BOOST_TEST(!!zone.find(key(1)));
    BOOST_TEST(zone.find(key(1)).meta().empty());
}

BOOST_FIXTURE_TEST_CASE(a_meta_is_aligned_for_fixed_width_structs, Store)
{
    for (std::uint64_t k = 1; k < 50; ++k) {
        const Pin pin = store(zone, {.key = k, .body = k * 37, .meta = 40 + k, .meta_last = k % 2 == 0});
        BOOST_TEST(reinterpret_cast<std::uintptr_t>(pin.meta().data()) % 8 == 0U);
    }
}

BOOST_FIXTURE_TEST_CASE(an_unknown_key_is_not_found, Store)
{
    store(zone, {.key = 1});
    BOOST_TEST(!zone.find(key(2)));
}

BOOST_FIXTURE_TEST_CASE(an_object_is_not_found_before_it_is_finished, Store)
{
    Fill fill = zone.begin(key(1), 10);
    BOOST_TEST(fill.set_meta(bytes_of("meta")));
    BOOST_TEST(!zone.find(key(1)));
    BOOST_TEST(!!fill.finish());
    BOOST_TEST(!!zone.find(key(1)));
}

BOOST_FIXTURE_TEST_CASE(an_object_without_meta_is_never_published, Store)
{
    Fill fill = zone.begin(key(1), 10);
    fill.advance(fill.room(10).size());
    BOOST_TEST(!fill.finish());
    BOOST_TEST(!zone.find(key(1)));
    BOOST_TEST(zone.stats().used_bytes == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_dropped_fill_gives_everything_back, Store)
{
    {
        Fill fill = zone.begin(key(1), 0);
        BOOST_TEST(fill.set_meta(bytes_of("meta")));
        for (int i = 0; i < 100; ++i) fill.advance(fill.room(3000).size());
        BOOST_TEST(zone.stats().used_bytes >= 100000U);
        BOOST_TEST(!zone.idle());
    }
    BOOST_TEST(zone.stats().used_bytes == 0U);
    BOOST_TEST(zone.idle());
}

BOOST_FIXTURE_TEST_CASE(a_newer_object_takes_the_place_of_the_one_under_its_key, Store)
{
    const Pin old = store(zone, {.key = 1, .body = 1000});
    const Pin fresh = store(zone, {.key = 1, .body = 2000});
    BOOST_TEST(zone.find(key(1)).body_size() == 2000U);
    BOOST_TEST(zone.stats().objects == 1U);
    BOOST_TEST(wrong_with(old, 1) == "");
    BOOST_TEST(wrong_with(fresh, 1) == "");
}

BOOST_FIXTURE_TEST_CASE(a_removed_object_is_readable_until_the_last_pin_goes, Store)
{
    Pin pin = store(zone, {.key = 1, .body = 10000});
    Pin another = other.find(key(1));
    BOOST_TEST(zone.remove(key(1)));
    BOOST_TEST(!zone.remove(key(1)));
    BOOST_TEST(!zone.find(key(1)));
    BOOST_TEST(zone.stats().dead_bytes > 10000U);
    fill_up();
    pin = {};
    BOOST_TEST(wrong_with(another, 1) == "");
    BOOST_TEST(zone.stats().dead_bytes > 10000U);
    const Pin third = another.again();
    another = {};
    BOOST_TEST(wrong_with(third, 1) == "");
}

BOOST_FIXTURE_TEST_CASE(the_last_pin_frees_a_dead_object, Store)
{
    Pin pin = store(zone, {.key = 1, .body = 10000});
    Pin again = pin.again(), elsewhere = other.find(key(1));
    zone.remove(pin);
    pin = {};
    elsewhere = {};
    BOOST_TEST(zone.stats().dead_bytes > 10000U);
    again = {};
    BOOST_TEST(zone.stats().dead_bytes == 0U);
    BOOST_TEST(zone.stats().used_bytes == 0U);
}

BOOST_FIXTURE_TEST_CASE(removing_by_pin_spares_a_newer_object, Store)
{
    const Pin old = store(zone, {.key = 1, .body = 10});
    store(zone, {.key = 1, .body = 20});
    BOOST_TEST(!zone.remove(old));
    BOOST_TEST(zone.find(key(1)).body_size() == 20U);
}

BOOST_FIXTURE_TEST_CASE(clear_removes_all_that_is_stored, Store)
{
    const Pin held = store(zone, {.key = 1, .body = 10000});
    for (std::uint64_t k = 2; k < 900; ++k) store(zone, {.key = k, .body = 10});
    Fill under_way = zone.begin(key(2000), 0);
    BOOST_TEST(under_way.set_meta(bytes_of("meta")));
    zone.clear();
    BOOST_TEST(zone.stats().objects == 0U);
    for (std::uint64_t k = 1; k < 900; ++k) BOOST_REQUIRE(!zone.find(key(k)));
    BOOST_TEST(wrong_with(held, 1) == "");
    BOOST_TEST(!!under_way.finish());
    BOOST_TEST(!!zone.find(key(2000)));
}

BOOST_FIXTURE_TEST_CASE(a_full_zone_evicts_what_was_not_used, Store)
{
    for (std::uint64_t k = 1; k <= 20; ++k) store(zone, {.key = k, .body = 2000});
    for (int round = 0; round < 3; ++round) {
        for (std::uint64_t k = 1; k <= 10; ++k) zone.find(key(k));
    }
    for (std::uint64_t k = 100; k < 1500; ++k) BOOST_REQUIRE(!!store(zone, {.key = k, .body = 2000}));
    for (std::uint64_t k = 1; k <= 10; ++k) BOOST_TEST(!!zone.find(key(k)));
    for (std::uint64_t k = 11; k <= 20; ++k) BOOST_TEST(!zone.find(key(k)));
}

BOOST_FIXTURE_TEST_CASE(a_pinned_object_is_not_evicted, Store)
{
    const Pin pin = other.find(store(zone, {.key = 1, .body = 100000}) ? key(1) : key(0));
    BOOST_REQUIRE(!!pin);
    for (int i = 0; i < 20; ++i) fill_up(5000);
    BOOST_TEST(!!zone.find(key(1)));
    BOOST_TEST(wrong_with(pin, 1) == "");
}

BOOST_FIXTURE_TEST_CASE(there_is_room_as_long_as_anything_can_be_evicted, Store)
{
    // Small pinned objects all over the place; between them what may go.
    std::vector<Pin> pins;
    for (std::uint64_t k = 1; zone.stats().evictions == 0; ++k) {
        Pin pin = store(zone, {.key = k, .body = 1100, .meta = 64});
        if (k % 4 == 0) pins.push_back(std::move(pin));
    }
    pins.pop_back();
    const std::uint64_t refused = zone.stats().refused;
    std::uint64_t stored = 0;
    for (std::uint64_t k = 100000; k < 100050; ++k) {
        const Pin pin = store(zone, {.key = k, .body = 300000, .sized = k % 2 == 0});
        BOOST_REQUIRE(!!pin);
        BOOST_REQUIRE_EQUAL(wrong_with(pin, k), "");
        ++stored;
    }
    BOOST_TEST(stored == 50U);
    BOOST_TEST(zone.stats().refused == refused);
    // A meta lies in one piece: the free runs are too short for it until enough has gone.
    BOOST_TEST(!!store(zone, {.key = 5, .body = 10, .meta = 900, .meta_last = true}));
    BOOST_TEST(zone.stats().refused == refused);
}

BOOST_FIXTURE_TEST_CASE(a_zone_full_of_pinned_objects_refuses_and_recovers, Store)
{
    std::vector<Pin> pins;
    for (std::uint64_t k = 1;; ++k) {
        Pin pin = store(zone, {.key = k, .body = 30000});
        if (!pin) break;
        pins.push_back(std::move(pin));
    }
    BOOST_TEST(zone.stats().refused == 1U);
    BOOST_TEST(zone.stats().objects == pins.size());
    BOOST_TEST(zone.check() == "");
    pins.erase(pins.begin() + 3);
    BOOST_TEST(!!store(zone, {.key = 1000, .body = 29000}));
    for (std::size_t i = 0; i < pins.size(); ++i)
        BOOST_TEST(wrong_with(pins[i], i < 3 ? i + 1 : i + 2) == "");
}

BOOST_FIXTURE_TEST_CASE(dead_but_pinned_bytes_are_bounded_to_a_quarter, Store)
{
    std::vector<Pin> pins;
    const std::uint64_t capacity = zone.stats().capacity_bytes;
    while (zone.stats().dead_bytes * 4 <= capacity) {
        Pin pin = store(zone, {.key = 1, .body = 20000});
        BOOST_REQUIRE(!!pin);
        zone.remove(pin);
        pins.push_back(std::move(pin));
    }
    const std::uint64_t refused = zone.stats().refused;
    BOOST_TEST(!zone.begin(key(2), 10));
    BOOST_TEST(!other.begin(key(2), 10));
    BOOST_TEST(zone.stats().refused == refused + 2);
    BOOST_TEST(zone.stats().dead_bytes < capacity / 4 + 25000);
    pins.pop_back();
    BOOST_TEST(!!zone.begin(key(2), 10));
}

BOOST_FIXTURE_TEST_CASE(an_object_past_the_limit_is_refused, Store)
{
    const std::uint64_t limit = memory.shape().max_object;
    BOOST_TEST(!zone.begin(key(1), limit + 1));
    BOOST_TEST(!store(zone, {.key = 1, .body = limit - 299}));
    BOOST_TEST(!store(zone, {.key = 1, .body = limit - 299, .sized = false}));
    BOOST_TEST(!store(zone, {.key = 1, .body = limit - 299, .sized = false, .meta_last = true}));
    BOOST_TEST(zone.stats().refused == 4U);
    BOOST_TEST(zone.stats().used_bytes == 0U);
    BOOST_TEST(!!store(zone, {.key = 1, .body = limit - 300}));
    BOOST_TEST(wrong_with(zone.find(key(1)), 1) == "");
}

BOOST_FIXTURE_TEST_CASE(a_fill_that_found_no_room_is_over, Store)
{
    Fill fill = zone.begin(key(1), 0);
    BOOST_TEST(fill.set_meta(bytes_of("meta")));
    while (!fill.room(65536).empty()) fill.advance(fill.room(65536).size());
    BOOST_TEST(fill.room(1).empty());
    BOOST_TEST(zone.stats().refused == 1U);
    BOOST_TEST(!fill.finish());
    BOOST_TEST(!zone.find(key(1)));
}

BOOST_FIXTURE_TEST_CASE(entries_run_out_before_bytes_without_a_refusal, Store)
{
    const std::uint64_t entries = zone.stats().entries_capacity;
    for (std::uint64_t k = 0; k < entries * 2; ++k) BOOST_REQUIRE(!!store(zone, {.key = k, .meta = 40}));
    BOOST_TEST(zone.stats().refused == 0U);
    BOOST_TEST(zone.stats().evictions > 0U);
    BOOST_TEST(zone.stats().objects <= entries);
}

BOOST_FIXTURE_TEST_CASE(an_entry_is_found_behind_any_number_of_pinned_ones, Store)
{
    const std::uint64_t per_shard = zone.stats().entries_capacity / zone::kShards;
    BOOST_REQUIRE(per_shard >= 16);
    std::vector<Pin> pins;
    auto next = [&, k = std::uint64_t{0}]() mutable {
        do {
            ++k;
        } while (key(k).high >> 58 != 5);
        return store(zone, {.key = k, .meta = 40});
    };
    for (std::uint64_t i = 0; i < per_shard - 1; ++i) pins.push_back(next());
    for (int i = 0; i < 5; ++i) BOOST_TEST(!!next());
    pins.push_back(next());
    BOOST_TEST(!next());
}

BOOST_FIXTURE_TEST_CASE(numbers_are_unique_over_processes, Store)
{
    BOOST_TEST(zone.next_number() == 1U);
    BOOST_TEST(other.next_number() == 2U);
    BOOST_TEST(zone.next_number() == 3U);
}

BOOST_AUTO_TEST_CASE(a_key_hashes_differently_in_each_zone)
{
    const TestMemory one{ZoneShape{kMega, kMega / 4}, 1}, two{ZoneShape{kMega, kMega / 4}, 2};
    Zone first{one.get()}, again{one.get()}, second{two.get()};
    BOOST_CHECK(first.hash("/a") == again.hash("/a"));
    BOOST_CHECK(first.hash("/a") != second.hash("/a"));
    BOOST_CHECK(first.hash("/a") != first.hash("/b"));
}

BOOST_AUTO_TEST_CASE(only_a_finished_zone_of_this_layout_and_shape_is_usable)
{
    const TestMemory memory{ZoneShape{2 * kMega, 1000}};
    const ZoneShape shape = memory.shape();
    BOOST_TEST(Zone::usable(memory.get(), shape));
    BOOST_TEST(!Zone::usable(memory.get(), ZoneShape{2 * kMega - 65536, 1000}));
    BOOST_TEST(!Zone::usable(memory.get(), ZoneShape{2 * kMega, 1001}));

    auto& header = *static_cast<zone::Header*>(memory.get());
    const auto refused_with = [&](auto& field) {
        const auto before = static_cast<std::uint64_t>(field);
        field = before + 1;
        const bool refused = !Zone::usable(memory.get(), shape);
        field = before;
        return refused && Zone::usable(memory.get(), shape);
    };
    BOOST_TEST(refused_with(header.magic));
    BOOST_TEST(refused_with(header.layout_version));
    BOOST_TEST(refused_with(header.bytes));
    BOOST_TEST(refused_with(header.max_object));
    BOOST_TEST(refused_with(header.geometry.entries_at));
    BOOST_TEST(refused_with(header.geometry.first_page));
    BOOST_TEST(refused_with(header.geometry.ghosts_per_shard));
}

BOOST_AUTO_TEST_CASE(zeroed_memory_and_a_zone_too_small_to_format_are_not_usable)
{
    const TestMemory memory{2 * kMega};
    const ZoneShape tiny{Zone::kMinimumBytes - 1, 1000};
    Zone::format(memory.get(), tiny, 1);
    BOOST_TEST(!Zone::usable(memory.get(), tiny));
    std::memset(memory.get(), 0, 2 * kMega);
    BOOST_TEST(!Zone::usable(memory.get(), memory.shape()));
}

BOOST_AUTO_TEST_CASE(memory_with_anything_in_it_becomes_an_empty_zone)
{
    const TestMemory memory{2 * kMega};
    std::memset(memory.get(), 0xa5, 2 * kMega);
    Zone::format(memory.get(), memory.shape(), 3);
    BOOST_REQUIRE(Zone::usable(memory.get(), memory.shape()));
    Zone zone{memory.get()};
    BOOST_TEST(zone.check() == "");
    BOOST_TEST(zone.stats().used_bytes == 0U);
    BOOST_REQUIRE(zone.attach());
    for (std::uint64_t k = 1; k < 500; ++k) {
        const Pin pin = store(zone, {.key = k, .body = k * 50, .sized = k % 2 == 0});
        BOOST_REQUIRE_EQUAL(wrong_with(pin, k), "");
    }
    BOOST_TEST(zone.check() == "");
}

BOOST_AUTO_TEST_CASE(zones_of_many_sizes_hold_together)
{
    for (const std::uint64_t size : {kMega, kMega + 12345, 3 * kMega + 7, 17 * kMega, 64 * kMega}) {
        const TestMemory memory{size};
        Zone zone{memory.get()};
        BOOST_REQUIRE(zone.attach());
        const std::uint64_t capacity = zone.stats().capacity_bytes;
        BOOST_TEST(capacity > size * 6 / 10);
        BOOST_TEST(capacity < size);
        while (zone.stats().evictions < 100)
            BOOST_REQUIRE(!!store(zone, {.key = zone.next_number(), .body = 9000}));
        BOOST_TEST(zone.stats().used_bytes > capacity * 9 / 10);
        BOOST_TEST(zone.check() == "");
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(zone_slots)

BOOST_AUTO_TEST_CASE(nothing_is_found_or_stored_without_a_slot)
{
    const TestMemory memory{2 * kMega};
    Zone zone{memory.get()};
    BOOST_TEST(!zone.attached());
    BOOST_TEST(!zone.begin(key_hash(zone, 1), 0));
    BOOST_REQUIRE(zone.attach());
    store(zone, {.key = 1});
    zone.detach();
    BOOST_TEST(!zone.find(key_hash(zone, 1)));
    BOOST_TEST(!zone.remove(key_hash(zone, 1)));
    zone.clear();
    BOOST_REQUIRE(zone.attach());
    BOOST_TEST(!!zone.find(key_hash(zone, 1)));
}

BOOST_AUTO_TEST_CASE(there_are_slots_for_128_processes)
{
    const TestMemory memory{2 * kMega};
    std::vector<std::unique_ptr<Zone>> views;
    for (unsigned i = 0; i < Zone::kSlots; ++i) {
        views.push_back(std::make_unique<Zone>(memory.get()));
        BOOST_REQUIRE(views.back()->attach());
    }
    Zone late{memory.get()};
    BOOST_TEST(!late.attach());
    // Each has pins of its own, the last as well as the first.
    store(*views[0], {.key = 1, .body = 500});
    std::vector<Pin> pins;
    for (auto& view : views) pins.push_back(view->find(key_hash(*view, 1)));
    views[5]->remove(key_hash(late, 1));
    while (pins.size() > 1) pins.erase(pins.begin());
    BOOST_TEST(wrong_with(pins[0], 1) == "");
    pins.clear();
    BOOST_TEST(views[0]->stats().used_bytes == 0U);
    views[70]->detach();
    BOOST_TEST(late.attach());
}

BOOST_AUTO_TEST_CASE(a_slot_is_kept_while_anything_is_held)
{
    const TestMemory memory{2 * kMega};
    Zone zone{memory.get()};
    BOOST_REQUIRE(zone.attach());
    Pin pin = store(zone, {.key = 1});
    zone.detach();
    BOOST_TEST(zone.attached());
    pin = {};
    zone.detach();
    BOOST_TEST(!zone.attached());
}

BOOST_AUTO_TEST_CASE(the_pins_and_fills_of_a_dead_process_are_freed)
{
    const TestMemory memory{4 * kMega};
    Zone zone{memory.get()};
    BOOST_REQUIRE(zone.attach());
    Pin own = store(zone, {.key = 1, .body = 5000});
    store(zone, {.key = 2, .body = 6000});
    const std::uint64_t used = zone.stats().used_bytes;
    Child worker{[&] {
        Zone theirs{memory.get()};
        if (!theirs.attach()) return 1;
        const Pin one = theirs.find(key_hash(theirs, 1)), two = theirs.find(key_hash(theirs, 2));
        Fill fill = theirs.begin(key_hash(theirs, 3), 0);
        if (!fill.set_meta(make_meta({}))) return 2;
        fill.advance(fill.room(50000).size());
        kill(getpid(), SIGKILL);
        return 0;
    }};
    BOOST_TEST(worker.wait() == 128 + SIGKILL);
    zone.remove(key_hash(zone, 2));
    BOOST_TEST(zone.stats().dead_bytes > 6000U);
    BOOST_TEST(zone.reclaim_dead() == 1U);
    BOOST_TEST(zone.reclaim_dead() == 0U);
    BOOST_TEST(zone.stats().dead_bytes == 0U);
    BOOST_TEST(zone.stats().used_bytes < used);
    BOOST_TEST(zone.check() == "");
    zone.remove(own);
    BOOST_TEST(wrong_with(own, 1) == "");
    own = {};
    BOOST_TEST(zone.stats().used_bytes == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_process_takes_a_dead_ones_slot_and_clears_it)
{
    const TestMemory memory{4 * kMega};
    Zone zone{memory.get()};
    for (unsigned i = 0; i < Zone::kSlots + 4; ++i) {
        Child worker{[&] {
            Zone theirs{memory.get()};
            if (!theirs.attach()) return 1;
            if (!store(theirs, {.key = 1, .body = 1000})) return 2;
            const Pin pin = theirs.find(key_hash(theirs, 1));
            kill(getpid(), SIGKILL);
            return 0;
        }};
        BOOST_REQUIRE(worker.wait() == 128 + SIGKILL);
    }
    BOOST_REQUIRE(zone.attach());
    BOOST_TEST(zone.stats().dead_bytes == 0U);
    BOOST_TEST(zone.stats().objects == 1U);
    BOOST_TEST(zone.check() == "");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(zone_meta)

BOOST_FIXTURE_TEST_CASE(a_renewed_meta_is_found_and_earlier_pins_keep_theirs, Store)
{
    for (const bool meta_last : {false, true}) {
        const std::uint64_t k = meta_last ? 2 : 1;
        const Pin first = store(zone, {.key = k, .body = 5000, .meta_last = meta_last});
        std::vector<Pin> pins;
        for (std::uint64_t n = 1; n <= 6; ++n) {
            pins.push_back(other.find(key(k)));
            BOOST_TEST(zone.replace_meta(first, make_meta({k, first.entry(), 5000, n, 100 * n})) == true);
        }
        TestMeta head;
        for (std::uint64_t n = 1; n < 6; ++n) {
            std::memcpy(&head, pins[n].meta().data(), sizeof head);
            BOOST_TEST(head.meta_number == n);
            BOOST_TEST(has_pattern(pins[n].meta().subspan(sizeof head), n, sizeof head));
        }
        BOOST_TEST(wrong_with(first, k) == "");
        BOOST_TEST(wrong_with(pins[0], k) == "");
        std::memcpy(&head, zone.find(key(k)).meta().data(), sizeof head);
        BOOST_TEST(head.meta_number == 6U);
        BOOST_TEST(zone.check() == "");
    }
}

BOOST_FIXTURE_TEST_CASE(the_memory_of_an_old_meta_is_freed_with_its_last_pin, Store)
{
    Pin first = store(zone, {.key = 1, .body = 5000, .meta_last = true});
    const std::uint64_t used = zone.stats().used_bytes;
    Pin second;
    {
        const Pin reader = other.find(key(1));
        BOOST_TEST(zone.replace_meta(first, make_meta({1, 1, 5000, 2, 300})));
        second = other.find(key(1));
        BOOST_TEST(zone.replace_meta(first, make_meta({1, 1, 5000, 3, 300})));
        BOOST_TEST(zone.stats().used_bytes > used);
    }
    BOOST_TEST(zone.stats().used_bytes > used);
    second = {};
    BOOST_TEST(zone.stats().used_bytes > used);
    first = {};
    BOOST_TEST(zone.stats().used_bytes == used);
    zone.remove(key(1));
    BOOST_TEST(zone.stats().used_bytes == 0U);
}

BOOST_FIXTURE_TEST_CASE(so_many_old_metas_may_be_pinned_then_nothing_changes, Store)
{
    const Pin first = store(zone, {.key = 1, .body = 100});
    std::vector<Pin> pins;
    std::uint64_t n = 1;
    for (; n < 100; ++n) {
        if (!zone.replace_meta(first, make_meta({1, 1, 100, n, 300}))) break;
        pins.push_back(zone.find(key(1)));
    }
    BOOST_TEST(n > 4U);
    BOOST_TEST(n < 100U);
    TestMeta head;
    std::memcpy(&head, zone.find(key(1)).meta().data(), sizeof head);
    BOOST_TEST(head.meta_number == n - 1);
    BOOST_TEST(zone.check() == "");
    pins.erase(pins.begin());
    BOOST_TEST(zone.replace_meta(first, make_meta({1, 1, 100, n, 300})));
}

BOOST_FIXTURE_TEST_CASE(a_removed_or_replaced_object_gets_no_new_meta, Store)
{
    const Pin first = store(zone, {.key = 1, .body = 100});
    const Pin second = store(zone, {.key = 1, .body = 200});
    BOOST_TEST(!zone.replace_meta(first, make_meta({1, 1, 100, 2, 300})));
    BOOST_TEST(zone.replace_meta(second, make_meta({1, 1, 200, 2, 300})));
    zone.remove(key(1));
    BOOST_TEST(!zone.replace_meta(second, make_meta({1, 1, 200, 3, 300})));
}

BOOST_FIXTURE_TEST_CASE(a_new_meta_past_the_limit_changes_nothing, Store)
{
    const Pin pin = store(zone, {.key = 1, .body = 100});
    BOOST_TEST(!zone.replace_meta(pin, std::vector<std::byte>(memory.shape().max_object - 99)));
    BOOST_TEST(wrong_with(zone.find(key(1)), 1) == "");
}

BOOST_FIXTURE_TEST_CASE(a_replaced_meta_outlives_its_object_while_it_is_pinned, Store)
{
    Pin first = store(zone, {.key = 1, .body = 3000});
    Pin fresh;
    BOOST_TEST(zone.replace_meta(first, make_meta({1, 1, 3000, 2, 300})));
    fresh = other.find(key(1));
    zone.remove(key(1));
    fresh = {};
    fill_up();
    BOOST_TEST(wrong_with(first, 1) == "");
    BOOST_TEST(zone.stats().dead_bytes > 3000U);
    first = {};
    BOOST_TEST(zone.stats().dead_bytes == 0U);
}

BOOST_FIXTURE_TEST_CASE(one_of_all_processes_renews_until_its_lease_is_over, Store)
{
    const Pin pin = store(zone, {.key = 1}), theirs = other.find(key(1));
    BOOST_TEST(zone.claim_update(pin, 1000, 30));
    BOOST_TEST(!other.claim_update(theirs, 1000, 30));
    BOOST_TEST(!zone.claim_update(pin, 1029, 30));
    BOOST_TEST(other.claim_update(theirs, 1030, 30));
    BOOST_TEST(!zone.claim_update(pin, 1031, 30));
}

BOOST_FIXTURE_TEST_CASE(a_renewed_object_may_be_renewed_again_at_once, Store)
{
    const Pin pin = store(zone, {.key = 1});
    BOOST_TEST(zone.claim_update(pin, 1000, 30));
    BOOST_TEST(zone.replace_meta(pin, make_meta({1, 1, 0, 2, 300})));
    BOOST_TEST(zone.claim_update(zone.find(key(1)), 1001, 30));
    store(zone, {.key = 1});
    BOOST_TEST(zone.claim_update(zone.find(key(1)), 1001, 30));
}

BOOST_AUTO_TEST_SUITE_END()
