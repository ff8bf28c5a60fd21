#include "websocket/batch_window.hpp"

#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <deque>
#include <random>
#include <utility>

namespace edge::websocket {

namespace {

using Verdict = BatchWindow::Verdict;
using Cause = BatchWindow::Cause;

struct Busy {  // a window that flushed at t = 1000
    BatchWindow window{{.messages = 3, .bytes = 100, .delay_ms = 50}};
    Busy()
    {
        window.on_message(1000, 1, false);
        window.flushed();
    }
};

struct Fitted {  // segments of 100 bytes; flushed at t = 1000
    BatchWindow window{{.messages = 8, .bytes = 1000, .delay_ms = 40}};
    Fitted()
    {
        window.fit(Segments{100, 0});
        window.on_message(1000, 1, false);
        window.flushed();
    }
};

}

BOOST_AUTO_TEST_SUITE(websocket_batch_window)

BOOST_AUTO_TEST_CASE(the_first_message_of_all_goes_at_once)
{
    BatchWindow window{{.messages = 3, .bytes = 100, .delay_ms = 50}};
    BOOST_TEST(!window.deadline().has_value());
    BOOST_TEST((window.on_message(0, 1, false) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::first));
}

BOOST_FIXTURE_TEST_CASE(messages_inside_the_window_wait_for_its_end, Busy)
{
    BOOST_TEST(!window.deadline().has_value());
    BOOST_TEST((window.on_message(1010, 1, false) == Verdict::hold));
    BOOST_TEST(window.deadline().value() == 1060u);
    BOOST_TEST((window.on_message(1059, 1, false) == Verdict::hold));
    BOOST_TEST(window.deadline().value() == 1060u);
    BOOST_TEST(window.held_since() == 1010u);
}

BOOST_FIXTURE_TEST_CASE(a_burst_lasts_until_the_delay_has_passed_since_the_last_message, Busy)
{
    BOOST_TEST(!BatchWindow{{}}.in_burst(0));
    BOOST_TEST(window.in_burst(1000));
    BOOST_TEST(window.in_burst(1049));
    BOOST_TEST(!window.in_burst(1050));
    window.on_message(1040, 1, false);
    BOOST_TEST(window.in_burst(1089));
    BOOST_TEST(!window.in_burst(1090));
    BOOST_TEST(window.in_burst(900), "a clock that jumped back");
}

BOOST_FIXTURE_TEST_CASE(a_message_after_a_pause_goes_at_once, Busy)
{
    BOOST_TEST((window.on_message(1050, 1, false) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::first));
}

BOOST_FIXTURE_TEST_CASE(a_message_a_moment_before_the_pause_is_over_waits, Busy)
{
    BOOST_TEST((window.on_message(1049, 1, false) == Verdict::hold));
}

BOOST_FIXTURE_TEST_CASE(a_flush_starts_the_next_window, Busy)
{
    window.on_message(1010, 1, false);
    window.on_message(1050, 1, false);
    window.flushed();
    BOOST_TEST(!window.deadline().has_value());
    BOOST_TEST((window.on_message(1070, 1, false) == Verdict::hold));
    BOOST_TEST(window.deadline().value() == 1120u);
}

BOOST_FIXTURE_TEST_CASE(a_pause_begins_with_the_last_message_and_not_with_its_flush, Busy)
{
    window.on_message(1010, 1, false);
    window.flushed();  // at 1060
    BOOST_TEST((window.on_message(1061, 1, false) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::first));
}

BOOST_FIXTURE_TEST_CASE(a_control_frame_takes_along_what_is_held_and_ends_no_pause, Busy)
{
    window.on_message(1010, 1, false);
    window.on_control(6);
    BOOST_TEST((window.cause() == Cause::urgent));
    BOOST_TEST(window.held_messages() == 1u);
    BOOST_TEST(window.held_bytes() == 7u);
    window.flushed();
    window.on_control(6);
    window.flushed();
    BOOST_TEST((window.on_message(1061, 1, false) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::first));
}

BOOST_FIXTURE_TEST_CASE(enough_messages_leave_before_the_delay_is_over, Busy)
{
    BOOST_TEST((window.on_message(1001, 1, false) == Verdict::hold));
    BOOST_TEST((window.on_message(1001, 1, false) == Verdict::hold));
    BOOST_TEST((window.on_message(1001, 1, false) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::messages));
    BOOST_TEST(window.held_messages() == 3u);
}

BOOST_FIXTURE_TEST_CASE(enough_bytes_leave_before_the_delay_is_over, Busy)
{
    BOOST_TEST((window.on_message(1001, 99, false) == Verdict::hold));
    BOOST_TEST((window.on_message(1001, 1, false) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::bytes));
}

BOOST_FIXTURE_TEST_CASE(an_urgent_one_takes_along_what_is_held, Busy)
{
    window.on_message(1001, 1, false);
    BOOST_TEST((window.on_message(1002, 1, true) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::urgent));
    BOOST_TEST(window.held_messages() == 2u);
}

BOOST_FIXTURE_TEST_CASE(a_late_timer_is_made_up_for_by_the_next_message, Busy)
{
    window.on_message(1010, 1, false);
    BOOST_TEST((window.on_message(1060, 1, false) == Verdict::flush));
    BOOST_TEST((window.cause() == Cause::delay));
}

BOOST_AUTO_TEST_CASE(without_delay_nothing_is_held)
{
    BatchWindow window{{.messages = 50, .bytes = 1000, .delay_ms = 0}};
    for (int i = 0; i < 5; ++i) {
        BOOST_TEST((window.on_message(1000, 1, false) == Verdict::flush));
        window.flushed();
    }
}

BOOST_FIXTURE_TEST_CASE(a_clock_that_jumps_back_holds_no_message_forever, Busy)
{
    BOOST_TEST((window.on_message(10, 1, false) == Verdict::hold));
    BOOST_TEST(window.deadline().value() == 60u);
    window.flushed();
    BOOST_TEST((window.on_message(1051, 1, false) == Verdict::flush));
}

BOOST_FIXTURE_TEST_CASE(what_fills_no_segment_stays_until_its_own_time_is_over, Fitted)
{
    window.on_message(1010, 60, false);
    window.on_message(1020, 30, false);
    window.on_message(1025, 20, false);  // 10 bytes of it are in the first segment
    window.on_message(1030, 15, false);
    BOOST_TEST(window.leaving(Cause::delay, 1050) == 100u);
    BOOST_TEST(window.staying() == 2u);
    window.flushed(100);
    BOOST_TEST(window.held_messages() == 2u);
    BOOST_TEST(window.held_bytes() == 25u);
    BOOST_TEST(window.deadline().value() == 1065u);
    BOOST_TEST(window.leaving(Cause::delay, 1065) == 25u);
    window.flushed(25);
    BOOST_TEST(!window.deadline().has_value());
}

BOOST_FIXTURE_TEST_CASE(what_stayed_fills_the_next_segment_with_what_comes, Fitted)
{
    window.on_message(1010, 110, false);
    window.on_message(1025, 10, false);
    window.flushed(window.leaving(Cause::bytes, 1026));
    BOOST_TEST(window.held_bytes() == 20u);
    window.on_message(1027, 80, false);
    BOOST_TEST(window.leaving(Cause::bytes, 1027) == 100u);
    window.flushed(100);
    BOOST_TEST(window.held_messages() == 0u);
    BOOST_TEST(!window.deadline().has_value());
}

BOOST_FIXTURE_TEST_CASE(what_would_have_to_follow_in_a_moment_goes_along, Fitted)
{
    window.on_message(1010, 60, false);
    window.on_message(1019, 60, false);
    BOOST_TEST(window.leaving(Cause::delay, 1050) == 120u);
    BOOST_TEST(window.leaving(Cause::delay, 1048) == 100u);
}

BOOST_FIXTURE_TEST_CASE(a_batch_of_less_than_a_segment_goes_whole, Fitted)
{
    window.on_message(1010, 60, false);
    window.on_message(1045, 30, false);
    BOOST_TEST(window.leaving(Cause::delay, 1050) == 90u);
}

BOOST_FIXTURE_TEST_CASE(nothing_stays_behind_what_may_not_wait, Fitted)
{
    window.on_message(1010, 110, false);
    window.on_message(1020, 10, false);
    for (const Cause cause : {Cause::first, Cause::urgent, Cause::stream, Cause::close, Cause::drain})
        BOOST_TEST(window.leaving(cause, 1021) == 120u);
    for (const Cause cause : {Cause::messages, Cause::bytes, Cause::delay})
        BOOST_TEST(window.leaving(cause, 1021) == 100u);
}

// Whatever comes, no message waits for longer than the delay if each deadline is kept.
BOOST_DATA_TEST_CASE(no_message_waits_longer_than_the_delay, boost::unit_test::data::make({0U, 29U}))
{
    std::mt19937 random{11};
    BatchWindow window{{.messages = 9, .bytes = 900, .delay_ms = 20}};
    window.fit(Segments{200, sample});
    std::deque<std::pair<std::uint64_t, std::uint64_t>> held;  // when it came, bytes left
    std::uint64_t longest = 0;
    const auto flush = [&](Cause cause, std::uint64_t now) {
        std::uint64_t bytes = window.leaving(cause, now);
        window.flushed(bytes);
        while (!held.empty() && held.front().second <= bytes) {
            bytes -= held.front().second;
            longest = std::max(longest, now - held.front().first);
            held.pop_front();
        }
        if (bytes != 0) held.front().second -= bytes;
        BOOST_REQUIRE(held.size() <= window.held_messages());
        if (sample == 0) BOOST_REQUIRE(held.size() == window.held_messages());
    };
    std::uint64_t now = 1000;
    for (int i = 0; i < 20000; ++i) {
        now += random() % (random() % 10 == 0 ? 60 : 3);
        while (window.deadline() && *window.deadline() <= now) flush(Cause::delay, *window.deadline());
        const std::uint32_t bytes = 1 + random() % (random() % 20 == 0 ? 700 : 60);
        held.emplace_back(now, bytes);
        if (window.on_message(now, bytes, random() % 50 == 0) == Verdict::flush) flush(window.cause(), now);
    }
    BOOST_TEST(longest == 20u);
}

BOOST_AUTO_TEST_CASE(of_many_segments_the_last_one_goes_with_the_others)
{
    for (const auto& [bytes, leaving] : {std::pair{11'050U, 11'000U}, std::pair{13'050U, 13'050U}}) {
        BatchWindow window{{.messages = 9, .bytes = 90'000, .delay_ms = 20}};
        window.fit(Segments{1000, 0});
        window.on_message(1000, 1, false);
        window.flushed();
        window.on_message(1001, 1000, false);
        window.on_message(1015, bytes - 1000, false);
        BOOST_TEST(window.leaving(Cause::delay, 1016) == leaving);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}
