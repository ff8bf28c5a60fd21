#include <boost/test/unit_test.hpp>
#include <cstring>

#include "cache/zone_lock.hpp"
#include "cache/zone_processes.hpp"

using namespace edge::cache;
using zone::Mutex;
using zone::Taken;

namespace {

struct Lock {
    Shared<Mutex> mutex;
    Shared<std::atomic<int>> step;

    Lock() { zone::make_mutex(*mutex); }
    /// A process that takes the mutex and dies, or waits, with it.
    Child holder()
    {
        return Child{[this] {
            zone::lock_mutex(*mutex);
            step->store(1);
            while (step->load() == 1) usleep(100);
            return 0;
        }};
    }
    void wait_for(int value) const
    {
        while (step->load() != value) usleep(100);
    }
};

}

BOOST_AUTO_TEST_SUITE(zone_lock)

BOOST_FIXTURE_TEST_CASE(a_mutex_that_somebody_alive_holds_is_not_taken, Lock)
{
    Child child = holder();
    wait_for(1);
    BOOST_CHECK(zone::try_lock_mutex(*mutex) == Taken::no);
    BOOST_TEST(child.kill_now());
}

BOOST_FIXTURE_TEST_CASE(the_next_owner_learns_of_a_death_until_one_has_repaired, Lock)
{
    Child child = holder();
    wait_for(1);
    BOOST_TEST(child.kill_now());
    {
        // It dies before it has repaired.
        Child second{[this] { return zone::lock_mutex(*mutex) == Taken::owner_died ? 7 : 8; }};
        BOOST_TEST(second.wait() == 7);
    }
    BOOST_CHECK(zone::try_lock_mutex(*mutex) == Taken::owner_died);
    zone::mark_consistent(*mutex);
    zone::unlock_mutex(*mutex);
    BOOST_CHECK(zone::lock_mutex(*mutex) == Taken::clean);
    zone::unlock_mutex(*mutex);
}

BOOST_FIXTURE_TEST_CASE(whoever_waits_is_told_of_the_death, Lock)
{
    Child child = holder();
    wait_for(1);
    Child waiter{[this] { return zone::lock_mutex(*mutex) == Taken::owner_died ? 7 : 8; }};
    usleep(20000);
    BOOST_TEST(child.kill_now());
    BOOST_TEST(waiter.wait() == 7);
}

BOOST_FIXTURE_TEST_CASE(a_wake_up_that_died_with_another_process_keeps_nobody_waiting, Lock)
{
    Child child = holder();
    wait_for(1);
    Child waiter{[this] {
        step->store(2);
        zone::lock_mutex(*mutex);
        return 7;
    }};
    wait_for(2);
    usleep(50000);
    // What is left of an unlock whose wake-up was lost: the futex, glibc's first word, is free.
    const std::uint32_t unlocked = 0;
    std::memcpy(mutex->storage, &unlocked, sizeof unlocked);
    BOOST_TEST(waiter.wait() == 7);
}

BOOST_AUTO_TEST_SUITE_END()
