#include "websocket/downstream.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "websocket/batch_entries.hpp"
#include "websocket/drain.hpp"
#include "websocket/peer.hpp"

namespace edge::websocket {

namespace {

using namespace std::string_literals;
using test::Frame;
using test::wire;
using Cause = BatchWindow::Cause;

const Agreement kPlain{};
const Agreement kDeflate{.mode = Agreement::Mode::edge_deflate, .parameters = {}};
const Agreement kPacked{.mode = Agreement::Mode::plain, .parameters = {}, .pack = true};

struct Rig {
    RelaySettings settings;
    MemoryCount memory;
    std::optional<Downstream> made;
    Downstream& down(const Agreement& agreement = kPlain)
    {
        if (!made) made.emplace(settings, agreement, memory);
        return *made;
    }
    std::optional<Violation> feed(std::string bytes, std::uint64_t now = 1000)
    {
        return down().feed(test::bytes_of(bytes), now);
    }
    std::optional<Violation> feed(const Frame& frame, std::uint64_t now = 1000)
    {
        return feed(wire(frame), now);
    }
    std::string out() { return test::drain(down().queue()); }
    std::vector<Frame> frames()
    {
        auto frames = test::read_frames(out(), false);
        BOOST_REQUIRE(frames.has_value());
        return *frames;
    }
    // Something has just been flushed at 1000: what follows is held.
    void busy()
    {
        feed({Opcode::text, "first"});
        out();
        down().take_flush();
    }
};

}

BOOST_AUTO_TEST_SUITE(websocket_downstream)

BOOST_FIXTURE_TEST_CASE(frames_pass_unchanged_without_a_transform, Rig)
{
    const std::vector<Frame> frames{{Opcode::text, "a"},
                                    {Opcode::binary, "\x00\xFF"s},
                                    {Opcode::text, "b", false},
                                    {Opcode::ping, "p"},
                                    {Opcode::continuation, "c", false},
                                    {Opcode::continuation, ""},
                                    {Opcode::text, ""},
                                    {Opcode::binary, std::string(200000, 'x')},
                                    {Opcode::pong, ""}};
    std::string all;
    for (const Frame& frame : frames) all += wire(frame);
    BOOST_TEST(!feed(all).has_value());
    BOOST_TEST((out() == all));
    BOOST_TEST(down().counts().messages == 5u);
    BOOST_TEST(down().counts().frame_bytes_in == all.size());
    BOOST_TEST(down().counts().frame_bytes_out == all.size());
    BOOST_TEST(down().counts().streamed == 1u);
}

BOOST_FIXTURE_TEST_CASE(the_first_message_goes_at_once_and_those_after_it_together, Rig)
{
    feed({Opcode::text, "a"}, 1000);
    BOOST_TEST(out() == wire({Opcode::text, "a"}));
    BOOST_TEST((down().take_flush().value().cause == Cause::first));
    BOOST_TEST(!down().deadline().has_value());
    feed({Opcode::text, "b"}, 1005);
    feed({Opcode::text, "c"}, 1010);
    BOOST_TEST(out() == "");
    BOOST_TEST(!down().take_flush().has_value());
    BOOST_TEST(down().deadline().value() == 1025u);
    down().flush(Cause::delay, 1025);
    BOOST_TEST(out() == wire({Opcode::text, "b"}) + wire({Opcode::text, "c"}));
    const Flush flush = down().take_flush().value();
    BOOST_TEST((flush.cause == Cause::delay));
    BOOST_TEST(flush.messages == 2u);
    BOOST_TEST(flush.bytes == 6u);
    BOOST_TEST(flush.held_ms == 20u);
}

BOOST_FIXTURE_TEST_CASE(what_came_in_one_read_with_the_first_message_leaves_with_it, Rig)
{
    const std::string both = wire({Opcode::text, "a"}) + wire({Opcode::text, "b"});
    feed(both);
    BOOST_TEST(out() == both);
    BOOST_TEST(down().take_flush().value().messages == 2u);
}

BOOST_FIXTURE_TEST_CASE(enough_messages_or_bytes_leave_before_the_delay, Rig)
{
    settings.batch = {.messages = 3, .bytes = 1000, .delay_ms = 20};
    busy();
    feed({Opcode::text, "a"});
    feed({Opcode::text, "b"});
    BOOST_TEST(out() == "");
    feed({Opcode::text, "c"});
    BOOST_TEST(frames().size() == 3u);
    feed({Opcode::text, "a"});
    feed({Opcode::text, std::string(2000, 'x')});
    BOOST_TEST((down().take_flush().value().cause == Cause::bytes));
    BOOST_TEST(frames().size() == 2u);
}

BOOST_FIXTURE_TEST_CASE(a_batch_leaves_what_fills_no_segment_for_the_next_one, Rig)
{
    down().fit(Segments{1000, 0});
    busy();
    const std::string first = wire({Opcode::text, std::string(700, 'a')});
    const std::string second = wire({Opcode::text, std::string(700, 'b')});
    feed(first, 1001);
    feed(second, 1011);
    down().flush(Cause::delay, down().deadline().value());
    BOOST_TEST((out() == (first + second).substr(0, 1000)));
    const Flush flush = down().take_flush().value();
    BOOST_TEST(flush.messages == 1u);
    BOOST_TEST(flush.bytes == 1000u);
    BOOST_TEST(down().deadline().value() == 1031u);
    down().flush(Cause::delay, 1031);
    BOOST_TEST((out() == (first + second).substr(1000)));
    BOOST_TEST(down().take_flush().value().messages == 1u);
    BOOST_TEST(!down().deadline().has_value());
}

BOOST_FIXTURE_TEST_CASE(nothing_stays_behind_a_control_frame_that_came_with_a_full_batch, Rig)
{
    settings.batch = {.messages = 50, .bytes = 2500, .delay_ms = 20};
    down().fit(Segments{1000, 0});
    busy();
    const std::string all = wire({Opcode::text, std::string(2600, 'a')}) + wire({Opcode::ping, "p"});
    feed(all, 1001);
    BOOST_TEST((out() == all));
    BOOST_TEST((down().take_flush().value().cause == Cause::urgent));
}

BOOST_FIXTURE_TEST_CASE(a_frame_that_streams_leaves_nothing_behind_with_a_full_batch, Rig)
{
    settings.whole = 4096;
    settings.batch = {.messages = 50, .bytes = 2500, .delay_ms = 20};
    down().fit(Segments{1000, 0});
    busy();
    const std::string all =
        wire({Opcode::text, std::string(2600, 'a')}) + wire({Opcode::text, std::string(5000, 'b')});
    feed(all.substr(0, 4500), 1001);
    BOOST_TEST((out() == all.substr(0, 4500)));
    feed(all.substr(4500), 1002);
    BOOST_TEST((out() == all.substr(4500)));
    BOOST_TEST(!down().deadline().has_value());
}

BOOST_FIXTURE_TEST_CASE(control_frames_and_urgent_messages_take_along_what_is_before_them_in_order, Rig)
{
    for (const Frame& urgent : {Frame{Opcode::ping, "p"}, Frame{Opcode::pong, ""}, Frame{Opcode::text, "2"},
                                Frame{Opcode::text, "3probe"}, Frame{Opcode::close, ""}}) {
        Rig rig;
        rig.busy();
        rig.feed({Opcode::text, "held"});
        BOOST_TEST(rig.out() == "");
        rig.feed(urgent);
        BOOST_TEST((rig.frames() == std::vector<Frame>{{Opcode::text, "held"}, urgent}));
        const Flush flush = rig.down().take_flush().value();
        BOOST_TEST((flush.cause == (urgent.opcode == Opcode::close ? Cause::close : Cause::urgent)));
        BOOST_TEST(flush.messages == (urgent.opcode == Opcode::text ? 2u : 1u));
    }
}

BOOST_FIXTURE_TEST_CASE(a_rule_makes_a_message_urgent_also_when_compressed, Rig)
{
    const std::vector<std::string_view> arguments{"event=done"};
    const auto rules = std::get<PriorityRules>(PriorityRules::parse(arguments));
    settings.priority = &rules;
    down(kDeflate);
    busy();
    feed({Opcode::text, R"(42["progress","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"])"});
    BOOST_TEST(out() == "");
    feed({Opcode::text, R"(42["done","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"])"});
    BOOST_TEST((down().take_flush().value().cause == Cause::urgent));
    const auto sent = frames();
    BOOST_TEST(sent.size() == 2u);
    BOOST_TEST(sent[1].rsv1);
}

BOOST_FIXTURE_TEST_CASE(messages_are_compressed_and_fragments_joined_for_it, Rig)
{
    down(kDeflate);
    const std::string message(300, 'm');
    feed({Opcode::text, message});
    feed({Opcode::binary, message.substr(0, 100), false});
    feed({Opcode::ping, "between"});
    feed({Opcode::continuation, "", false});
    feed({Opcode::continuation, message.substr(100)});
    down().flush(Cause::delay, 1020);
    const auto sent = frames();
    BOOST_REQUIRE(sent.size() == 3u);
    test::PeerInflate peer{15, true};
    BOOST_TEST((sent[0].rsv1 && sent[0].fin && sent[0].opcode == Opcode::text));
    BOOST_TEST(peer.decompress(sent[0].payload).value() == message);
    BOOST_TEST((sent[1] == Frame{Opcode::ping, "between"}));
    BOOST_TEST((sent[2].rsv1 && sent[2].fin && sent[2].opcode == Opcode::binary));
    BOOST_TEST(peer.decompress(sent[2].payload).value() == message);
    BOOST_TEST(sent[2].payload.size() < 10u);  // from the shared context
    BOOST_TEST(down().counts().compressed == 2u);
    BOOST_TEST(down().counts().compressed_in == 600u);
}

BOOST_FIXTURE_TEST_CASE(small_messages_stay_as_they_are, Rig)
{
    settings.min_with_context = 32;
    settings.min_without_context = 200;
    down(kDeflate);
    feed({Opcode::text, std::string(31, 'x')});
    feed({Opcode::text, std::string(32, 'x')});
    down().flush(Cause::delay, 2000);
    auto sent = frames();
    BOOST_TEST(!sent[0].rsv1);
    BOOST_TEST(sent[1].rsv1);

    Downstream forgetful{
        settings,
        {.mode = Agreement::Mode::edge_deflate, .parameters = {.server_context_takeover = false}},
        memory};
    for (const std::size_t size : {199u, 200u}) {
        std::string bytes = wire({Opcode::text, std::string(size, 'x')});
        forgetful.feed(test::bytes_of(bytes), 3000);
    }
    forgetful.flush(Cause::delay, 4000);
    sent = test::read_frames(test::drain(forgetful.queue()), false).value();
    BOOST_TEST(!sent[0].rsv1);
    BOOST_TEST(sent[1].rsv1);
}

/// The payload of one message's frames, all there and in order.
std::string message_of(const std::vector<Frame>& frames)
{
    std::string all;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        BOOST_TEST((frames[i].opcode == Opcode::continuation) == (i != 0));
        BOOST_TEST(frames[i].fin == (i + 1 == frames.size()));
        BOOST_TEST((i == 0 || !frames[i].rsv1));
        all += frames[i].payload;
    }
    return all;
}

BOOST_FIXTURE_TEST_CASE(messages_too_large_to_hold_are_compressed_piece_by_piece_in_bounded_memory, Rig)
{
    settings.whole = 1000;
    for (const bool context : {true, false}) {
        made.reset();
        down({.mode = Agreement::Mode::edge_deflate, .parameters = {.server_context_takeover = context}});
        test::PeerInflate peer{15, context};
        std::string text;
        std::mt19937 numbers{9973};
        while (text.size() < 1000000) text += std::to_string(numbers() % 9973) + ", ";
        for (const std::size_t part : {1000000u, 70000u, 1001u}) {
            std::string wired;
            for (std::size_t at = 0; at < text.size(); at += part)
                wired += wire({at == 0 ? Opcode::text : Opcode::continuation, text.substr(at, part),
                               at + part >= text.size()});
            std::string got;
            std::size_t most = 0;
            for (std::size_t at = 0; at < wired.size(); at += 1777) {
                feed(wired.substr(at, 1777));
                most = std::max(most, memory.bytes);
                got += out();
            }
            const auto frames = test::read_frames(got, false).value();
            BOOST_TEST(frames.size() >= 3u);
            BOOST_TEST(frames[0].rsv1);
            BOOST_TEST((peer.decompress(message_of(frames)).value() == text));
            BOOST_TEST(got.size() < text.size() * 6 / 10);
            BOOST_TEST(most < 400000u);
        }
        // The next one is compressed with those before it.
        feed({Opcode::text, text.substr(995000, 2000)}, 5000);
        const auto next = frames();
        BOOST_TEST((peer.decompress(next.at(0).payload).value() == text.substr(995000, 2000)));
        if (context) BOOST_TEST(next.at(0).payload.size() < 500u);
        BOOST_TEST(down(kDeflate).counts().compressed == 4u);
    }
}

BOOST_FIXTURE_TEST_CASE(messages_too_large_to_hold_that_do_not_shrink_pass_as_they_are, Rig)
{
    settings.whole = 1000;
    down(kDeflate);
    std::mt19937 random{1};
    std::string noise(100000, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    const std::string large = wire({Opcode::binary, noise});
    std::string got;
    for (const char c : large) {
        feed(std::string(1, c));
        got += out();
    }
    auto sent = test::read_frames(got, false).value();
    BOOST_TEST(!sent[0].rsv1);
    BOOST_TEST((message_of(sent) == noise));
    BOOST_TEST(got.size() < large.size() + 20);
    // In fragments: what came before it was known goes as one.
    for (std::size_t at = 0; at < noise.size(); at += 999)
        feed({at == 0 ? Opcode::binary : Opcode::continuation, noise.substr(at, 999),
              at + 999 >= noise.size()});
    sent = frames();
    BOOST_TEST(sent[0].payload.size() == 17u * 999u);
    BOOST_TEST((message_of(sent) == noise));
    // None of it is in the history that the next one refers to.
    test::PeerInflate peer{15, true};
    feed({Opcode::text, std::string(500, 'x')}, 5000);
    BOOST_TEST((peer.decompress(frames().at(0).payload).value() == std::string(500, 'x')));
}

BOOST_FIXTURE_TEST_CASE(what_ends_before_it_is_known_to_shrink_is_compressed_as_one, Rig)
{
    settings.whole = 1000;
    down(kDeflate);
    test::PeerInflate peer{15, true};
    feed({Opcode::text, std::string(16000, 'x')});
    const auto sent = frames();
    BOOST_TEST(sent.size() == 1u);
    BOOST_TEST((peer.decompress(message_of(sent)).value() == std::string(16000, 'x')));
    // Nothing follows what told.
    feed({Opcode::text, std::string(20000, 'y'), false});
    feed({Opcode::ping, "p"});
    feed({Opcode::continuation, ""});
    auto parts = frames();
    BOOST_TEST((parts.at(1) == Frame{Opcode::ping, "p"}));
    parts.erase(parts.begin() + 1);
    BOOST_TEST((peer.decompress(message_of(parts)).value() == std::string(20000, 'y')));
}

BOOST_FIXTURE_TEST_CASE(a_large_message_that_stalls_keeps_its_compressor, Rig)
{
    settings.whole = 1000;
    down(kDeflate);
    test::PeerInflate peer{15, true};
    feed({Opcode::text, std::string(30000, 'x') + "first", false});
    down().release_idle();
    feed({Opcode::continuation, "second"});
    BOOST_TEST((peer.decompress(message_of(frames())).value() == std::string(30000, 'x') + "firstsecond"));
    down().release_idle();
    BOOST_TEST(memory.bytes == 0u);
    BOOST_TEST(down().send_close(CloseCode::going_away, "", Cause::drain, 2000));
}

BOOST_FIXTURE_TEST_CASE(compressed_frames_pass_when_the_upstream_agreed_on_them_itself, Rig)
{
    down({.mode = Agreement::Mode::pass_through, .parameters = {}});
    const std::string compressed = wire({Opcode::text, "\xf2\x48\xcd\xc9\xc9\x07\x00"s, true, true});
    BOOST_TEST(!feed(compressed).has_value());
    BOOST_TEST(out() == compressed);
}

BOOST_AUTO_TEST_CASE(violations_of_the_upstream_are_told_apart)
{
    struct Row {
        std::string bytes;
        CloseCode code;
    };
    const Row rows[] = {
        {"\x83\x00"s, CloseCode::protocol_error},
        {wire({Opcode::text, "x"}, test::kMask), CloseCode::protocol_error},
        {wire({Opcode::text, "x", true, true}), CloseCode::protocol_error},  // nothing agreed
        {wire({Opcode::text, "\xFF"}), CloseCode::bad_data},
        {wire({Opcode::text, "\xC3"}), CloseCode::bad_data},
        {wire({Opcode::text, "\xC3", false}) + wire({Opcode::continuation, "x"}), CloseCode::bad_data},
        {wire({Opcode::close, "\x03"}), CloseCode::protocol_error},
        {wire({Opcode::close, "\x03\xED"}), CloseCode::protocol_error},  // 1005
        {wire({Opcode::close, "\x03\xE8\xFF"}), CloseCode::bad_data},
        {wire({Opcode::text, std::string(101, 'x')}), CloseCode::too_big},
        {wire({Opcode::text, std::string(99, 'x'), false}) + wire({Opcode::continuation, "xx"}),
         CloseCode::too_big},
    };
    for (const Row& row : rows)
        for (const Agreement& agreement : {kPlain, kDeflate}) {
            Rig rig;
            rig.settings.max_upstream_message = 100;
            rig.down(agreement);
            const auto violation = rig.feed(row.bytes);
            BOOST_REQUIRE(violation.has_value());
            BOOST_TEST((violation->code == row.code), violation->reason);
            // And nothing after it is taken.
            BOOST_TEST(!rig.feed({Opcode::text, "after"}).has_value());
            rig.down().flush(Cause::drain, 9999);
            BOOST_TEST(rig.out().find("after") == std::string::npos);
        }
}

BOOST_FIXTURE_TEST_CASE(a_character_may_be_split_between_fragments, Rig)
{
    BOOST_TEST(!feed({Opcode::text, "\xE2", false}).has_value());
    BOOST_TEST(!feed({Opcode::ping, "\xFF"}).has_value());
    BOOST_TEST(!feed({Opcode::continuation, "\x82\xAC"}).has_value());
    BOOST_TEST(!feed({Opcode::binary, "\xFF"}).has_value());
}

BOOST_FIXTURE_TEST_CASE(after_a_close_nothing_follows, Rig)
{
    feed(wire({Opcode::text, "a"}) + wire({Opcode::close, "\x03\xE8"}) + wire({Opcode::text, "b"}));
    BOOST_TEST((frames() == std::vector<Frame>{{Opcode::text, "a"}, {Opcode::close, "\x03\xE8"}}));
    BOOST_TEST((down().close_received() == CloseCode::normal));
    BOOST_TEST(!down().send_close(CloseCode::going_away, "", Cause::drain, 1000));
    BOOST_TEST(!down().send_ping({}, 1000));
    BOOST_TEST(out() == "");
}

BOOST_FIXTURE_TEST_CASE(a_close_of_the_edge_comes_last_and_the_upstream_s_is_noticed, Rig)
{
    busy();
    feed({Opcode::text, "held"});
    BOOST_TEST(down().send_close(CloseCode::going_away, "bye", Cause::drain, 1001));
    BOOST_TEST((down().take_flush().value().cause == Cause::drain));
    feed(wire({Opcode::text, "late"}) + wire({Opcode::close, "\x03\xE8"}));
    BOOST_TEST((frames() == std::vector<Frame>{{Opcode::text, "held"},
                                               {Opcode::close,
                                                "\x03\xE9"
                                                "bye"}}));
    BOOST_TEST((down().close_received() == CloseCode::normal));
}

BOOST_FIXTURE_TEST_CASE(no_frame_of_the_edge_s_own_cuts_a_large_one_in_two, Rig)
{
    settings.whole = 100;
    const std::string large = wire({Opcode::binary, std::string(1000, 'x')});
    feed(large.substr(0, 500));
    BOOST_TEST(down().mid_frame());
    BOOST_TEST(!down().send_close(CloseCode::going_away, "", Cause::drain, 1000));
    BOOST_TEST(!down().send_ping({}, 1000));
    feed(large.substr(500));
    BOOST_TEST(!down().mid_frame());
    BOOST_TEST(down().send_ping(as_bytes("p"), 1000));
    BOOST_TEST(out() == large + wire({Opcode::ping, "p"}));
    // A small frame is not begun before it is whole.
    const std::string small = wire({Opcode::text, "0123456789"});
    feed(small.substr(0, 5));
    BOOST_TEST(down().send_ping(as_bytes("q"), 1000));
    feed(small.substr(5));
    down().flush(Cause::delay, 2000);
    BOOST_TEST(out() == wire({Opcode::ping, "q"}) + small);
}

BOOST_FIXTURE_TEST_CASE(a_full_queue_says_so, Rig)
{
    settings.buffer = 1000;
    BOOST_TEST(!down().full());
    feed({Opcode::text, std::string(1000, 'x')});
    BOOST_TEST(down().full());
    out();
    BOOST_TEST(!down().full());
}

BOOST_FIXTURE_TEST_CASE(idle_it_holds_no_memory, Rig)
{
    down(kDeflate);
    feed({Opcode::text, std::string(500, 'x')});
    out();
    BOOST_TEST(memory.bytes > 100000u);
    down().release_idle();
    BOOST_TEST(memory.bytes == 0u);
    feed({Opcode::text, std::string(500, 'x')}, 5000);
    BOOST_TEST(test::PeerInflate(15, true).decompress(frames().at(0).payload).value() ==
               std::string(500, 'x'));
}

BOOST_FIXTURE_TEST_CASE(a_packed_batch_is_one_message_that_has_all_of_them, Rig)
{
    down(kPacked);
    busy();
    feed({Opcode::text, "a"});
    feed({Opcode::binary, "\x00\x01"s});
    feed({Opcode::text, "fr", false});
    feed({Opcode::continuation, "agments"});
    BOOST_TEST(out() == "");
    down().flush(Cause::delay, 1020);
    const auto got = frames();
    BOOST_REQUIRE(got.size() == 1u);
    BOOST_TEST((got[0].opcode == Opcode::binary));
    const std::vector<test::BatchEntry> all{{false, "a"}, {true, "\x00\x01"s}, {false, "fragments"}};
    BOOST_TEST((test::read_batch(got[0].payload) == all));
    BOOST_TEST(down().take_flush().value().messages == 3u);
    BOOST_TEST(down().counts().messages == 4u);
}

BOOST_FIXTURE_TEST_CASE(what_is_packed_goes_before_a_control_frame_and_a_close, Rig)
{
    down(kPacked);
    busy();
    feed({Opcode::text, "a"});
    feed({Opcode::ping, "p"});
    feed({Opcode::text, "b"}, 1001);
    BOOST_TEST(down().send_close(CloseCode::going_away, "", Cause::drain, 1002));
    const auto got = frames();
    BOOST_REQUIRE(got.size() == 4u);
    BOOST_TEST((test::read_batch(got[0].payload) == std::vector<test::BatchEntry>{{false, "a"}}));
    BOOST_TEST((got[1] == Frame{Opcode::ping, "p"}));
    BOOST_TEST((test::read_batch(got[2].payload) == std::vector<test::BatchEntry>{{false, "b"}}));
    BOOST_TEST((got[3].opcode == Opcode::close));
}

BOOST_FIXTURE_TEST_CASE(large_messages_are_not_packed_but_come_after_what_was, Rig)
{
    settings.whole = 20000;
    down(kPacked);
    busy();
    const std::string large(50000, 'x');
    feed({Opcode::text, "a"});
    feed({Opcode::text, large});
    feed({Opcode::binary, large});
    const auto got = frames();
    std::vector<Frame> messages;
    for (const Frame& frame : got) {
        if (frame.opcode == Opcode::continuation)
            messages.back().payload += frame.payload;
        else
            messages.push_back(frame);
    }
    BOOST_REQUIRE(messages.size() == 3u);
    BOOST_TEST((test::read_batch(messages[0].payload) == std::vector<test::BatchEntry>{{false, "a"}}));
    BOOST_TEST((messages[1].opcode == Opcode::text));
    BOOST_TEST((messages[1].payload == large));
    BOOST_TEST((test::read_batch(messages[2].payload) == std::vector<test::BatchEntry>{{true, large}}));
}

BOOST_AUTO_TEST_SUITE_END()

}
