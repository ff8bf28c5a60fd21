#include "redis/breaker.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::redis;

BOOST_AUTO_TEST_SUITE(redis_breaker)

namespace {

using State = Breaker::State;

const Breaker::Limits kLimits{
    .in_a_row = 3, .share = 50, .window_ms = 10'000, .open_ms = 500, .longest_ms = 1'500};

struct Open {
    Breaker breaker{kLimits};
    Open()
    {
        for (int i = 0; i < 3; ++i) breaker.failed(1000);
    }
};

}

BOOST_AUTO_TEST_CASE(a_row_of_failures_opens_it)
{
    Breaker breaker{kLimits};
    BOOST_TEST(!breaker.failed(1));
    BOOST_TEST(!breaker.failed(2));
    BOOST_TEST(breaker.allows());
    BOOST_TEST(breaker.failed(3));
    BOOST_TEST(!breaker.allows());
    BOOST_CHECK(breaker.state() == State::open);
    BOOST_TEST(breaker.probe_at() == 503U);
}

BOOST_AUTO_TEST_CASE(a_success_ends_the_row)
{
    Breaker breaker{kLimits};
    for (int i = 0; i < 100; ++i) {
        BOOST_TEST(!breaker.failed(i));
        BOOST_TEST(!breaker.failed(i));
        for (int k = 0; k < 3; ++k) breaker.succeeded(i);
    }
    BOOST_TEST(breaker.allows());
}

BOOST_AUTO_TEST_CASE(a_node_that_is_too_slow_for_half_of_its_commands_opens_it)
{
    Breaker breaker{kLimits};
    bool opened = false;
    int outcomes = 0;
    for (; outcomes < 100 && !opened; ++outcomes) {
        if (outcomes % 2 == 0) {
            breaker.succeeded(outcomes);
        } else {
            opened = breaker.failed(outcomes);
        }
    }
    BOOST_TEST(opened);
    BOOST_TEST(outcomes >= static_cast<int>(Breaker::kWindow));  // a few say nothing
}

BOOST_AUTO_TEST_CASE(failures_of_long_ago_do_not_count)
{
    Breaker breaker{kLimits};
    for (int i = 0; i < 40; ++i) {
        breaker.succeeded(1000);
        BOOST_TEST(!breaker.failed(1000 + i * 20'000));
        breaker.succeeded(1000 + i * 20'000);
    }
    BOOST_TEST(breaker.allows());
}

BOOST_FIXTURE_TEST_CASE(while_open_nothing_but_a_probe_counts, Open)
{
    breaker.succeeded(1100);
    BOOST_TEST(!breaker.failed(1200));
    BOOST_TEST(!breaker.probed(true, 1300));
    BOOST_CHECK(breaker.state() == State::open);
    BOOST_TEST(breaker.probe_at() == 1500U);
}

BOOST_FIXTURE_TEST_CASE(a_probe_that_is_answered_closes_it, Open)
{
    breaker.probing();
    BOOST_CHECK(breaker.state() == State::half_open);
    BOOST_TEST(!breaker.allows());
    BOOST_TEST(breaker.probed(true, 1510));
    BOOST_TEST(breaker.allows());
    BOOST_TEST(!breaker.failed(1520));  // the row begins anew
}

BOOST_FIXTURE_TEST_CASE(each_probe_that_fails_doubles_the_time_to_the_next_up_to_the_longest, Open)
{
    breaker.probing();
    BOOST_TEST(!breaker.probed(false, 2000));
    BOOST_TEST(breaker.probe_at() == 3000U);
    breaker.probing();
    breaker.probed(false, 4000);
    BOOST_TEST(breaker.probe_at() == 5500U);
    breaker.probing();
    breaker.probed(false, 6000);
    BOOST_TEST(breaker.probe_at() == 7500U);
    breaker.probing();
    breaker.probed(true, 8000);
    for (int i = 0; i < 3; ++i) breaker.failed(9000);
    BOOST_TEST(breaker.probe_at() == 9500U);  // and begins with the shortest again
}

BOOST_AUTO_TEST_SUITE_END()
