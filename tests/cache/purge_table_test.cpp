#include "cache/purge_table.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace edge::cache {

namespace {

/// A table in memory that child processes share.
struct Table {
    Table()
    {
        memory = mmap(nullptr, PurgeTable::bytes_needed(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
        BOOST_REQUIRE(memory != MAP_FAILED);
        PurgeTable::format(memory, 42);
        BOOST_REQUIRE(PurgeTable::usable(memory));
        table = PurgeTable{memory};
    }
    ~Table() { munmap(memory, PurgeTable::bytes_needed()); }
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    std::uint64_t tag(const std::string& name) const { return table.hash(TagKind::name, name); }
    std::uint64_t purge(const std::string& name, bool soft = false, std::int64_t now = 0)
    {
        const std::array<std::uint64_t, 1> tags{tag(name)};
        return table.purge({.tags = tags, .prefixes = {}, .all = false, .soft = soft, .now = now});
    }
    std::uint64_t purge_prefix(std::string_view prefix, bool soft = false)
    {
        const std::array<std::string_view, 1> prefixes{prefix};
        return table.purge({.tags = {}, .prefixes = prefixes, .all = false, .soft = soft, .now = 7});
    }
    Life life(std::uint64_t sequence, const std::string& name, std::string_view url = "h/x") const
    {
        const std::array<std::uint64_t, 2> tags{tag("other than " + name), tag(name)};
        return table.judge({.sequence = sequence, .tags = tags, .key = 5, .url = url}).life;
    }

    void* memory = nullptr;
    PurgeTable table;
};

}

static std::ostream& operator<<(std::ostream& out, Life life)
{
    return out << static_cast<int>(life);
}

BOOST_FIXTURE_TEST_SUITE(purge_table, Table)

BOOST_AUTO_TEST_CASE(numbers_begin_with_one_and_grow)
{
    BOOST_TEST(table.sequence() == 0u);
    BOOST_TEST(purge("a") == 1u);
    BOOST_TEST(purge("b") == 2u);
    BOOST_TEST(table.note_write(9) == 3u);
    BOOST_TEST(table.sequence() == 3u);
}

BOOST_AUTO_TEST_CASE(a_purged_tag_kills_what_was_asked_for_before_and_nothing_else)
{
    BOOST_TEST(life(0, "a") == Life::alive);
    const std::uint64_t first = purge("a");
    BOOST_TEST(life(first - 1, "a") == Life::dead);
    BOOST_TEST(life(first, "a") == Life::alive);
    BOOST_TEST(life(first - 1, "b") == Life::alive);
    const std::uint64_t second = purge("b");
    BOOST_TEST(life(first, "a") == Life::alive);
    BOOST_TEST(life(first, "b") == Life::dead);
    BOOST_TEST(life(second, "b") == Life::alive);
    BOOST_TEST(purge("a") == second + 1);
    BOOST_TEST(life(second, "a") == Life::dead);
    BOOST_TEST(table.stats().tags == 2u);
}

BOOST_AUTO_TEST_CASE(tags_of_different_kinds_do_not_meet)
{
    BOOST_TEST(table.hash(TagKind::url, "a") != table.hash(TagKind::name, "a"));
    BOOST_TEST(table.hash(TagKind::group, "a") != table.hash(TagKind::key, "a"));
    BOOST_TEST(table.hash(TagKind::name, "") != 0u);
}

BOOST_AUTO_TEST_CASE(a_soft_purge_makes_stale_from_then_on)
{
    const std::uint64_t number = purge("a", true, 1234);
    const std::array<std::uint64_t, 1> tags{tag("a")};
    const auto verdict = table.judge({.sequence = number - 1, .tags = tags, .key = 5, .url = ""});
    BOOST_TEST(verdict.life == Life::stale);
    BOOST_TEST(verdict.since == 1234);
    BOOST_TEST(life(number, "a") == Life::alive);
    purge("a");
    BOOST_TEST(life(number - 1, "a") == Life::dead);
    BOOST_TEST(purge("a", true, 2000) == 3u);
    BOOST_TEST(life(1, "a") == Life::dead);
    BOOST_TEST(life(2, "a") == Life::stale);
}

BOOST_AUTO_TEST_CASE(all_raises_the_floor)
{
    purge("a");
    const std::uint64_t number =
        table.purge({.tags = {}, .prefixes = {}, .all = true, .soft = false, .now = 0});
    BOOST_TEST(life(number - 1, "x") == Life::dead);
    BOOST_TEST(life(number, "x") == Life::alive);
    BOOST_TEST(table.stats().floor == number);
    const std::uint64_t soft =
        table.purge({.tags = {}, .prefixes = {}, .all = true, .soft = true, .now = 99});
    BOOST_TEST(life(number - 1, "x") == Life::dead);
    BOOST_TEST(life(number, "x") == Life::stale);
    BOOST_TEST(life(soft, "x") == Life::alive);
    BOOST_TEST(table.stats().floor == number);
}

BOOST_AUTO_TEST_CASE(a_prefix_is_compared_with_the_beginning_of_the_url)
{
    const std::uint64_t number = purge_prefix("h/img/");
    BOOST_TEST(life(number - 1, "t", "h/img/") == Life::dead);
    BOOST_TEST(life(number - 1, "t", "h/img/a/b?c") == Life::dead);
    BOOST_TEST(life(number - 1, "t", "h/img") == Life::alive);
    BOOST_TEST(life(number - 1, "t", "g/img/a") == Life::alive);
    BOOST_TEST(life(number, "t", "h/img/a") == Life::alive);
    purge_prefix("h/css", true);
    BOOST_TEST(life(number, "t", "h/css/a") == Life::stale);
    BOOST_TEST(purge_prefix("h/css") == 3u);
    BOOST_TEST(life(2, "t", "h/css/a") == Life::dead);
    BOOST_TEST(table.stats().prefixes == 2u);
}

BOOST_AUTO_TEST_CASE(more_prefixes_than_fit_raise_the_floor_to_the_forgotten_one)
{
    for (std::size_t i = 0; i < PurgeTable::kPrefixes; ++i) purge_prefix("h/" + std::to_string(i) + "/");
    BOOST_TEST(table.stats().floor == 0u);
    purge_prefix("h/one more/");
    BOOST_TEST(table.stats().floor == 1u);
    BOOST_TEST(table.stats().overflows == 1u);
    BOOST_TEST(life(0, "t", "h/anything") == Life::dead);
    BOOST_TEST(life(1, "t", "h/anything") == Life::alive);
    BOOST_TEST(life(1, "t", "h/1/") == Life::dead);
    BOOST_TEST(life(64, "t", "h/one more/x") == Life::dead);
}

BOOST_AUTO_TEST_CASE(no_purge_is_ever_forgotten_without_the_floor_that_stands_for_it)
{
    constexpr std::uint64_t kMany = 3 * PurgeTable::kTags;
    std::mt19937 random{1};
    std::vector<std::uint64_t> last(kMany, 0);
    std::vector<bool> soft(kMany, false);
    for (std::uint64_t i = 0; i < kMany; ++i) {
        const std::uint64_t n = random() % kMany;
        soft[n] = random() % 4 == 0 && last[n] == 0;
        last[n] = purge(std::to_string(n), soft[n]);
    }
    for (std::uint64_t n = 0; n < kMany; ++n) {
        if (last[n] == 0) continue;
        const Life found = life(last[n] - 1, std::to_string(n));
        if (soft[n] ? found == Life::alive : found != Life::dead)
            BOOST_TEST(false, "purge " << last[n] << " of tag " << n << " is forgotten");
    }
    const PurgeStats stats = table.stats();
    BOOST_TEST(stats.overflows > 0u);
    BOOST_TEST(stats.tags <= stats.tags_limit);
    // The floor stays well behind the newest purge: an overflow costs old objects only.
    BOOST_TEST(stats.sequence - stats.floor > PurgeTable::kTags / 2);
    BOOST_TEST(life(stats.floor, "never purged") != Life::dead);
}

BOOST_AUTO_TEST_CASE(a_full_table_fits_most_of_its_tags_before_the_first_is_forgotten)
{
    std::uint64_t n = 0;
    while (table.stats().overflows == 0) purge(std::to_string(n++));
    BOOST_TEST(n > PurgeTable::kTags * 2 / 3);
}

BOOST_AUTO_TEST_CASE(a_write_kills_what_is_being_stored_under_its_key)
{
    const std::uint64_t key = 77;
    const Purgeable before{.sequence = table.sequence(), .tags = {}, .key = key, .url = "h/x"};
    BOOST_TEST(!table.dead_on_arrival(before));
    table.note_write(key);
    BOOST_TEST(table.dead_on_arrival(before));
    BOOST_TEST(table.judge(before).life == Life::dead);
    BOOST_TEST(!table.dead_on_arrival({.sequence = 0, .tags = {}, .key = 78, .url = "h/x"}));
    BOOST_TEST(!table.dead_on_arrival({.sequence = table.sequence(), .tags = {}, .key = key, .url = "h/x"}));
}

BOOST_AUTO_TEST_CASE(a_storm_of_writes_harms_only_what_is_being_stored)
{
    const Purgeable filling{.sequence = table.sequence(), .tags = {}, .key = 1, .url = "h/x"};
    for (std::uint64_t i = 0; i < 100'000; ++i) table.note_write(i * 0x9e3779b97f4a7c15 | 1);
    BOOST_TEST(table.dead_on_arrival(filling));
    BOOST_TEST(table.judge({.sequence = 0, .tags = {}, .key = 2, .url = "h/x"}).life == Life::alive);
    BOOST_TEST(table.stats().floor == 0u);
    BOOST_TEST(table.stats().tags == 0u);
}

BOOST_AUTO_TEST_CASE(memory_of_another_kind_is_not_usable)
{
    BOOST_TEST(!PurgeTable::usable(nullptr));
    BOOST_TEST(!PurgeTable::usable(static_cast<char*>(memory) + 8));
    std::memset(memory, 0xff, 16);
    BOOST_TEST(!PurgeTable::usable(memory));
}

BOOST_AUTO_TEST_CASE(readers_beside_a_writer_never_see_a_purge_undone)
{
    constexpr int kPurges = 300'000;  // of more tags than fit: entries are replaced all the time
    std::atomic<bool> over{false};
    std::array<std::atomic<std::uint64_t>, 8> last{};
    std::uint64_t seen = 0, undone = 0;
    std::thread reader{[&] {
        while (!over.load()) {
            for (std::size_t i = 0; i < last.size(); ++i) {
                const std::uint64_t number = last[i].load(std::memory_order_acquire);
                if (number == 0) continue;
                ++seen;
                if (life(number - 1, "watched " + std::to_string(i)) != Life::dead) ++undone;
            }
        }
    }};
    std::mt19937 random{3};
    for (int i = 0; i < kPurges; ++i) {
        if (i % 20'000 == 0) {
            const std::size_t watched = random() % last.size();
            last[watched].store(purge("watched " + std::to_string(watched)), std::memory_order_release);
        }
        purge(std::to_string(i), i % 3 == 0);
    }
    over.store(true);
    reader.join();
    BOOST_TEST(seen > 0u);
    BOOST_TEST(undone == 0u);
}

BOOST_AUTO_TEST_CASE(a_process_killed_while_it_purges_leaves_the_table_usable)
{
    constexpr int kKills = 60;
    constexpr std::size_t kTags = 2000;
    auto* acknowledged = static_cast<std::atomic<std::uint64_t>*>(
        mmap(nullptr, kTags * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::mt19937 random{5};
    for (int kill_number = 0; kill_number < kKills; ++kill_number) {
        std::array<pid_t, 2> children{};
        for (pid_t& child : children) {
            child = fork();
            if (child != 0) continue;
            std::mt19937 mine{static_cast<unsigned>(getpid())};
            for (;;) {
                const std::size_t n = mine() % kTags;
                const std::uint64_t number = purge(std::to_string(n));
                std::uint64_t before = acknowledged[n].load();
                while (before < number && !acknowledged[n].compare_exchange_weak(before, number)) {
                }
                table.note_write(n + 1);
                if (number % 8 == 0) purge_prefix(std::to_string(number % 100));
                if (number % 3 == 0) purge(std::to_string(mine()), true);
            }
        }
        usleep(500 + random() % 3000);
        for (const pid_t child : children) kill(child, SIGKILL);
        for (const pid_t child : children) waitpid(child, nullptr, 0);

        const std::uint64_t before = table.sequence();
        const std::uint64_t number = purge("after the kill");  // would wait for ever on a lost lock
        BOOST_REQUIRE(number == before + 1);
        BOOST_REQUIRE(life(before, "after the kill") == Life::dead);
        for (std::size_t n = 0; n < kTags; ++n) {
            const std::uint64_t last = acknowledged[n].load();
            if (last != 0) BOOST_REQUIRE(life(last - 1, std::to_string(n)) == Life::dead);
        }
        BOOST_REQUIRE(life(table.sequence(), "0") == Life::alive);
    }
    munmap(acknowledged, kTags * 8);
}

BOOST_AUTO_TEST_SUITE_END()

}
