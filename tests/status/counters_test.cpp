#include "status/counters.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <vector>

using namespace edge::status;

namespace {

constexpr std::int64_t kSince = 1'700'000'000;

/// Formatted counters that forked processes share.
struct Shared {
    Shared()
    {
        memory = ::mmap(nullptr, bytes_needed(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc{};
        format(memory, kSince);
    }
    ~Shared() { ::munmap(memory, bytes_needed()); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    Totals totals() const { return sum(memory); }

    void* memory = nullptr;
};

bool all_exist(std::int64_t)
{
    return true;
}
bool none_exists(std::int64_t)
{
    return false;
}

/// Runs `body` in a process of its own, which ends without running anything else of the test program.
pid_t in_child(const std::function<void()>& body)
{
    const pid_t pid = ::fork();
    if (pid == 0) {
        body();
        ::_exit(0);
    }
    return pid;
}

bool ended_well(pid_t pid)
{
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// A pipe that holds children back until the parent opens it.
class Gate {
public:
    Gate() { BOOST_REQUIRE(::pipe(ends_) == 0); }
    ~Gate()
    {
        ::close(ends_[0]);
        if (ends_[1] >= 0) ::close(ends_[1]);
    }
    void pass()
    {
        ::close(ends_[1]);
        ends_[1] = -1;
        char none;
        while (::read(ends_[0], &none, 1) > 0) {
        }
    }
    void open()
    {
        ::close(ends_[1]);
        ends_[1] = -1;
    }

private:
    int ends_[2] = {-1, -1};
};

}

BOOST_AUTO_TEST_SUITE(status_counters)

BOOST_AUTO_TEST_CASE(an_unattached_view_ignores_what_it_is_told)
{
    Counters nowhere;
    BOOST_TEST(!nowhere.attached());
    BOOST_TEST(!nowhere.owned());
    nowhere.add(Counter::requests_hit);
    nowhere.subtract(Counter::fills_active);
    nowhere.record(Timer::hit, 5);
    nowhere.release();
    BOOST_TEST(!nowhere.attached());
}

BOOST_FIXTURE_TEST_CASE(fresh_counters_are_usable_and_zero, Shared)
{
    BOOST_TEST(usable(memory, bytes_needed()));
    const Totals zero = totals();
    for (const std::uint64_t value : zero.counters) BOOST_TEST(value == 0U);
    for (const Histogram& timer : zero.timers) BOOST_TEST(timer.total() + timer.sum == 0U);
    BOOST_TEST(zero.since == kSince);
    BOOST_TEST(zero.generation == 0U);
    BOOST_TEST(zero.owners == 0U);
}

BOOST_FIXTURE_TEST_CASE(memory_of_another_layout_is_not_usable, Shared)
{
    auto& area = *static_cast<layout::Area*>(memory);
    BOOST_TEST(!usable(nullptr, bytes_needed()));
    BOOST_TEST(!usable(memory, bytes_needed() - 1));
    BOOST_TEST(!usable(static_cast<char*>(memory) + 8, bytes_needed()));
    area.fingerprint ^= 1;
    BOOST_TEST(!usable(memory, bytes_needed()));
    area.fingerprint ^= 1;
    area.magic.fetch_xor(1);
    BOOST_TEST(!usable(memory, bytes_needed()));
    area.magic.fetch_xor(1);
    BOOST_TEST(usable(memory, bytes_needed()));
    std::memset(memory, 0, bytes_needed());
    BOOST_TEST(!usable(memory, bytes_needed()));
    std::memset(memory, 0xff, bytes_needed());
    BOOST_TEST(!usable(memory, bytes_needed()));
}

BOOST_FIXTURE_TEST_CASE(formatting_again_starts_from_zero_without_owners, Shared)
{
    std::memset(memory, 0xa5, bytes_needed());
    format(memory, kSince + 5);
    BOOST_TEST(usable(memory, bytes_needed()));
    const Totals zero = totals();
    for (const std::uint64_t value : zero.counters) BOOST_TEST(value == 0U);
    BOOST_TEST(zero[Timer::origin].total() == 0U);
    BOOST_TEST(zero.since == kSince + 5);
    BOOST_TEST(zero.owners == 0U);
}

BOOST_FIXTURE_TEST_CASE(slots_share_no_cache_line, Shared)
{
    const auto& area = *static_cast<const layout::Area*>(memory);
    const auto line = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) / layout::kLine; };
    for (unsigned i = 0; i < kSlots; ++i) {
        const auto& slot = area.slots[i];
        BOOST_REQUIRE(line(&slot.timers.back().sum) < line(&area.slots[i + 1].owner));
        BOOST_REQUIRE(line(&slot.owner) < line(&slot.counters.front()));
        BOOST_REQUIRE(line(&slot.counters.back()) < line(&slot.timers.front()));
    }
}

BOOST_FIXTURE_TEST_CASE(generations_count_from_one, Shared)
{
    BOOST_TEST(begin_generation(memory) == 1U);
    BOOST_TEST(begin_generation(memory) == 2U);
    BOOST_TEST(totals().generation == 2U);
}

BOOST_FIXTURE_TEST_CASE(each_counter_and_each_timer_has_a_place_of_its_own, Shared)
{
    Counters own = Counters::claim(memory, 100, all_exist);
    BOOST_TEST(own.owned());
    for (std::size_t i = 0; i < kCounters.size(); ++i) own.add(static_cast<Counter>(i), i + 1);
    for (std::size_t i = 0; i < kTimers.size(); ++i) own.record(static_cast<Timer>(i), 10 + i);
    const Totals read = totals();
    for (std::size_t i = 0; i < kCounters.size(); ++i) BOOST_TEST(read.counters[i] == i + 1);
    for (std::size_t i = 0; i < kTimers.size(); ++i) {
        BOOST_TEST(read.timers[i].total() == 1U);
        BOOST_TEST(read.timers[i].sum == 10 + i);
        BOOST_TEST(read.timers[i].quantile(0.5).value() == 10 + i);
    }
    BOOST_TEST(read[Counter::requests_miss] == 2U);
}

BOOST_FIXTURE_TEST_CASE(slots_are_summed, Shared)
{
    for (std::int64_t pid = 1; pid <= 5; ++pid) {
        Counters own = Counters::claim(memory, pid, all_exist);
        own.add(Counter::served_bytes, static_cast<std::uint64_t>(pid) << 40);
        own.record(Timer::hit, static_cast<std::uint64_t>(pid));
    }
    BOOST_TEST(totals().owners == 5U);
    BOOST_TEST(totals()[Counter::served_bytes] == std::uint64_t{15} << 40);
    BOOST_TEST(totals()[Timer::hit].total() == 5U);
    BOOST_TEST(totals()[Timer::hit].sum == 15U);
}

BOOST_FIXTURE_TEST_CASE(a_process_that_claims_again_gets_the_slot_it_has, Shared)
{
    Counters first = Counters::claim(memory, 1, all_exist);
    Counters second = Counters::claim(memory, 2, all_exist);
    first.release();
    second.add(Counter::requests_hit);
    Counters again = Counters::claim(memory, 2, all_exist);
    BOOST_TEST(totals().owners == 1U);
    again.add(Counter::requests_hit);
    second.add(Counter::requests_hit);
    BOOST_TEST(totals()[Counter::requests_hit] == 3U);
}

BOOST_FIXTURE_TEST_CASE(counts_stay_when_a_slot_is_given_back_and_its_next_owner_adds_to_them, Shared)
{
    for (std::uint64_t round = 1; round <= 3 * kSlots; ++round) {
        Counters own = Counters::claim(memory, static_cast<std::int64_t>(round), all_exist);
        BOOST_REQUIRE(own.owned());
        own.add(Counter::requests_hit);
        own.record(Timer::origin, 40);
        own.release();
        BOOST_REQUIRE(!own.attached());
        own.add(Counter::requests_hit);
        BOOST_REQUIRE_EQUAL(totals()[Counter::requests_hit], round);
        BOOST_REQUIRE_EQUAL(totals()[Timer::origin].sum, 40 * round);
        BOOST_REQUIRE_EQUAL(totals().owners, 0U);
    }
}

BOOST_FIXTURE_TEST_CASE(slots_of_processes_that_are_gone_are_taken_over_with_their_counts, Shared)
{
    for (std::int64_t pid = 1; pid <= kSlots; ++pid)
        Counters::claim(memory, pid, all_exist).add(Counter::requests_hit);
    BOOST_TEST(totals().owners == kSlots);
    Counters heir = Counters::claim(memory, 1000, [](std::int64_t pid) { return pid != 77; });
    BOOST_TEST(heir.owned());
    heir.add(Counter::requests_hit);
    BOOST_TEST(totals().owners == kSlots);
    BOOST_TEST(totals()[Counter::requests_hit] == kSlots + 1);
    BOOST_TEST(Counters::claim(memory, 1001, none_exists).owned());
    BOOST_TEST(totals().owners == 1U);
    BOOST_TEST(totals()[Counter::requests_hit] == kSlots + 1);
}

BOOST_FIXTURE_TEST_CASE(with_all_slots_taken_processes_count_in_one_together, Shared)
{
    std::vector<Counters> all;
    for (std::int64_t pid = 1; pid <= kSlots + 3; ++pid) {
        all.push_back(Counters::claim(memory, pid, all_exist));
        BOOST_TEST(all.back().attached());
        BOOST_TEST(all.back().owned() == (pid <= kSlots));
    }
    for (Counters& counters : all) counters.add(Counter::requests_pass, 10);
    BOOST_TEST(totals()[Counter::requests_pass] == 10 * (kSlots + 3));
    all.back().release();
    BOOST_TEST(totals()[Counter::requests_pass] == 10 * (kSlots + 3));
    BOOST_TEST(totals().owners == kSlots);
}

BOOST_FIXTURE_TEST_CASE(a_process_id_that_is_none_shares, Shared)
{
    for (const std::int64_t pid : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
        Counters shared = Counters::claim(memory, pid, none_exists);
        BOOST_TEST(shared.attached());
        BOOST_TEST(!shared.owned());
    }
    BOOST_TEST(totals().owners == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_slot_can_be_named_and_a_number_past_the_last_counts_nothing, Shared)
{
    for (unsigned slot = 0; slot <= kSlots; ++slot) Counters::at(memory, slot).add(Counter::requests_hit);
    BOOST_TEST(totals()[Counter::requests_hit] == kSlots + 1);
    for (const unsigned slot : {kSlots + 1, UINT32_MAX}) {
        Counters none = Counters::at(memory, slot);
        BOOST_TEST(!none.attached());
        none.add(Counter::requests_hit);
    }
    BOOST_TEST(totals()[Counter::requests_hit] == kSlots + 1);
}

BOOST_FIXTURE_TEST_CASE(a_gauge_goes_down_with_work_done_and_with_the_process_that_held_it, Shared)
{
    Counters first = Counters::claim(memory, 1, all_exist), second = Counters::claim(memory, 2, all_exist);
    first.add(Counter::fills_active, 5);
    first.subtract(Counter::fills_active);
    second.add(Counter::fills_active, 2);
    BOOST_TEST(totals()[Counter::fills_active] == 6U);
    second.release();
    BOOST_TEST(totals()[Counter::fills_active] == 4U);
    Counters heir = Counters::claim(memory, 3, none_exists);
    BOOST_TEST(totals()[Counter::fills_active] == 0U);
    heir.subtract(Counter::fills_active);
    BOOST_TEST(totals()[Counter::fills_active] == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_gauge_of_a_predecessor_with_the_same_process_id_is_cleared, Shared)
{
    Counters::claim(memory, 42, all_exist).add(Counter::fills_active, 3);
    Counters::claim(memory, 42, all_exist).add(Counter::fills_started);
    BOOST_TEST(totals()[Counter::fills_active] == 0U);
    BOOST_TEST(totals()[Counter::fills_started] == 1U);
}

BOOST_AUTO_TEST_CASE(a_process_exists_until_it_is_reaped)
{
    BOOST_TEST(process_exists(::getpid()));
    const pid_t child = in_child([] {});
    BOOST_REQUIRE(child > 0);
    BOOST_TEST(process_exists(child));
    BOOST_TEST(ended_well(child));
    BOOST_TEST(!process_exists(child));
}

BOOST_AUTO_TEST_CASE(a_process_that_may_not_be_signalled_exists)
{
    const pid_t unprivileged = in_child([] {
        if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
        if (!process_exists(1)) ::_exit(1);
    });
    BOOST_TEST(ended_well(unprivileged));
}

BOOST_FIXTURE_TEST_CASE(a_slot_that_another_process_takes_first_stays_with_it, Shared)
{
    static void* contended;
    contended = memory;
    Counters::claim(memory, 7, all_exist).add(Counter::requests_hit);
    Counters late = Counters::claim(memory, 9, [](std::int64_t) {
        Counters::claim(contended, 8, none_exists).add(Counter::requests_hit);
        return false;
    });
    BOOST_TEST(late.owned());
    BOOST_TEST(totals().owners == 2U);
    late.add(Counter::requests_hit);
    BOOST_TEST(totals()[Counter::requests_hit] == 3U);
}

BOOST_FIXTURE_TEST_CASE(processes_that_claim_and_count_at_once_lose_nothing, Shared)
{
    constexpr unsigned kProcesses = 24, kRounds = 20'000;
    Gate gate;
    std::vector<pid_t> children;
    for (unsigned i = 0; i < kProcesses; ++i) {
        children.push_back(in_child([&] {
            gate.pass();
            Counters own = Counters::claim(memory, ::getpid());
            for (unsigned round = 0; round < kRounds; ++round) {
                own.add(Counter::requests_hit);
                own.add(Counter::served_bytes, 1000);
                own.record(Timer::hit, round);
            }
        }));
    }
    gate.open();
    std::uint64_t before = 0;
    bool fell = false;
    for (int i = 0; i < 200; ++i) {
        const std::uint64_t now = totals()[Counter::requests_hit];
        fell = fell || now < before;
        before = now;
    }
    for (const pid_t child : children) BOOST_TEST(ended_well(child));
    BOOST_TEST(!fell);
    const Totals read = totals();
    constexpr std::uint64_t kAll = std::uint64_t{kProcesses} * kRounds;
    BOOST_TEST(read[Counter::requests_hit] == kAll);
    BOOST_TEST(read[Counter::served_bytes] == kAll * 1000);
    BOOST_TEST(read[Timer::hit].total() == kAll);
    BOOST_TEST(read[Timer::hit].sum == kAll * (kRounds - 1) / 2);
}

BOOST_FIXTURE_TEST_CASE(processes_without_a_slot_of_their_own_lose_nothing_either, Shared)
{
    for (std::int64_t pid = 1; pid <= kSlots; ++pid) Counters::claim(memory, (1LL << 40) + pid, all_exist);
    Gate gate;
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
        children.push_back(in_child([&] {
            Counters shared = Counters::claim(memory, ::getpid(), all_exist);
            if (shared.owned()) ::_exit(1);
            gate.pass();
            // Long enough for the processes to run at the same time, also on a busy machine.
            const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{80};
            std::uint64_t added = 0;
            while (std::chrono::steady_clock::now() < end) {
                for (int burst = 0; burst < 1000; ++burst) shared.add(Counter::requests_miss);
                added += 1000;
            }
            shared.add(Counter::requests_pass, added);
        }));
    }
    gate.open();
    for (const pid_t child : children) BOOST_TEST(ended_well(child));
    BOOST_TEST(totals()[Counter::requests_miss] >= 4000U);
    BOOST_TEST(totals()[Counter::requests_miss] == totals()[Counter::requests_pass]);
}

BOOST_FIXTURE_TEST_CASE(a_killed_process_leaves_its_counts_and_its_slot, Shared)
{
    for (int life = 1; life <= 3; ++life) {
        const pid_t child = in_child([&] {
            Counters own = Counters::claim(memory, ::getpid());
            own.add(Counter::fills_started, 10);
            own.add(Counter::fills_active, 10);
            ::raise(SIGKILL);
        });
        int status = 0;
        BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
        BOOST_TEST((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
        const Totals read = totals();
        BOOST_TEST(read[Counter::fills_started] == 10U * static_cast<unsigned>(life));
        BOOST_TEST(read[Counter::fills_active] == 10U);
        BOOST_TEST(read.owners == 1U);
    }
    BOOST_TEST(Counters::claim(memory, ::getpid()).owned());
    BOOST_TEST(totals()[Counter::fills_active] == 0U);
    BOOST_TEST(totals()[Counter::fills_started] == 30U);
}

BOOST_FIXTURE_TEST_CASE(over_a_reload_old_and_new_processes_count_side_by_side, Shared)
{
    std::vector<Counters> old_ones, new_ones;
    for (std::int64_t pid = 1; pid <= 4; ++pid) old_ones.push_back(Counters::claim(memory, pid, all_exist));
    for (std::int64_t pid = 5; pid <= 8; ++pid) new_ones.push_back(Counters::claim(memory, pid, all_exist));
    std::uint64_t expected = 0;
    for (Counters& old : old_ones) {
        for (Counters& fresh : new_ones) {
            old.add(Counter::requests_hit);
            fresh.add(Counter::requests_hit);
            expected += 2;
        }
        old.release();
        BOOST_TEST(totals()[Counter::requests_hit] == expected);
    }
    BOOST_TEST(totals().owners == 4U);
}

BOOST_AUTO_TEST_SUITE_END()
