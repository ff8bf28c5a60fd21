#include "cache/use_counts.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <memory>
#include <optional>
#include <random>
#include <vector>

using namespace edge::cache;

BOOST_AUTO_TEST_SUITE(use_counts)

namespace {

constexpr std::int64_t kNow = 1768478400;

struct Table {
    Table()
    {
        UseCounts::format(memory.get());
        counts.emplace(memory.get());
    }
    struct Unmap {
        void operator()(void* memory) const noexcept { ::munmap(memory, UseCounts::bytes_needed()); }
    };
    std::unique_ptr<void, Unmap> memory{::mmap(nullptr, UseCounts::bytes_needed(), PROT_READ | PROT_WRITE,
                                               MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    std::optional<UseCounts> counts;
    std::mt19937_64 random{7};

    KeyHash key() { return {.high = random(), .low = random()}; }
    void others(unsigned n, std::int64_t now)
    {
        for (unsigned i = 0; i < n; ++i) counts->add(key(), now);
    }
};

}

BOOST_FIXTURE_TEST_CASE(each_key_has_a_count_of_its_own, Table)
{
    const KeyHash a = key();
    const KeyHash b = key();
    BOOST_TEST(counts->add(a, kNow) == 1);
    BOOST_TEST(counts->add(b, kNow) == 1);
    BOOST_TEST(counts->add(a, kNow) == 2);
    BOOST_TEST(counts->add(a, kNow + 100000) == 3);
    BOOST_TEST(counts->add(b, kNow) == 2);
}

BOOST_FIXTURE_TEST_CASE(a_count_stops_at_its_largest, Table)
{
    const KeyHash a = key();
    for (unsigned i = 0; i < 70000; ++i) counts->add(a, kNow);
    BOOST_TEST(counts->add(a, kNow) == UseCounts::kMost);
}

BOOST_FIXTURE_TEST_CASE(a_key_without_hash_is_a_key, Table)
{
    const KeyHash zero{.high = 0, .low = 0};
    BOOST_TEST(counts->add(zero, 0) == 1);
    BOOST_TEST(counts->add(zero, 0) == 2);
}

BOOST_FIXTURE_TEST_CASE(the_keys_unused_for_longest_are_forgotten_first, Table)
{
    std::vector<KeyHash> row;
    for (std::uint64_t i = 0; i < 9; ++i) row.push_back({.high = (i + 1) << 32, .low = 5});
    for (unsigned i = 0; i < 8; ++i) BOOST_TEST(counts->add(row[i], kNow + 60 * i) == 1);
    BOOST_TEST(counts->add(row[0], kNow + 600) == 2);
    BOOST_TEST(counts->add(row[8], kNow + 660) == 1);  // in place of row[1]
    for (const unsigned i : {0U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) BOOST_TEST(counts->add(row[i], kNow + 720) > 1);
    BOOST_TEST(counts->add(row[1], kNow + 780) == 1);
}

/// The share of 2000 keys that are still known after so many others.
double remembered(Table& table, unsigned others, std::int64_t step)
{
    std::vector<KeyHash> keys;
    for (unsigned i = 0; i < 2000; ++i) keys.push_back(table.key());
    for (const KeyHash& key : keys) table.counts->add(key, kNow);
    table.others(others, kNow + step);
    unsigned known = 0;
    for (const KeyHash& key : keys) known += table.counts->add(key, kNow + 2 * step) == 2 ? 1 : 0;
    return known / 2000.0;
}

BOOST_AUTO_TEST_CASE(memory_is_as_long_as_it_says)
{
    // What was there before makes room first.
    const auto after = [](unsigned others) {
        Table table;
        table.others(200000, kNow - 3600);
        return remembered(table, others, 60);
    };
    BOOST_TEST(after(40000) > 0.99);
    BOOST_TEST(after(65000) > 0.9);
    BOOST_TEST(after(250000) < 0.1);
}

BOOST_FIXTURE_TEST_CASE(two_hashes_that_differ_are_hardly_ever_one_key, Table)
{
    unsigned wrong = 0;
    for (unsigned i = 0; i < 300000; ++i) wrong += counts->add(key(), kNow) != 1 ? 1 : 0;
    BOOST_TEST(wrong == 0);
}

BOOST_FIXTURE_TEST_CASE(what_is_not_a_table_is_refused, Table)
{
    BOOST_TEST(UseCounts::usable(memory.get()));
    static_cast<use_layout::Table*>(memory.get())->magic = 1;
    BOOST_TEST(!UseCounts::usable(memory.get()));
}

BOOST_FIXTURE_TEST_CASE(processes_count_together_and_may_die_at_it, Table)
{
    const KeyHash a = key();
    counts->add(a, kNow);
    std::vector<pid_t> children;
    for (unsigned i = 0; i < 2; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            for (std::uint64_t k = 0;; ++k)
                counts->add({.high = (k % 9000 + 1) << 32 | i, .low = k % 9000 / 3}, kNow);
        }
        children.push_back(child);
    }
    for (unsigned i = 0; i < 1000; ++i) counts->add({.high = std::uint64_t{i + 1} << 32, .low = i / 3}, kNow);
    for (const pid_t child : children) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    BOOST_TEST(counts->add(a, kNow) == 2);
    const KeyHash fresh = key();
    BOOST_TEST(counts->add(fresh, kNow + 60) == 1);
    BOOST_TEST(counts->add(fresh, kNow + 60) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
