#include "websocket/deflate.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "websocket/peer.hpp"

namespace edge::websocket {

namespace {

using namespace std::string_literals;
using test::PeerDeflate;
using test::PeerInflate;

std::string noise(std::size_t size, unsigned seed = 1)
{
    std::mt19937 random{seed};
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

std::string event(int i)
{
    return R"(42["progress",{"id":"job-)" + std::to_string(i * 7919 % 100) + R"(","percent":)" +
           std::to_string(i % 100) + R"(,"stage":"tiling","message":"tile )" + std::to_string(i) +
           R"( of 4096"}])";
}

struct Memory {
    MemoryCount count;
    Buffer buffer() { return Buffer{CountedAllocator<Byte>{count}}; }
};

// All of one message, or the violation's code in brackets.
std::string inflate_all(Inflater& inflater, std::string_view payload, Buffer& out,
                        std::size_t step = SIZE_MAX)
{
    out.clear();
    std::optional<Violation> violation;
    for (std::size_t at = 0; at < payload.size() && !violation; at += std::min(step, payload.size() - at))
        violation = inflater.feed(as_bytes(payload.substr(at, step)), out);
    if (!violation) violation = inflater.finish(out);
    if (violation) return "[" + std::to_string(static_cast<int>(violation->code)) + "]";
    return std::string{as_text(out)};
}

}

BOOST_AUTO_TEST_SUITE(websocket_deflate)

BOOST_FIXTURE_TEST_CASE(the_examples_of_the_rfc_are_decompressed, Memory)
{
    // RFC 7692 section 7.2.3.
    const std::vector<std::string> examples{
        "\xf2\x48\xcd\xc9\xc9\x07\x00"s,                          // 7.2.3.1
        "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s,          // 7.2.3.3: no compression
        "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s,                      // 7.2.3.4: BFINAL
        "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s,  // 7.2.3.5: two blocks
    };
    Buffer out = buffer();
    for (const std::string& example : examples)
        for (const std::size_t step : {std::size_t{1}, SIZE_MAX}) {
            Inflater inflater{{}, count};
            BOOST_TEST(inflate_all(inflater, example, out, step) == "Hello");
            BOOST_TEST(inflate_all(inflater, example, out, step) == "Hello");
            // 7.2.3.2: a reference into the message before, also past a BFINAL block.
            BOOST_TEST(inflate_all(inflater, "\xf2\x00\x11\x00\x00"s, out, step) == "Hello");
            BOOST_TEST(inflate_all(inflater, "\x00"s, out, step) == "");  // 7.2.3.6
        }
}

BOOST_FIXTURE_TEST_CASE(messages_are_read_by_a_peer_with_exactly_the_agreed_window, Memory)
{
    for (int bits = 8; bits <= 15; ++bits)
        for (const bool context : {true, false})
            for (const std::uint8_t memory_level : {std::uint8_t{4}, std::uint8_t{9}}) {
                Deflater deflater{{.level = 1 + bits % 9,
                                   .window_bits = static_cast<std::uint8_t>(bits),
                                   .memory_level = memory_level,
                                   .context_takeover = context},
                                  count};
                PeerInflate peer{bits, context};
                Buffer scratch = buffer();
                for (int i = 0; i < 60; ++i) {
                    std::string message = event(i);
                    for (int n = i % 7 * i; n > 0; --n) message += event(n);
                    const auto payload = deflater.compress(as_bytes(message), scratch);
                    BOOST_REQUIRE(payload.has_value());
                    BOOST_REQUIRE(payload->size() < message.size());
                    BOOST_REQUIRE(peer.decompress(as_text(*payload)).value() == message);
                }
            }
    BOOST_TEST(count.bytes == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_peer_s_messages_are_read_whatever_was_agreed, Memory)
{
    for (int bits = 8; bits <= 15; ++bits)
        for (const bool context : {true, false}) {
            PeerDeflate peer{bits, context};
            Inflater inflater{{.window_bits = static_cast<std::uint8_t>(bits), .context_takeover = context},
                              count};
            Buffer out = buffer();
            for (int i = 0; i < 40; ++i) {
                std::string message = i % 5 == 4 ? noise(static_cast<std::size_t>(i) * 999) : event(i);
                BOOST_REQUIRE(inflate_all(inflater, peer.compress(message), out, 1 + i % 50) == message);
                if (i % 3 == 0) inflater.shrink();
            }
        }
}

BOOST_FIXTURE_TEST_CASE(what_would_grow_is_declined_and_the_shared_context_is_as_before, Memory)
{
    Deflater deflater{{.level = 6}, count};
    PeerInflate peer{15, true};
    Buffer scratch = buffer();
    const std::string unique = noise(60, 99);
    const std::string first = unique + unique;
    BOOST_REQUIRE(peer.decompress(as_text(deflater.compress(as_bytes(first), scratch).value())) == first);
    for (const std::size_t size : {std::size_t{1}, std::size_t{50}, std::size_t{5000}, std::size_t{20000}})
        BOOST_TEST(!deflater.compress(as_bytes(noise(size)), scratch).has_value());
    // The peer never saw the noise, and still has `unique`: a reference to it is right, and there is one.
    const auto again = deflater.compress(as_bytes(unique), scratch);
    BOOST_REQUIRE(again.has_value());
    BOOST_TEST(again->size() < 20u);
    BOOST_TEST((peer.decompress(as_text(*again)) == unique));
    // Noise larger than the window.
    BOOST_TEST(!deflater.compress(as_bytes(noise(100000)), scratch).has_value());
    const auto last = deflater.compress(as_bytes(first), scratch);
    BOOST_REQUIRE(last.has_value());
    BOOST_TEST((peer.decompress(as_text(*last)) == first));
}

BOOST_FIXTURE_TEST_CASE(context_takeover_pays_and_its_absence_is_kept, Memory)
{
    std::size_t with = 0, without = 0;
    for (const bool context : {true, false}) {
        Deflater deflater{{.context_takeover = context}, count};
        Buffer scratch = buffer();
        for (int i = 0; i < 50; ++i)
            if (const auto payload = deflater.compress(as_bytes(event(i)), scratch))
                (context ? with : without) += payload->size();
    }
    BOOST_TEST(with * 2 < without);
}

BOOST_FIXTURE_TEST_CASE(nothing_is_allocated_before_the_first_message_and_nothing_is_left, Memory)
{
    {
        Deflater deflater{{}, count};
        Inflater inflater{{}, count};
        Buffer scratch = buffer(), out = buffer();
        BOOST_TEST(count.bytes == 0u);
        const auto payload = deflater.compress(as_bytes(event(1)), scratch);
        BOOST_TEST(deflater.allocated());
        BOOST_TEST(count.bytes > 200000u);
        BOOST_TEST(inflate_all(inflater, as_text(payload.value()), out) == event(1));
        const std::size_t both = count.bytes;
        deflater.release();
        BOOST_TEST(!deflater.allocated());
        BOOST_TEST(count.bytes + 200000 < both);
    }
    BOOST_TEST(count.bytes == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_small_memory_class_is_small, Memory)
{
    Deflater deflater{{.window_bits = 12, .memory_level = 5}, count};
    Buffer scratch = buffer();
    deflater.compress(as_bytes(event(1)), scratch);
    BOOST_TEST(count.bytes < 45000u);
}

BOOST_FIXTURE_TEST_CASE(a_released_deflater_is_understood_by_a_peer_that_noticed_nothing, Memory)
{
    Deflater deflater{{}, count};
    PeerInflate peer{15, true};
    Buffer scratch = buffer();
    for (int i = 0; i < 20; ++i) {
        const auto payload = deflater.compress(as_bytes(event(i) + event(i)), scratch);
        BOOST_TEST((peer.decompress(as_text(payload.value())) == event(i) + event(i)));
        if (i % 4 == 3) deflater.release();
    }
}

BOOST_FIXTURE_TEST_CASE(a_shrunk_inflater_keeps_the_history_and_no_more, Memory)
{
    PeerDeflate peer{15, true};
    Inflater inflater{{}, count};
    Buffer out = buffer();
    out.reserve(4096);
    const std::size_t before = count.bytes;
    BOOST_TEST(inflate_all(inflater, peer.compress(event(1)), out) == event(1));
    BOOST_TEST(count.bytes > before + 30000);
    inflater.shrink();
    BOOST_TEST(count.bytes - before == event(1).size());
    BOOST_TEST(inflate_all(inflater, peer.compress(event(2)), out) == event(2));

    Inflater forgetful{{.context_takeover = false}, count};
    const std::size_t now = count.bytes;
    inflate_all(forgetful, PeerDeflate(15, false).compress(event(1)), out);
    forgetful.shrink();
    BOOST_TEST(count.bytes == now);
}

BOOST_FIXTURE_TEST_CASE(a_message_is_not_shrunk_in_its_middle, Memory)
{
    PeerDeflate peer{15, true};
    Inflater inflater{{}, count};
    Buffer out = buffer();
    const std::string payload = peer.compress(event(1));
    inflater.feed(as_bytes(payload).first(10), out);
    inflater.shrink();
    inflater.feed(as_bytes(payload).subspan(10), out);
    BOOST_TEST(!inflater.finish(out).has_value());
    BOOST_TEST(as_text(out) == event(1));
}

BOOST_FIXTURE_TEST_CASE(a_bomb_ends_at_the_limit, Memory)
{
    const std::string bomb = PeerDeflate(15, true, 9).compress(std::string(50 << 20, '\0'));
    BOOST_TEST(bomb.size() < 60000u);
    Buffer out = buffer();

    Inflater by_size{{.max_message = 1 << 20}, count};
    BOOST_TEST(inflate_all(by_size, bomb, out) == "[1009]");
    BOOST_TEST(out.size() <= 1u << 20);

    Inflater by_ratio{{.max_ratio = 100}, count};
    BOOST_TEST(inflate_all(by_ratio, bomb, out, 512) == "[1009]");
    BOOST_TEST(out.size() <= (1u << 17) + 8192);
}

BOOST_FIXTURE_TEST_CASE(a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not, Memory)
{
    Buffer out = buffer();
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{8191}, std::size_t{8192}, std::size_t{8193}, std::size_t{100000}}) {
        const std::string exact = noise(size), more = noise(size + 1);
        Inflater inflater{{.max_message = size}, count};
        BOOST_TEST((inflate_all(inflater, PeerDeflate(15, true).compress(exact), out) == exact));
        BOOST_TEST(inflate_all(inflater, PeerDeflate(15, true).compress(more), out) == "[1009]");
    }
}

BOOST_FIXTURE_TEST_CASE(a_highly_compressible_message_that_is_small_is_no_bomb, Memory)
{
    const std::string zeros(100000, '0');
    Inflater inflater{{.max_ratio = 10}, count};
    Buffer out = buffer();
    BOOST_TEST((inflate_all(inflater, PeerDeflate(15, true).compress(zeros), out) == zeros));
}

BOOST_FIXTURE_TEST_CASE(damaged_and_truncated_messages_are_noticed, Memory)
{
    Buffer out = buffer();
    Inflater damaged{{}, count};
    BOOST_TEST(inflate_all(damaged, "\x07garbage"s, out) == "[1007]");
    // Cut anywhere: never the message, and never taken for whole unless cut between two blocks.
    const std::string payload = PeerDeflate(15, true).compress(event(1) + event(2));
    for (std::size_t size = 1; size < payload.size(); ++size) {
        Inflater cut{{}, count};
        BOOST_TEST(inflate_all(cut, payload.substr(0, size), out) == "[1007]", "cut after " << size);
    }
    // A reference to before the first message.
    Inflater nothing_before{{}, count};
    BOOST_TEST(inflate_all(nothing_before, "\xf2\x00\x11\x00\x00"s, out) == "[1007]");
    // To the one before, although contexts are not taken over.
    Inflater forgetful{{.context_takeover = false}, count};
    BOOST_TEST(inflate_all(forgetful, "\xf2\x48\xcd\xc9\xc9\x07\x00"s, out) == "Hello");
    BOOST_TEST(inflate_all(forgetful, "\xf2\x00\x11\x00\x00"s, out) == "[1007]");
}

BOOST_AUTO_TEST_SUITE_END()

}
