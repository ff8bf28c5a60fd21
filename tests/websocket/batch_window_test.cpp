#include "websocket/batch_window.hpp"

#include <boost/test/unit_test.hpp>

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

BOOST_AUTO_TEST_SUITE_END()

}
