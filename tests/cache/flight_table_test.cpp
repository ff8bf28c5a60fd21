#include "cache/flight_table.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <set>

using namespace edge::cache;

namespace {

std::set<std::int32_t> gone;  // processes that the table is told are dead

bool exists(std::int32_t process)
{
    return !gone.contains(process);
}

using State = FlightTable::State;
using Role = FlightTable::Role;

constexpr KeyHash kHome{7, 1};
constexpr FlightTable::Key kKey{kHome, kHome};
constexpr FlightTable::Worker kLeader{0, 100}, kOther{70, 200}, kThird{255, 300};

struct Table {
    Table()
    {
        gone.clear();
        memory = mmap(nullptr, FlightTable::bytes_needed(), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        FlightTable::format(memory);
        table = FlightTable{memory, exists};
    }
    ~Table() { munmap(memory, FlightTable::bytes_needed()); }

    void* memory;
    FlightTable table;
};

/// A flight with one leader and one follower.
struct Flying : Table {
    FlightTable::Joined lead = table.join(kKey, kLeader, 0);
    FlightTable::Joined follow = table.join(kKey, kOther, 0);
};

bool watches(const FlightTable::Watchers& watchers, FlightTable::Worker worker)
{
    return (watchers[worker.slot / 64] >> worker.slot % 64 & 1) != 0;
}

}

BOOST_AUTO_TEST_SUITE(flight_table)

BOOST_FIXTURE_TEST_CASE(the_first_leads_and_the_others_follow, Flying)
{
    BOOST_CHECK(lead.role == Role::lead);
    BOOST_CHECK(follow.role == Role::follow);
    BOOST_TEST(follow.ticket.number == lead.ticket.number);
    BOOST_CHECK(follow.seen.state == State::asking);
    BOOST_TEST(follow.seen.leader == 100);
    const auto third = table.join(kKey, kThird, 0);
    BOOST_CHECK(third.role == Role::follow);
    const auto watchers = table.watchers(lead.ticket);
    BOOST_TEST(watches(watchers, kOther));
    BOOST_TEST(watches(watchers, kThird));
    BOOST_TEST(!watches(watchers, kLeader));
}

BOOST_FIXTURE_TEST_CASE(another_key_is_another_flight, Flying)
{
    const auto other = table.join({{7, 2}, {7, 2}}, kOther, 0);
    BOOST_CHECK(other.role == Role::lead);
    BOOST_TEST(other.ticket.number != lead.ticket.number);
}

BOOST_FIXTURE_TEST_CASE(who_follows_learns_where_the_body_is, Flying)
{
    const auto wake = table.publish(lead.ticket, {.entry = 42, .key = {9, 9}, .length = 1000});
    BOOST_TEST(watches(wake, kOther));
    const auto seen = table.look(follow.ticket);
    BOOST_CHECK(seen.state == State::streaming);
    BOOST_TEST(seen.body.entry == 42U);
    BOOST_TEST(seen.body.key.low == 9U);
    BOOST_TEST(seen.body.length == 1000);
}

BOOST_FIXTURE_TEST_CASE(a_published_flight_is_found_under_its_objects_key, Flying)
{
    table.publish(lead.ticket, {.entry = 42, .key = {9, 9}, .length = 1000});
    const auto late = table.join({kHome, {9, 9}}, kThird, 0);
    BOOST_CHECK(late.role == Role::follow);
    BOOST_CHECK(late.seen.state == State::streaming);
    BOOST_CHECK(table.join(kKey, kThird, 0).role == Role::lead);  // other variants' clients
}

BOOST_FIXTURE_TEST_CASE(after_the_end_the_next_leads_and_the_ticket_is_void, Flying)
{
    BOOST_TEST(watches(table.finish(lead.ticket), kOther));
    BOOST_CHECK(table.look(follow.ticket).state == State::over);
    const auto next = table.join(kKey, kOther, 0);
    BOOST_CHECK(next.role == Role::lead);
    BOOST_CHECK(table.look(follow.ticket).state == State::over);
    table.finish(follow.ticket);  // an old ticket ends nothing
    BOOST_CHECK(table.look(next.ticket).state == State::asking);
}

BOOST_FIXTURE_TEST_CASE(a_refused_key_is_asked_for_by_each_alone_for_a_while, Flying)
{
    BOOST_TEST(watches(table.refuse(lead.ticket, 1000, 500), kOther));
    BOOST_CHECK(table.look(follow.ticket).state == State::refused);
    BOOST_CHECK(table.join(kKey, kThird, 1499).role == Role::alone);
    BOOST_CHECK(table.join(kKey, kThird, 1500).role == Role::lead);
}

BOOST_FIXTURE_TEST_CASE(a_refusal_is_forgotten_once_an_answer_was_stored, Flying)
{
    table.refuse(lead.ticket, 1000, 500);
    table.forget_refusal(kKey);
    BOOST_CHECK(table.join(kKey, kThird, 1001).role == Role::lead);
    table.forget_refusal(kKey);  // a flight in the air is no refusal
    BOOST_CHECK(table.join(kKey, kOther, 1001).role == Role::follow);
}

BOOST_FIXTURE_TEST_CASE(a_leader_that_goes_hands_over_to_one_follower, Flying)
{
    BOOST_TEST(watches(table.abandon(lead.ticket), kOther));
    BOOST_CHECK(table.look(follow.ticket).state == State::vacant);
    BOOST_TEST(table.take_over(follow.ticket, kOther));
    BOOST_TEST(!table.take_over(follow.ticket, kThird));
    BOOST_TEST(table.look(follow.ticket).leader == 200);
}

BOOST_FIXTURE_TEST_CASE(a_leader_that_goes_alone_leaves_nothing, Table)
{
    const auto lead = table.join(kKey, kLeader, 0);
    table.abandon(lead.ticket);
    BOOST_CHECK(table.look(lead.ticket).state == State::over);
}

BOOST_FIXTURE_TEST_CASE(whoever_comes_after_the_leader_has_gone_leads, Flying)
{
    table.abandon(lead.ticket);
    BOOST_CHECK(table.join(kKey, kThird, 0).role == Role::lead);
    BOOST_TEST(!table.take_over(follow.ticket, kOther));
}

BOOST_FIXTURE_TEST_CASE(a_dead_leader_is_replaced_before_the_header_and_its_body_not_followed_after, Flying)
{
    BOOST_TEST(!table.take_over(follow.ticket, kOther));
    gone.insert(100);
    BOOST_TEST(table.take_over(follow.ticket, kOther));
    table.publish(follow.ticket, {.entry = 1, .key = kHome, .length = 5});
    gone.insert(200);
    BOOST_TEST(!table.take_over(follow.ticket, kThird));
    const auto next = table.join(kKey, kThird, 0);
    BOOST_CHECK(next.role == Role::lead);
    BOOST_TEST(next.ticket.number != follow.ticket.number);
}

BOOST_FIXTURE_TEST_CASE(a_full_part_of_the_table_leaves_the_next_alone, Table)
{
    unsigned led = 0;
    for (std::uint64_t i = 0; i < 100; ++i) {
        if (table.join({kHome, {7, i}}, kLeader, 0).role == Role::lead) ++led;
    }
    BOOST_TEST(led >= 16U);
    BOOST_TEST(led < 100U);
    BOOST_CHECK(table.join({kHome, {7, 1000}}, kOther, 0).role == Role::alone);
    BOOST_CHECK(table.join({{~0ULL, 0}, {~0ULL, 0}}, kOther, 0).role == Role::lead);  // another part has room
    gone.insert(100);
    BOOST_CHECK(table.join({kHome, {7, 1000}}, kOther, 0).role ==
                Role::lead);  // a dead leader's place is free
}

BOOST_FIXTURE_TEST_CASE(refusals_give_way_to_flights, Table)
{
    for (std::uint64_t i = 0; i < 200; ++i) {
        const auto lead = table.join({kHome, {7, i}}, kLeader, i);
        BOOST_REQUIRE(lead.role == Role::lead);
        table.refuse(lead.ticket, i, 100000);
    }
    BOOST_CHECK(table.join({kHome, {7, 199}}, kOther, 201).role == Role::alone);
    BOOST_CHECK(table.join({kHome, {7, 0}}, kOther, 201).role == Role::lead);
}

BOOST_FIXTURE_TEST_CASE(a_worker_that_cannot_be_woken_still_follows, Flying)
{
    const auto mute = table.join(kKey, {FlightTable::kWorkers, 400}, 0);
    BOOST_CHECK(mute.role == Role::follow);
}

BOOST_FIXTURE_TEST_CASE(a_process_that_dies_inside_leaves_its_part_empty_and_usable, Flying)
{
    // The first thing in a part is its lock: a child takes it and dies.
    const pid_t child = fork();
    if (child == 0) {
        auto* first_shard = static_cast<unsigned char*>(memory) + 64;
        pthread_mutex_lock(reinterpret_cast<pthread_mutex_t*>(first_shard));
        _exit(0);
    }
    waitpid(child, nullptr, 0);
    BOOST_CHECK(table.look(follow.ticket).state == State::over);
    BOOST_CHECK(table.join(kKey, kOther, 0).role == Role::lead);
    BOOST_CHECK(table.join(kKey, kThird, 0).role == Role::follow);
}

BOOST_AUTO_TEST_CASE(memory_of_another_layout_is_not_usable)
{
    alignas(64) static unsigned char zeros[4096];
    BOOST_TEST(!FlightTable::usable(zeros));
}

BOOST_AUTO_TEST_SUITE_END()
