#include "websocket/frame.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "websocket/frames.hpp"

namespace edge::websocket {

namespace {

using namespace std::string_literals;
using test::Frame;
using test::kMask;
using test::wire;

struct Result {
    std::vector<Frame> frames;
    std::string error;  // its reason
    std::size_t failed_at = 0;
};

// Hands over `step` bytes at a time.
Result parse(std::string bytes, Sender sender, bool deflate = false, std::size_t step = 1)
{
    Result result;
    FrameParser parser{sender, deflate};
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        MutableBytes rest{reinterpret_cast<Byte*>(bytes.data()) + at, std::min(step, bytes.size() - at)};
        for (;;) {
            const auto event = parser.next(rest);
            if (event.kind == FrameParser::Kind::more) break;
            if (event.kind == FrameParser::Kind::error) {
                BOOST_TEST((event.violation.code == CloseCode::protocol_error));
                result.error = event.violation.reason;
                result.failed_at = at;
                BOOST_TEST((parser.next(rest).kind == FrameParser::Kind::more));
                BOOST_TEST(rest.empty());
                return result;
            }
            const FrameHeader& header = parser.header();
            if (event.kind == FrameParser::Kind::header)
                result.frames.push_back({header.opcode, {}, header.fin, header.rsv1});
            if (event.kind == FrameParser::Kind::payload)
                result.frames.back().payload += as_text(event.piece);
        }
    }
    BOOST_TEST(parser.at_boundary());
    return result;
}

std::string error_of(const std::string& bytes, Sender sender = Sender::server, bool deflate = false)
{
    return parse(bytes, sender, deflate).error;
}

}

BOOST_AUTO_TEST_SUITE(websocket_frame)

BOOST_AUTO_TEST_CASE(the_examples_of_the_rfc_are_read)
{
    // RFC 6455 section 5.7.
    struct Row {
        std::string bytes;
        Sender sender;
        std::vector<Frame> frames;
    };
    const std::vector<Row> rows{
        {"\x81\x05Hello", Sender::server, {{Opcode::text, "Hello"}}},
        {"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Sender::client, {{Opcode::text, "Hello"}}},
        {"\x01\x03Hel\x80\x02lo",
         Sender::server,
         {{Opcode::text, "Hel", false}, {Opcode::continuation, "lo"}}},
        {"\x89\x05Hello", Sender::server, {{Opcode::ping, "Hello"}}},
        {"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Sender::client, {{Opcode::pong, "Hello"}}},
        {"\x82\x7E\x01\x00"s + std::string(256, 'x'),
         Sender::server,
         {{Opcode::binary, std::string(256, 'x')}}},
        {"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s + std::string(65536, 'x'),
         Sender::server,
         {{Opcode::binary, std::string(65536, 'x')}}},
    };
    for (const Row& row : rows)
        for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{100000}}) {
            const Result result = parse(row.bytes, row.sender, false, step);
            BOOST_TEST(result.error == "");
            BOOST_TEST((result.frames == row.frames));
        }
}

BOOST_AUTO_TEST_CASE(what_is_written_is_what_another_writer_writes)
{
    for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 65535u, 65536u, 70000u})
        for (const bool masked : {false, true}) {
            const std::string payload(size, 'p');
            const HeaderBytes header{{.fin = false,
                                      .rsv1 = true,
                                      .masked = masked,
                                      .opcode = Opcode::binary,
                                      .length = size,
                                      .mask = kMask}};
            std::string body = payload;
            if (masked) apply_mask({reinterpret_cast<Byte*>(body.data()), size}, kMask, 0);
            BOOST_TEST(
                (std::string{as_text(header.bytes())} + body ==
                 wire({Opcode::binary, payload, false, true}, masked ? std::optional{kMask} : std::nullopt)));
        }
}

BOOST_AUTO_TEST_CASE(a_mask_may_be_applied_in_pieces_cut_anywhere)
{
    const std::string plain = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::string whole = plain;
    apply_mask({reinterpret_cast<Byte*>(whole.data()), whole.size()}, kMask, 0);
    for (std::size_t i = 0; i < plain.size(); ++i)
        BOOST_TEST(static_cast<Byte>(whole[i]) == (static_cast<Byte>(plain[i]) ^ kMask[i % 4]));
    for (std::size_t cut = 0; cut <= plain.size(); ++cut) {
        std::string pieces = plain;
        auto* const bytes = reinterpret_cast<Byte*>(pieces.data());
        apply_mask({bytes, cut}, kMask, 0);
        apply_mask({bytes + cut, pieces.size() - cut}, kMask, cut);
        BOOST_TEST(pieces == whole);
    }
}

BOOST_AUTO_TEST_CASE(violations_are_noticed)
{
    struct Row {
        std::string bytes;
        Sender sender;
        const char* reason;
    };
    const std::string header16 = "\x82\x7E", header64 = "\x82\x7F";
    const std::vector<Row> rows{
        // Section 5.1: masking.
        {"\x81\x05", Sender::client, "unmasked frame of a client"},
        {"\x81\x85", Sender::server, "masked frame of a server"},
        // Section 5.2: reserved bits and opcodes, lengths.
        {"\xC1", Sender::server, "a reserved bit is set"},
        {"\xA1", Sender::server, "a reserved bit is set"},
        {"\x91", Sender::server, "a reserved bit is set"},
        {"\x83", Sender::server, "reserved opcode"},
        {"\x87", Sender::server, "reserved opcode"},
        {"\x8B", Sender::server, "reserved opcode"},
        {"\x8F", Sender::server, "reserved opcode"},
        {header16 + "\x00\x7D"s, Sender::server, "a length not in its shortest form"},
        {header64 + "\x00\x00\x00\x00\x00\x00\xFF\xFF"s, Sender::server, "a length not in its shortest form"},
        {header64 + "\x80\x00\x00\x00\x00\x00\x00\x00"s, Sender::server, "a length of 2^63 or more"},
        // Section 5.5: control frames.
        {"\x09", Sender::server, "fragmented control frame"},
        {"\x89\x7E", Sender::server, "control frame over 125 bytes"},
        {"\x88\x7F", Sender::server, "control frame over 125 bytes"},
        // Section 5.4: fragments.
        {"\x80", Sender::server, "a continuation of nothing"},
        {"\x01\x01x\x81", Sender::server, "a new message inside of a fragmented one"},
        {"\x01\x01x\x80\x01x\x80", Sender::server, "a continuation of nothing"},
    };
    for (const Row& row : rows) {
        const Result result = parse(row.bytes, row.sender);
        BOOST_TEST(result.error == row.reason);
        // With the byte that is wrong, no later.
        BOOST_TEST(result.failed_at == row.bytes.size() - 1);
    }
}

BOOST_AUTO_TEST_CASE(the_longest_lengths_allowed_are_accepted)
{
    FrameParser parser{Sender::server, false};
    std::string bytes = "\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s;
    MutableBytes rest{reinterpret_cast<Byte*>(bytes.data()), bytes.size()};
    BOOST_TEST((parser.next(rest).kind == FrameParser::Kind::header));
    BOOST_TEST(parser.header().length == 0x7FFFFFFFFFFFFFFFU);
}

BOOST_AUTO_TEST_CASE(rsv1_is_for_the_first_frame_of_a_data_message_once_deflate_is_agreed)
{
    // RFC 7692 section 6.
    BOOST_TEST(error_of("\xC1\x01x", Sender::server, true) == "");
    BOOST_TEST(error_of("\xC2\x01x", Sender::server, true) == "");
    BOOST_TEST(error_of("\x41\x01x\x80\x01x", Sender::server, true) == "");
    BOOST_TEST(error_of("\x41\x01x\xC0\x01x", Sender::server, true) == "a reserved bit is set");
    BOOST_TEST(error_of("\xC9\x01x", Sender::server, true) == "a reserved bit is set");
    BOOST_TEST(error_of("\xC8", Sender::server, true) == "a reserved bit is set");
}

BOOST_AUTO_TEST_CASE(control_frames_may_come_between_fragments)
{
    const std::vector<Frame> frames{{Opcode::text, "a", false},        {Opcode::ping, "p"},
                                    {Opcode::continuation, "", false}, {Opcode::pong, ""},
                                    {Opcode::continuation, "b"},       {Opcode::close, ""}};
    std::string bytes;
    for (const Frame& frame : frames) bytes += wire(frame, kMask);
    BOOST_TEST((parse(bytes, Sender::client).frames == frames));
}

BOOST_AUTO_TEST_CASE(pieces_are_no_larger_than_asked_for)
{
    FrameParser parser{Sender::server, false};
    std::string bytes = wire({Opcode::text, "0123456789"});
    MutableBytes rest{reinterpret_cast<Byte*>(bytes.data()), bytes.size()};
    parser.next(rest, 4);
    std::vector<std::size_t> sizes;
    for (auto event = parser.next(rest, 4); event.kind == FrameParser::Kind::payload;
         event = parser.next(rest, 4))
        sizes.push_back(event.piece.size());
    BOOST_TEST(sizes == (std::vector<std::size_t>{4, 4, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}
