#include "websocket/relay.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "websocket/drain.hpp"
#include "websocket/peer.hpp"

namespace edge::websocket {

namespace {

using namespace std::string_literals;
using test::Frame;
using test::kMask;
using test::wire;
using Frames = std::vector<Frame>;

const Agreement kPlain{};

std::string close_payload(int code, std::string_view reason = {})
{
    return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)}.append(reason);
}

struct Rig {
    RelaySettings settings;
    MemoryCount memory;
    std::optional<Relay> made;
    Relay& relay()
    {
        if (!made) made.emplace(settings, kPlain, 42, memory);
        return *made;
    }
    void client(std::string bytes, std::uint64_t now = 1000)
    {
        BOOST_TEST(relay().from_client(test::bytes_of(bytes), now) == bytes.size());
    }
    void client(const Frame& frame) { client(wire(frame, kMask)); }
    void upstream(std::string bytes, std::uint64_t now = 1000)
    {
        relay().from_upstream(test::bytes_of(bytes), now);
    }
    void upstream(const Frame& frame) { upstream(wire(frame)); }
    Frames to_client() { return test::read_frames(test::drain(relay().to_client()), false).value(); }
    Frames to_upstream() { return test::read_frames(test::drain(relay().to_upstream()), true).value(); }
};

}

BOOST_AUTO_TEST_SUITE(websocket_relay)

BOOST_FIXTURE_TEST_CASE(a_close_of_the_client_and_its_answer_pass_and_end_it, Rig)
{
    client(Frame{Opcode::close, close_payload(3001, "enough")});
    BOOST_TEST((to_upstream() == Frames{{Opcode::close, close_payload(3001, "enough")}}));
    BOOST_TEST(to_client().empty());
    BOOST_TEST(relay().closing());
    BOOST_TEST(!relay().ended());
    upstream(Frame{Opcode::text, "still on its way"});
    upstream(Frame{Opcode::close, close_payload(3001)});
    BOOST_TEST(
        (to_client() == Frames{{Opcode::text, "still on its way"}, {Opcode::close, close_payload(3001)}}));
    BOOST_TEST(relay().ended());
    BOOST_TEST((relay().close_code() == static_cast<CloseCode>(3001)));
    BOOST_TEST(!relay().violation().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_close_of_the_upstream_and_its_answer_pass_and_end_it, Rig)
{
    upstream(Frame{Opcode::close, ""});
    BOOST_TEST((to_client() == Frames{{Opcode::close, ""}}));
    BOOST_TEST(!relay().ended());
    client(Frame{Opcode::close, ""});
    BOOST_TEST((to_upstream() == Frames{{Opcode::close, ""}}));
    BOOST_TEST(relay().ended());
    BOOST_TEST((relay().close_code() == CloseCode::no_code));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_violates_gets_the_answers_to_what_it_said_before_and_is_told_why, Rig)
{
    upstream(Frame{Opcode::text, "one"});
    client(Frame{Opcode::text, "good"});
    client(Frame{Opcode::text, "\xFF"});
    BOOST_TEST((to_upstream() == Frames{{Opcode::text, "good"}, {Opcode::close, close_payload(1001)}}));
    BOOST_TEST(relay().client_failed());
    BOOST_TEST(!relay().wants_client());
    BOOST_TEST(relay().wants_upstream());
    BOOST_TEST(!relay().ended());
    // Whatever else the client says is swallowed.
    client(Frame{Opcode::text, "more"});
    BOOST_TEST(to_upstream().empty());
    upstream(Frame{Opcode::text, "to the good one"});
    upstream(Frame{Opcode::close, close_payload(1001, "so be it")});
    BOOST_TEST((to_client() == Frames{{Opcode::text, "one"},
                                      {Opcode::text, "to the good one"},
                                      {Opcode::close, close_payload(1007, "text that is not UTF-8")}}));
    BOOST_TEST(relay().ended());
    BOOST_TEST((relay().close_code() == CloseCode::bad_data));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_violates_is_told_why_in_time_whatever_the_upstream_does, Rig)
{
    upstream(Frame{Opcode::text, "one"});
    client("\x83\x80\x01\x02\x03\x04"s, 2000);
    BOOST_TEST((relay().deadline() == 2000 + Relay::kAnswersMs));
    upstream(wire(Frame{Opcode::text, "held"}), 2999);
    relay().on_deadline(2999);
    BOOST_TEST(!relay().ended());
    relay().on_deadline(3000);
    BOOST_TEST(relay().ended());
    BOOST_TEST((to_client() == Frames{{Opcode::text, "one"},
                                      {Opcode::text, "held"},
                                      {Opcode::close, close_payload(1002, "reserved opcode")}}));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_violates_is_told_why_when_the_upstream_ends_or_violates_too, Rig)
{
    client(Frame{Opcode::text, "\xFF"});
    relay().upstream_ended(1001);
    BOOST_TEST((to_client() == Frames{{Opcode::close, close_payload(1007, "text that is not UTF-8")}}));
    BOOST_TEST(relay().ended());

    Rig other;
    other.client(Frame{Opcode::text, "\xFF"});
    other.upstream("\x83\x00"s);
    BOOST_TEST((other.to_client() == Frames{{Opcode::close, close_payload(1007, "text that is not UTF-8")}}));
    BOOST_TEST(other.relay().ended());
}

BOOST_FIXTURE_TEST_CASE(a_client_that_violates_after_the_upstream_said_close_is_waited_for_no_more, Rig)
{
    upstream(Frame{Opcode::close, close_payload(1000)});
    client(Frame{Opcode::text, "\xFF"});
    BOOST_TEST((to_client() == Frames{{Opcode::close, close_payload(1000)}}));
    BOOST_TEST(relay().ended());
}

BOOST_FIXTURE_TEST_CASE(an_upstream_that_violates_is_told_why_and_the_client_sees_1011, Rig)
{
    upstream(Frame{Opcode::text, "one"});
    upstream(Frame{Opcode::text, "held"});
    upstream("\x83\x00"s);
    BOOST_TEST((to_upstream() == Frames{{Opcode::close, close_payload(1002, "reserved opcode")}}));
    const Frames got = to_client();
    BOOST_REQUIRE(got.size() == 3u);
    BOOST_TEST(got[1].payload == "held");
    BOOST_TEST(got[2].payload.substr(0, 2) == close_payload(1011));
    BOOST_TEST(relay().upstream_failed());
    BOOST_TEST(!relay().wants_upstream());
    BOOST_TEST(!relay().ended());
    client(Frame{Opcode::close, close_payload(1011)});
    BOOST_TEST(relay().ended());
    BOOST_TEST(to_upstream().empty());
}

BOOST_FIXTURE_TEST_CASE(an_upstream_that_vanishes_gives_the_client_all_it_sent_and_a_clean_close, Rig)
{
    upstream(Frame{Opcode::text, "one"});
    upstream(Frame{Opcode::text, "held"});
    relay().upstream_ended(1001);
    const Frames got = to_client();
    BOOST_REQUIRE(got.size() == 3u);
    BOOST_TEST(got[1].payload == "held");
    BOOST_TEST(got[2].payload.substr(0, 2) == close_payload(1011));
    BOOST_TEST(!relay().ended());
    // However much the client sends before it answers, nothing piles up.
    for (int i = 0; i < 10; ++i) client(Frame{Opcode::binary, std::string(60000, 'x')});
    BOOST_TEST(relay().wants_client());
    BOOST_TEST(relay().to_upstream().size() == 0u);
    client(Frame{Opcode::close, close_payload(1011)});
    BOOST_TEST(relay().ended());
}

BOOST_FIXTURE_TEST_CASE(an_upstream_that_does_not_answer_a_close_but_ends_is_answered_for, Rig)
{
    client(Frame{Opcode::close, close_payload(1000, "bye")});
    relay().upstream_ended(1001);
    BOOST_TEST((to_client() == Frames{{Opcode::close, close_payload(1000)}}));
    BOOST_TEST(relay().ended());
}

BOOST_FIXTURE_TEST_CASE(a_large_frame_cut_off_by_the_upstream_gets_no_close_in_its_midst, Rig)
{
    settings.whole = 100;
    const std::string large = wire({Opcode::binary, std::string(1000, 'x')}).substr(0, 500);
    upstream(large);
    relay().upstream_ended(1001);
    BOOST_TEST(test::drain(relay().to_client()) == large);
    BOOST_TEST(relay().ended());
    BOOST_TEST((relay().close_code() == CloseCode::abnormal));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_vanishes_ends_it, Rig)
{
    client(Frame{Opcode::text, "last words"});
    relay().client_ended(false);
    BOOST_TEST(relay().ended());
    BOOST_TEST((to_upstream() == Frames{{Opcode::text, "last words"}}));
    BOOST_TEST((relay().close_code() == CloseCode::abnormal));
}

BOOST_FIXTURE_TEST_CASE(draining_loses_no_message_of_the_client_and_passes_on_its_answer, Rig)
{
    upstream(Frame{Opcode::text, "one"});
    upstream(Frame{Opcode::text, "held"});
    BOOST_TEST(relay().close_client(CloseCode::going_away, "reload", 1002));
    BOOST_TEST((relay().take_flush().value().cause == BatchWindow::Cause::drain));
    BOOST_TEST(!relay().close_client(CloseCode::going_away, "reload", 1003));
    client(Frame{Opcode::text, "was on its way"});
    upstream(Frame{Opcode::text, "too late"});
    client(Frame{Opcode::close, close_payload(1001)});
    BOOST_TEST(
        (to_upstream() == Frames{{Opcode::text, "was on its way"}, {Opcode::close, close_payload(1001)}}));
    BOOST_TEST(!relay().ended());
    upstream(Frame{Opcode::close, close_payload(1001)});
    BOOST_TEST((to_client() == Frames{{Opcode::text, "one"},
                                      {Opcode::text, "held"},
                                      {Opcode::close, close_payload(1001, "reload")}}));
    BOOST_TEST(relay().ended());
    BOOST_TEST((relay().close_code() == CloseCode::going_away));
}

BOOST_FIXTURE_TEST_CASE(a_client_that_ends_its_side_after_its_close_gets_the_answer, Rig)
{
    client(Frame{Opcode::close, close_payload(1000)});
    relay().client_ended(false);
    BOOST_TEST(!relay().wants_client());
    BOOST_TEST(!relay().client_gone());
    BOOST_TEST(!relay().ended());
    upstream(Frame{Opcode::text, "still on its way"});
    upstream(Frame{Opcode::close, close_payload(1000)});
    BOOST_TEST(
        (to_client() == Frames{{Opcode::text, "still on its way"}, {Opcode::close, close_payload(1000)}}));
    BOOST_TEST(relay().ended());
}

BOOST_FIXTURE_TEST_CASE(nobody_waits_for_a_client_whose_connection_broke, Rig)
{
    client(Frame{Opcode::close, close_payload(1000)});
    relay().client_ended(true);
    BOOST_TEST(relay().client_gone());
    BOOST_TEST(relay().ended());
}

BOOST_FIXTURE_TEST_CASE(a_silent_client_is_pinged_and_closed_if_it_stays_silent, Rig)
{
    settings.ping_after_ms = 1000;
    settings.ping_timeout_ms = 500;
    client(Frame{Opcode::text, "x"});
    BOOST_TEST(!relay().keep_alive(1999));
    BOOST_TEST(relay().keep_alive(2000));
    const Frames ping = to_client();
    BOOST_REQUIRE(ping.size() == 1u);
    BOOST_TEST((ping[0].opcode == Opcode::ping));
    BOOST_TEST(!relay().keep_alive(2499));
    client(wire({Opcode::pong, ping[0].payload}, kMask), 2499);
    BOOST_TEST(!relay().keep_alive(2600));
    BOOST_TEST(relay().keep_alive(3499));
    to_client();
    client(wire({Opcode::text, "anything will do"}, kMask), 3500);
    BOOST_TEST(!relay().keep_alive(4499));
    BOOST_TEST(relay().keep_alive(4500));
    to_client();
    BOOST_TEST(relay().keep_alive(5000));
    BOOST_TEST((to_client() == Frames{{Opcode::close, close_payload(1001, "no answer to a ping")}}));
    BOOST_TEST(!relay().keep_alive(9000));
}

BOOST_FIXTURE_TEST_CASE(a_keep_alive_ping_is_between_the_edge_and_the_client, Rig)
{
    BOOST_TEST(relay().ping_client(7, 1000));
    const Frames ping = to_client();
    BOOST_REQUIRE(ping.size() == 1u);
    BOOST_TEST((ping[0].opcode == Opcode::ping));
    BOOST_TEST(!relay().pong_came());
    client(Frame{Opcode::pong, ping[0].payload});
    BOOST_TEST(relay().pong_came());
    BOOST_TEST(to_upstream().empty());
    BOOST_TEST(!relay().closing());
}

BOOST_FIXTURE_TEST_CASE(a_deadline_flushes_when_it_has_come_and_not_before, Rig)
{
    upstream(wire({Opcode::text, "one"}), 1000);
    upstream(wire({Opcode::text, "two"}), 1005);
    to_client();
    BOOST_TEST(relay().deadline().value() == 1025u);
    relay().on_deadline(1024);
    BOOST_TEST(to_client().empty());
    relay().on_deadline(1025);
    BOOST_TEST(to_client().size() == 1u);
    BOOST_TEST(!relay().deadline().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_slow_side_stops_the_other_from_being_read, Rig)
{
    settings.buffer = 1000;
    upstream(Frame{Opcode::text, std::string(2000, 'x')});
    BOOST_TEST(!relay().wants_upstream());
    BOOST_TEST(relay().wants_client());
    to_client();
    BOOST_TEST(relay().wants_upstream());
    std::string two = wire({Opcode::text, std::string(2000, 'x')}, kMask);
    const std::size_t size = two.size();
    two += two;
    const std::size_t taken = relay().from_client(test::bytes_of(two), 1000);
    BOOST_TEST(taken == size);
    BOOST_TEST(!relay().wants_client());
    to_upstream();
    BOOST_TEST(relay().wants_client());
    client(two.substr(taken));
    BOOST_TEST(to_upstream().size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}
