#include "redis/route.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::redis;
using Kind = Refusal::Kind;
using To = Step::To;

namespace {

constexpr Journey kWrite{.reads = false, .at_replica = false, .replicas = true, .hops = 0};
constexpr Journey kRead{.reads = true, .at_replica = false, .replicas = false, .hops = 0};
constexpr Journey kReadAtMaster{.reads = true, .at_replica = false, .replicas = true, .hops = 0};
constexpr Journey kReadAtReplica{.reads = true, .at_replica = true, .replicas = true, .hops = 0};

Refusal refused(Kind kind)
{
    Refusal refusal;
    refusal.kind = kind;
    return refusal;
}

Step step(Kind kind, const Journey& journey)
{
    return after_refusal(refused(kind), journey);
}

}

BOOST_AUTO_TEST_CASE(moved_goes_there_and_wants_a_new_map)
{
    for (const Journey& journey : {kWrite, kRead, kReadAtReplica}) {
        BOOST_TEST((step(Kind::moved, journey) == Step{To::address, true}));
    }
}

BOOST_AUTO_TEST_CASE(ask_goes_there_for_this_once)
{
    for (const Journey& journey : {kWrite, kRead, kReadAtReplica}) {
        BOOST_TEST((step(Kind::ask, journey) == Step{To::asking, false}));
    }
}

BOOST_AUTO_TEST_CASE(a_read_finds_another_copy_where_replicas_may_be_read)
{
    for (const Kind kind : {Kind::loading, Kind::cluster_down, Kind::master_down}) {
        BOOST_TEST((step(kind, kReadAtReplica) == Step{To::master, true}));
        BOOST_TEST((step(kind, kReadAtMaster) == Step{To::replica, true}));
        BOOST_TEST((step(kind, kRead) == Step{To::caller, true}));
        BOOST_TEST((step(kind, kWrite) == Step{To::caller, true}));
    }
    BOOST_TEST((after_loss(kReadAtReplica) == Step{To::master, true}));
    BOOST_TEST((after_loss(kReadAtMaster) == Step{To::replica, true}));
    BOOST_TEST((after_loss(kRead) == Step{To::caller, true}));
}

BOOST_AUTO_TEST_CASE(a_write_whose_answer_was_lost_is_not_sent_twice)
{
    BOOST_TEST((after_loss(kWrite) == Step{To::caller, true}));
}

BOOST_AUTO_TEST_CASE(what_the_server_does_not_want_ends_there)
{
    for (const Kind kind : {Kind::other, Kind::try_again}) {
        BOOST_TEST((step(kind, kWrite) == Step{To::caller, false}));
        BOOST_TEST((step(kind, kReadAtReplica) == Step{To::caller, false}));
    }
    BOOST_TEST((step(Kind::read_only, kWrite) == Step{To::caller, true}));
}

BOOST_AUTO_TEST_CASE(no_command_travels_for_ever)
{
    for (int kind = 0; kind <= static_cast<int>(Kind::master_down); ++kind) {
        for (Journey journey : {kWrite, kRead, kReadAtMaster, kReadAtReplica}) {
            unsigned sent_on = 0;
            while (step(static_cast<Kind>(kind), journey).to != To::caller && sent_on < 100) {
                journey.hops = ++sent_on;
                journey.at_replica = !journey.at_replica;
            }
            BOOST_TEST(sent_on <= kMostHops);
        }
    }
    Journey journey = kReadAtReplica;
    unsigned sent_on = 0;
    while (after_loss(journey).to != To::caller && sent_on < 100) journey.hops = ++sent_on;
    BOOST_TEST(sent_on == kMostHops);
}
