#include "websocket/upstream.hpp"

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

const Agreement kPlain{};
const Agreement kDeflate{.mode = Agreement::Mode::edge_deflate, .parameters = {}};

struct Rig {
    RelaySettings settings;
    MemoryCount memory;
    std::optional<Upstream> made;
    Upstream& up(const Agreement& agreement = kPlain)
    {
        if (!made) made.emplace(settings, agreement, 42, memory);
        return *made;
    }
    std::optional<Violation> feed(std::string bytes, std::uint64_t now = 1000)
    {
        const auto taken = up().feed(test::bytes_of(bytes), now);
        BOOST_TEST(taken.bytes == bytes.size());
        return taken.violation;
    }
    std::optional<Violation> feed(const Frame& frame) { return feed(wire(frame, kMask)); }
    std::string out() { return test::drain(up().queue()); }
    std::vector<Frame> frames()
    {
        auto frames = test::read_frames(out(), true);
        BOOST_REQUIRE(frames.has_value());
        return *frames;
    }
};

}

BOOST_AUTO_TEST_SUITE(websocket_upstream)

BOOST_FIXTURE_TEST_CASE(uncompressed_frames_pass_with_the_client_s_mask, Rig)
{
    const std::vector<Frame> sent{{Opcode::text, "a"},
                                  {Opcode::binary, "\x00\xFF"s},
                                  {Opcode::text, "b", false},
                                  {Opcode::ping, "p"},
                                  {Opcode::continuation, "c"},
                                  {Opcode::text, ""},
                                  {Opcode::binary, std::string(200000, 'x')},
                                  {Opcode::pong, "q"},
                                  {Opcode::close, "\x03\xE8"}};
    std::string all;
    for (const Frame& frame : sent) all += wire(frame, kMask);
    for (const std::size_t step : {std::size_t{1}, std::size_t{777}, all.size()})
        for (const Agreement& agreement : {kPlain, kDeflate}) {
            Rig rig;
            rig.settings.buffer = UINT32_MAX;
            rig.up(agreement);
            std::string got;
            for (std::size_t at = 0; at < all.size(); at += step) {
                BOOST_REQUIRE(!rig.feed(all.substr(at, step)).has_value());
                got += rig.out();
            }
            BOOST_TEST((got == all));
            BOOST_TEST(rig.up().counts().messages == 5u);
            BOOST_TEST((rig.up().close_received() == CloseCode::normal));
        }
}

BOOST_FIXTURE_TEST_CASE(compressed_messages_arrive_decompressed_as_one_frame, Rig)
{
    up(kDeflate);
    test::PeerDeflate peer{15, true};
    const std::string one = "the first message, the first", two = "the first message again";
    const std::string first = peer.compress(one), second = peer.compress(two);
    BOOST_TEST(!feed({Opcode::text, first, true, true}).has_value());
    BOOST_TEST(!feed({Opcode::text, second.substr(0, 3), false, true}).has_value());
    BOOST_TEST(!feed({Opcode::ping, ""}).has_value());
    BOOST_TEST(!feed({Opcode::continuation, "", false}).has_value());
    BOOST_TEST(!feed({Opcode::continuation, second.substr(3)}).has_value());
    BOOST_TEST(
        (frames() == std::vector<Frame>{{Opcode::text, one}, {Opcode::ping, ""}, {Opcode::text, two}}));
    BOOST_TEST(up().counts().compressed == 2u);
    BOOST_TEST(up().counts().compressed_in == first.size() + second.size());
    BOOST_TEST(up().counts().compressed_out == one.size() + two.size());
}

BOOST_FIXTURE_TEST_CASE(large_compressed_messages_go_on_in_fragments_of_bounded_size, Rig)
{
    settings.whole = 1000;
    settings.max_ratio = 0;
    up(kDeflate);
    const std::string large(100500, 'x');
    const std::string payload = test::PeerDeflate{15, true}.compress(large);
    BOOST_TEST(!feed({Opcode::binary, payload, true, true}).has_value());
    const auto got = frames();
    std::string all;
    for (std::size_t i = 0; i < got.size(); ++i) {
        BOOST_TEST((got[i].opcode == (i == 0 ? Opcode::binary : Opcode::continuation)));
        BOOST_TEST(got[i].fin == (i + 1 == got.size()));
        BOOST_TEST(!got[i].rsv1);
        BOOST_TEST(got[i].payload.size() <= 1000u);
        all += got[i].payload;
    }
    BOOST_TEST((all == large));
}

BOOST_FIXTURE_TEST_CASE(a_full_queue_takes_no_more_and_goes_on_later, Rig)
{
    settings.buffer = 100;
    std::string all;
    for (int i = 0; i < 50; ++i) all += wire({Opcode::text, std::string(30, 'x')}, kMask);
    std::string rest = all, got;
    int rounds = 0;
    while (!rest.empty() && rounds < 1000) {
        const auto taken = up().feed(test::bytes_of(rest), 1000);
        BOOST_TEST(!taken.violation.has_value());
        BOOST_TEST(up().queue().size() < 200u);
        rest.erase(0, taken.bytes);
        got += out();
        ++rounds;
    }
    BOOST_TEST(got == all);
    BOOST_TEST(rounds > 10);
    BOOST_TEST(up().counts().frame_bytes_in == all.size());
}

BOOST_FIXTURE_TEST_CASE(a_frame_that_fills_the_queue_is_ended_with_its_last_byte, Rig)
{
    settings.buffer = 100;
    settings.whole = 50;
    BOOST_TEST(!feed({Opcode::binary, std::string(500, 'x')}).has_value());
    BOOST_TEST(up().counts().messages == 1u);
    BOOST_TEST(!up().mid_frame());
}

BOOST_AUTO_TEST_CASE(violations_of_the_client_are_told_apart)
{
    const auto deflated = [](std::string_view text) { return test::PeerDeflate{15, true}.compress(text); };
    struct Row {
        std::string bytes;
        CloseCode code;
        bool deflate;
    };
    const auto masked = [](const Frame& frame) { return wire(frame, kMask); };
    const Row rows[] = {
        {wire({Opcode::text, "x"}), CloseCode::protocol_error, false},
        {masked({Opcode::text, "x", true, true}), CloseCode::protocol_error, false},
        {masked({Opcode::text, "\xFF"}), CloseCode::bad_data, false},
        {masked({Opcode::text, "\xFF"}), CloseCode::bad_data, true},
        {masked({Opcode::text, "\xC3"}), CloseCode::bad_data, false},
        {masked({Opcode::text, deflated("\xFF"), true, true}), CloseCode::bad_data, true},
        {masked({Opcode::text, deflated("\xC3"), true, true}), CloseCode::bad_data, true},
        {masked({Opcode::text, "\x07garbage", true, true}), CloseCode::bad_data, true},
        {masked({Opcode::close, "\x03"}), CloseCode::protocol_error, false},
        {masked({Opcode::close, "\x03\xE8\xFF"}), CloseCode::bad_data, false},
        {masked({Opcode::binary, std::string(1001, 'x')}), CloseCode::too_big, false},
        {masked({Opcode::binary, std::string(1000, 'x'), false}) + masked({Opcode::continuation, "x"}),
         CloseCode::too_big, false},
        {masked({Opcode::binary, deflated(std::string(1001, 'x')), true, true}), CloseCode::too_big, true},
        // Bytes that decompress to nothing.
        {masked({Opcode::binary, std::string(2000, '\0'), true, true}), CloseCode::too_big, true},
    };
    for (const Row& row : rows) {
        Rig rig;
        rig.settings.max_client_message = 1000;
        rig.up(row.deflate ? kDeflate : kPlain);
        const auto violation = rig.feed(row.bytes);
        BOOST_REQUIRE(violation.has_value());
        BOOST_TEST((violation->code == row.code), violation->reason);
        BOOST_TEST(!rig.feed({Opcode::text, "after"}).has_value());
        BOOST_TEST(rig.out().find("after"s) == std::string::npos);
    }
}

BOOST_FIXTURE_TEST_CASE(text_fails_before_its_frame_is_complete, Rig)
{
    // Autobahn 6.4: as soon as it can't become valid any more.
    const std::string bytes = wire({Opcode::text, "ok\xF4\x90 and more"}, kMask);
    BOOST_TEST(!feed(bytes.substr(0, 9)).has_value());
    BOOST_TEST((feed(bytes.substr(9, 1)).value().code == CloseCode::bad_data));
    // Nothing of it was passed on.
    BOOST_TEST(out() == "");
}

BOOST_FIXTURE_TEST_CASE(more_frames_than_allowed_end_the_connection, Rig)
{
    settings.frames_per_second = 5;
    for (int i = 0; i < 5; ++i) BOOST_TEST(!feed({Opcode::ping, ""}).has_value());
    BOOST_TEST((feed({Opcode::ping, ""}).value().code == CloseCode::policy));
}

BOOST_FIXTURE_TEST_CASE(compressed_frames_pass_when_the_upstream_agreed_on_them_itself, Rig)
{
    up({.mode = Agreement::Mode::pass_through, .parameters = {}});
    const std::string compressed = wire({Opcode::text, "\xf2\x48\xcd\xc9\xc9\x07\x00"s, true, true}, kMask);
    BOOST_TEST(!feed(compressed).has_value());
    BOOST_TEST(out() == compressed);
}

BOOST_FIXTURE_TEST_CASE(the_pong_to_the_edge_s_own_ping_is_not_passed_on_and_others_are, Rig)
{
    up().swallow_pong(as_bytes("12345678"));
    feed({Opcode::pong, "other"});
    BOOST_TEST(!up().pong_came());
    feed({Opcode::pong, "12345678"});
    BOOST_TEST(up().pong_came());
    feed({Opcode::pong, "12345678"});
    BOOST_TEST((frames() == std::vector<Frame>{{Opcode::pong, "other"}, {Opcode::pong, "12345678"}}));
}

BOOST_FIXTURE_TEST_CASE(a_close_of_the_edge_s_own_is_masked_and_the_last_frame, Rig)
{
    BOOST_TEST(up().send_close(CloseCode::going_away, "bye"));
    BOOST_TEST(!up().send_close(CloseCode::going_away, "bye"));
    const std::string bytes = out();
    const std::vector<Frame> expected{{Opcode::close,
                                       "\x03\xE9"
                                       "bye"}};
    BOOST_TEST((test::read_frames(bytes, true) == expected));
    // What the client still sends is not passed on, its Close is noticed.
    feed({Opcode::text, "late"});
    feed({Opcode::binary, std::string(100000, 'x')});
    feed({Opcode::close, ""});
    BOOST_TEST(out() == "");
    BOOST_TEST((up().close_received() == CloseCode::no_code));
}

BOOST_FIXTURE_TEST_CASE(idle_it_keeps_no_more_than_the_client_may_refer_to, Rig)
{
    up(kDeflate);
    test::PeerDeflate peer{15, true};
    feed({Opcode::text, peer.compress("some text, some more text"), true, true});
    out();
    BOOST_TEST(memory.bytes > 30000u);
    up().release_idle();
    BOOST_TEST(memory.bytes == 25u);
    feed({Opcode::text, peer.compress("some more text"), true, true});
    BOOST_TEST((frames() == std::vector<Frame>{{Opcode::text, "some more text"}}));
}

BOOST_AUTO_TEST_SUITE_END()

}
