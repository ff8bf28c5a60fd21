#include "cache/purge_log.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <string>

namespace edge::cache {

namespace {

/// In memory that child processes share.
struct Shared {
    Shared()
    {
        memory = map(PurgeLog::bytes_needed());
        PurgeLog::format(memory, 7);
        BOOST_REQUIRE(PurgeLog::usable(memory));
        log = PurgeLog{memory};
        table_memory = map(PurgeTable::bytes_needed());
        PurgeTable::format(table_memory, 42);
        table = PurgeTable{table_memory};
    }
    ~Shared()
    {
        munmap(memory, PurgeLog::bytes_needed());
        munmap(table_memory, PurgeTable::bytes_needed());
    }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    static void* map(std::size_t bytes)
    {
        void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        BOOST_REQUIRE(at != MAP_FAILED);
        return at;
    }
    static std::uint64_t tag(const std::string& name) { return PurgeTable::hash(TagKind::name, name); }
    std::uint64_t push(const std::string& name)
    {
        PurgeEntry entry;
        entry.tags = {tag(name)};
        return log.push(entry);
    }
    Life life(const std::string& name, LogPosition at) const
    {
        const std::array<std::uint64_t, 1> tags{tag(name)};
        return log.judge(table, at, {.sequence = 0, .tags = tags, .key = 0, .url = "h/x"}).life;
    }

    void* memory = nullptr;
    void* table_memory = nullptr;
    PurgeLog log;
    PurgeTable table;
};

}

BOOST_FIXTURE_TEST_SUITE(purge_log, Shared)

BOOST_AUTO_TEST_CASE(a_value_counts_in_its_own_epoch_only)
{
    BOOST_CHECK((log.position() == LogPosition{}));
    BOOST_CHECK(life("a", {5, 1}) == Life::dead);
    log.set_position({5, 9});
    BOOST_CHECK((log.position() == LogPosition{5, 9}));
    BOOST_CHECK(life("a", {5, 1}) == Life::alive);
    BOOST_CHECK(life("a", {4, 100}) == Life::dead);
    BOOST_CHECK(life("a", {6, 1}) == Life::dead);
    BOOST_CHECK(life("a", {}) == Life::dead);
    log.forget_position();
    BOOST_CHECK((log.position() == LogPosition{}));
    BOOST_CHECK(life("a", {5, 9}) == Life::dead);
}

BOOST_AUTO_TEST_CASE(what_is_queued_is_dead_until_it_was_read_back)
{
    log.set_position({5, 1});
    const std::uint64_t ticket = push("a");
    BOOST_TEST(ticket == 1u);
    BOOST_CHECK(life("a", {5, 1000}) == Life::dead);  // nobody knows whether it is newer
    BOOST_CHECK(life("b", {5, 1}) == Life::alive);
    const std::array<std::uint64_t, 1> tags{tag("a")};
    table.purge_as(2, {.tags = tags, .prefixes = {}, .all = false, .soft = false, .now = 0});
    log.confirm(ticket);
    BOOST_CHECK(life("a", {5, 1}) == Life::dead);
    BOOST_CHECK(life("a", {5, 2}) == Life::alive);
}

BOOST_AUTO_TEST_CASE(a_queued_prefix_stops_all_values)
{
    log.set_position({5, 1});
    PurgeEntry entry;
    entry.prefixes = {"host/"};
    const std::uint64_t ticket = log.push(entry);
    BOOST_CHECK(life("b", {5, 1}) == Life::dead);
    log.confirm(ticket);
    BOOST_CHECK(life("b", {5, 1}) == Life::alive);
}

BOOST_AUTO_TEST_CASE(the_queue_hands_out_in_order_and_forgets_what_was_confirmed)
{
    for (const char* name : {"a", "b", "c"}) push(name);
    auto batch = log.queued(0, 1 << 20);
    BOOST_TEST(batch.entries.size() == 3u);
    BOOST_TEST(batch.last_ticket == 3u);
    const auto first = parse_purge(batch.entries[0]);
    BOOST_REQUIRE(first.has_value());
    BOOST_TEST(first->host == 7u);
    BOOST_TEST(first->ticket == 1u);
    BOOST_TEST(log.queued(0, 1).entries.size() == 1u);
    BOOST_TEST(log.queued(2, 1 << 20).entries.size() == 1u);
    log.confirm(2);
    batch = log.queued(0, 1 << 20);
    BOOST_TEST(batch.entries.size() == 1u);
    BOOST_TEST(log.figures().queued == 1u);
    BOOST_TEST(log.confirmed() == 2u);
}

BOOST_AUTO_TEST_CASE(a_full_queue_becomes_one_purge_of_everything)
{
    log.set_position({5, 1});
    std::uint64_t last = 0;
    for (int i = 0; log.figures().overflows == 0; ++i) last = push("tag " + std::to_string(i));
    BOOST_TEST(last > 10'000u);
    BOOST_TEST(last == log.last_ticket());
    const auto batch = log.queued(0, 1 << 20);
    BOOST_REQUIRE(batch.entries.size() == 1u);
    const auto entry = parse_purge(batch.entries[0]);
    BOOST_REQUIRE(entry.has_value());
    BOOST_TEST(entry->all);
    BOOST_TEST(entry->zone.empty());
    BOOST_TEST(entry->ticket == last);
    BOOST_CHECK(life("anything", {5, 1}) == Life::dead);
    log.confirm(last);
    BOOST_CHECK(life("anything", {5, 1}) == Life::alive);
}

BOOST_AUTO_TEST_CASE(the_queue_goes_round_for_ever)
{
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t ticket = push("tag " + std::to_string(i));
        if (i % 3 == 2) log.confirm(ticket - 1);
    }
    BOOST_TEST(log.figures().overflows == 0u);
    BOOST_TEST(log.figures().queued <= 3u);
    log.set_position({5, 1});
    BOOST_CHECK(life("tag 5", {5, 1}) == Life::alive);
}

BOOST_AUTO_TEST_CASE(one_process_follows_and_another_when_it_has_died)
{
    int ready[2];
    BOOST_REQUIRE(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        PurgeLog mine{memory};
        const char said = mine.lead(3) ? 'y' : 'n';
        static_cast<void>(!write(ready[1], &said, 1));
        pause();
        _exit(0);
    }
    char said = 0;
    BOOST_REQUIRE(read(ready[0], &said, 1) == 1);
    BOOST_TEST(said == 'y');
    BOOST_TEST(log.leader() == 3u);
    BOOST_TEST(!log.lead(4));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    BOOST_TEST(log.lead(4));
    BOOST_TEST(log.leader() == 4u);
    log.stop_leading();
    BOOST_TEST(log.leader() == PurgeLog::kSlots);
    BOOST_TEST(log.lead(5));
    log.stop_leading();
    close(ready[0]);
    close(ready[1]);
}

BOOST_AUTO_TEST_CASE(a_process_killed_while_it_pushes_leaves_a_queue_that_says_at_least_as_much)
{
    log.set_position({5, 1});
    for (int round = 0; round < 30; ++round) {
        const pid_t child = fork();
        if (child == 0) {
            PurgeLog mine{memory};
            PurgeEntry entry;
            for (std::uint64_t i = 0;; ++i) {
                entry.tags.assign(i % 50, i + 1);
                const std::uint64_t ticket = mine.push(entry);
                if (i % 4 == 3) mine.confirm(ticket - 2);
            }
        }
        usleep(3000);
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        const std::uint64_t ticket = push("after");
        const auto batch = log.queued(log.confirmed(), 1 << 21);
        BOOST_REQUIRE(!batch.entries.empty());
        BOOST_TEST(batch.last_ticket == ticket);
        for (const std::string& text : batch.entries) BOOST_TEST(parse_purge(text).has_value());
        BOOST_CHECK(life("after", {5, 1}) == Life::dead);
        log.confirm(ticket);
        BOOST_TEST(log.figures().queued == 0u);
        BOOST_CHECK(life("after", {5, 1}) == Life::alive);
    }
}

BOOST_AUTO_TEST_CASE(a_ticket_that_was_never_given_out_confirms_none_that_come_later)
{
    const std::uint64_t first = push("a");
    log.confirm(first + 1'000'000);
    BOOST_TEST(log.confirmed() == first);
    const std::uint64_t second = push("b");
    BOOST_TEST(log.queued(log.confirmed(), 1 << 20).last_ticket == second);
}

BOOST_AUTO_TEST_CASE(being_in_touch_ends_and_is_never_shortened)
{
    BOOST_TEST(!log.in_touch(0));
    log.keep_in_touch(100);
    BOOST_TEST(log.in_touch(99));
    BOOST_TEST(!log.in_touch(100));
    log.keep_in_touch(50);
    BOOST_TEST(log.in_touch(99));
}

BOOST_AUTO_TEST_CASE(who_waits_is_named_once)
{
    log.await(0);
    log.await(200);
    log.await(PurgeLog::kSlots);
    const auto slots = log.take_awaiting();
    BOOST_TEST(slots[0] == 1u);
    BOOST_TEST(slots[3] == std::uint64_t{1} << 8);
    BOOST_TEST(log.take_awaiting()[0] == 0u);
    BOOST_TEST(!log.is_everywhere(1));
    log.set_everywhere(2);
    BOOST_TEST(log.is_everywhere(2));
    BOOST_TEST(!log.is_everywhere(3));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(purge_table_of_a_log, Shared)

BOOST_AUTO_TEST_CASE(a_barred_table_lets_nothing_live_until_it_is_restarted)
{
    log.set_position({5, 1});
    table.bar();
    BOOST_TEST(table.is_barred());
    BOOST_CHECK(life("a", {5, ~std::uint64_t{0} - 1}) == Life::dead);
    table.restart(3);
    BOOST_TEST(!table.is_barred());
    BOOST_CHECK(life("a", {5, 2}) == Life::dead);
    BOOST_CHECK(life("a", {5, 3}) == Life::alive);
}

BOOST_AUTO_TEST_CASE(a_restart_forgets_and_numbers_may_begin_anew)
{
    log.set_position({5, 1});
    const std::array<std::uint64_t, 1> tags{tag("a")};
    const std::array<std::string_view, 1> prefixes{"h/"};
    table.purge_as(100, {.tags = tags, .prefixes = prefixes, .all = false, .soft = false, .now = 0});
    BOOST_CHECK(life("a", {5, 99}) == Life::dead);
    table.restart(0);
    BOOST_CHECK(life("a", {5, 1}) == Life::alive);
    table.purge_as(2, {.tags = tags, .prefixes = {}, .all = false, .soft = false, .now = 0});
    BOOST_CHECK(life("a", {5, 1}) == Life::dead);
    BOOST_CHECK(life("a", {5, 2}) == Life::alive);
    BOOST_CHECK(life("b", {5, 1}) == Life::alive);
    table.raise_floor(7);
    BOOST_CHECK(life("b", {5, 6}) == Life::dead);
    BOOST_CHECK(life("b", {5, 7}) == Life::alive);
    BOOST_TEST(table.stats().tags == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}
