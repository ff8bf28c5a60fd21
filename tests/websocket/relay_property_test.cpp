#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "websocket/batch_entries.hpp"
#include "websocket/drain.hpp"
#include "websocket/peer.hpp"
#include "websocket/relay.hpp"

/// Random messages of both sides, cut into random fragments and reads, through relays with random settings,
/// read by slow and fast peers: all arrive unchanged, in order, once.
namespace edge::websocket {

namespace {

using Random = std::mt19937;
using test::Frame;
using test::PeerDeflate;
using test::PeerInflate;
using test::wire;

std::size_t below(Random& random, std::size_t n)
{
    return random() % n;
}

struct Message {
    Opcode opcode;
    std::string text;
    friend bool operator==(const Message&, const Message&) = default;
};

Message random_message(Random& random, int number)
{
    Message message{random() % 3 == 0 ? Opcode::binary : Opcode::text,
                    "42[\"progress\"," + std::to_string(number)};
    const std::size_t kind = below(random, 40);
    const std::size_t size = kind == 0  ? below(random, 200000)
                             : kind < 5 ? below(random, 20000)
                                        : below(random, 400);
    if (kind == 6) message.text.clear();
    if (message.opcode == Opcode::binary) {
        for (std::size_t i = 0; i < size; ++i) message.text += static_cast<char>(random());
    } else {
        while (message.text.size() < size)
            message.text += random() % 4 == 0 ? "\xE2\x82\xAC" : "{\"percent\":17}";
    }
    return message;
}

/// One peer: sends messages as frames, reads frames as messages.
class Peer {
public:
    Peer(Random& random, bool masks, bool deflates, const DeflateParameters& parameters)
        : random_{random},
          masks_{masks},
          deflates_{deflates},
          out_{masks ? parameters.client_max_window_bits : 15,
               masks ? parameters.client_context_takeover : true},
          in_{parameters.server_max_window_bits, parameters.server_context_takeover}
    {}

    std::string frames_of(const Message& message)
    {
        std::string payload = message.text;
        const bool compress = deflates_ && random_() % 4 != 0;
        if (compress) payload = out_.compress(message.text);
        std::string bytes;
        Opcode opcode = message.opcode;
        bool rsv1 = compress;
        while (random_() % 4 == 0 && bytes.size() < 100000) {
            const std::size_t size = below(random_, payload.size() + 1);
            bytes += wire({opcode, payload.substr(0, size), false, rsv1}, mask());
            payload.erase(0, size);
            opcode = Opcode::continuation;
            rsv1 = false;
            if (random_() % 3 == 0) bytes += wire({Opcode::ping, std::to_string(++pings)}, mask());
        }
        return bytes + wire({opcode, payload, true, rsv1}, mask());
    }

    void read(std::string_view bytes)
    {
        in_bytes_ += bytes;
        // Whole frames only: reading is done once at the end of each round.
        std::size_t used = 0;
        while (const std::size_t size = frame_size(std::string_view{in_bytes_}.substr(used))) {
            on_frame(
                test::read_frames(std::string_view{in_bytes_}.substr(used, size), !masks_).value().at(0));
            used += size;
        }
        in_bytes_.erase(0, used);
    }

    std::vector<Message> received;
    int pings = 0, pings_received = 0;
    bool bad = false;

private:
    std::optional<Mask> mask()
    {
        if (!masks_) return std::nullopt;
        const auto r = random_();
        return Mask{static_cast<Byte>(r), static_cast<Byte>(r >> 8), static_cast<Byte>(r >> 16),
                    static_cast<Byte>(r >> 24)};
    }
    std::size_t frame_size(std::string_view bytes) const
    {
        if (bytes.size() < 2) return 0;
        std::size_t length = static_cast<Byte>(bytes[1]) & 0x7F, header = 2;
        const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
        if (bytes.size() < header + more) return 0;
        if (more != 0) length = 0;
        for (std::size_t i = 0; i < more; ++i) length = length << 8 | static_cast<Byte>(bytes[header++]);
        const std::size_t all = header + (masks_ ? 0 : 4) + length;
        return bytes.size() < all ? 0 : all;
    }
    void on_frame(const Frame& frame)
    {
        if (is_control(frame.opcode)) {
            bad |= frame.opcode != Opcode::ping || frame.payload != std::to_string(++pings_received);
            return;
        }
        if (frame.opcode != Opcode::continuation) {
            bad |= open_;
            message_ = {frame.opcode, {}};
            compressed_ = frame.rsv1;
            bad |= compressed_ && !deflates_;
        } else {
            bad |= !open_ || frame.rsv1;
        }
        message_.text += frame.payload;
        open_ = !frame.fin;
        if (open_) return;
        if (compressed_) {
            const auto text = in_.decompress(message_.text);
            bad |= !text.has_value();
            message_.text = text.value_or("");
        }
        received.push_back(std::move(message_));
    }

    Random& random_;
    bool masks_, deflates_;
    PeerDeflate out_;
    PeerInflate in_;
    std::string in_bytes_;
    Message message_;
    bool open_ = false, compressed_ = false;
};

// Takes a part of what is ready, as a socket that is sometimes full.
std::string take_some(Random& random, OutputQueue& queue, bool all)
{
    if (all) return test::drain(queue);
    std::string out;
    for (std::size_t n = below(random, 4); n > 0 && queue.ready() > 0; --n) {
        const Bytes part = queue.front().first(1 + below(random, queue.front().size()));
        out += as_text(part);
        queue.consume(part.size());
    }
    return out;
}

RelaySettings random_settings(Random& random)
{
    RelaySettings settings;
    settings.batch = {.messages = static_cast<std::uint32_t>(1 + below(random, 60)),
                      .bytes = static_cast<std::uint32_t>(1 + below(random, 30000)),
                      .delay_ms = static_cast<std::uint32_t>(below(random, 3) * 25)};
    settings.level = static_cast<int>(1 + below(random, 9));
    settings.memory_level = static_cast<std::uint8_t>(4 + below(random, 6));
    settings.min_with_context = static_cast<std::uint32_t>(below(random, 100));
    settings.min_without_context = static_cast<std::uint32_t>(below(random, 1500));
    settings.max_ratio = 0;
    settings.buffer = static_cast<std::uint32_t>(1 + below(random, 100000));
    settings.whole = static_cast<std::uint32_t>(1 + below(random, 70000));
    return settings;
}

Agreement random_agreement(Random& random)
{
    const auto bits = [&] { return static_cast<std::uint8_t>(8 + below(random, 8)); };
    return {.mode = random() % 4 == 0 ? Agreement::Mode::plain : Agreement::Mode::edge_deflate,
            .parameters = {.server_context_takeover = random() % 2 == 0,
                           .client_context_takeover = random() % 2 == 0,
                           .server_max_window_bits = bits(),
                           .client_max_window_bits = bits()},
            .pack = random() % 3 == 0};
}

Segments random_segments(Random& random)
{
    return random() % 3 == 0 ? Segments{}
                             : Segments{static_cast<std::uint32_t>(100 + below(random, 3000)),
                                        static_cast<std::uint32_t>(below(random, 40))};
}

// What a client that agreed on edge.batch.v1 makes of the messages it gets.
std::vector<Message> unpacked(const std::vector<Message>& received)
{
    std::vector<Message> messages;
    for (const Message& message : received) {
        if (message.opcode == Opcode::text) {
            messages.push_back(message);
            continue;
        }
        const auto entries = test::read_batch(message.text);
        BOOST_REQUIRE(entries.has_value());
        for (const test::BatchEntry& entry : *entries)
            messages.push_back({entry.binary ? Opcode::binary : Opcode::text, entry.payload});
    }
    return messages;
}

}

BOOST_AUTO_TEST_SUITE(websocket_relay_property)

BOOST_AUTO_TEST_CASE(all_messages_arrive_unchanged_and_in_order_with_any_settings)
{
    for (unsigned seed = 1; seed <= 60; ++seed) {
        Random random{seed};
        const RelaySettings settings = random_settings(random);
        const Agreement agreement = random_agreement(random);
        MemoryCount memory;
        {
            Relay relay{settings, agreement, seed, memory};
            relay.fit(random_segments(random));
            const bool deflates = agreement.mode == Agreement::Mode::edge_deflate;
            Peer client{random, true, deflates, agreement.parameters};
            Peer upstream{random, false, false, {}};
            std::vector<Message> to_client, to_upstream;
            std::string from_client, from_upstream;
            std::uint64_t now = 1000;
            std::size_t most_in_queue = 0;
            for (int round = 0; round < 300 || !from_client.empty() || !from_upstream.empty(); ++round) {
                BOOST_REQUIRE(round < 200000);
                if (round < 300 && random() % 2 == 0) {
                    to_client.push_back(random_message(random, round));
                    from_upstream += upstream.frames_of(to_client.back());
                }
                if (round < 300 && random() % 3 == 0) {
                    to_upstream.push_back(random_message(random, round));
                    from_client += client.frames_of(to_upstream.back());
                }
                const auto read = [&](std::string& bytes) {
                    const std::size_t most = random() % 4 == 0 ? 20 : 16384;
                    return bytes.substr(0, std::min(bytes.size(), 1 + below(random, most)));
                };
                if (relay.wants_upstream()) {
                    std::string part = read(from_upstream);
                    from_upstream.erase(0, part.size());
                    relay.from_upstream(test::bytes_of(part), now);
                }
                if (relay.wants_client()) {
                    std::string part = read(from_client);
                    from_client.erase(0, relay.from_client(test::bytes_of(part), now));
                }
                most_in_queue = std::max(most_in_queue, relay.to_client().size());
                if (random() % 3 == 0) now += below(random, 30);
                relay.on_deadline(now);
                client.read(take_some(random, relay.to_client(), round > 300));
                upstream.read(take_some(random, relay.to_upstream(), round > 300));
                if (random() % 50 == 0) relay.release_idle();
            }
            while (const auto due = relay.deadline()) relay.on_deadline(*due);
            client.read(test::drain(relay.to_client()));
            upstream.read(test::drain(relay.to_upstream()));
            BOOST_TEST_CONTEXT("seed " << seed)
            {
                BOOST_TEST(!relay.closing());
                BOOST_TEST(!relay.deadline().has_value());
                BOOST_TEST(!client.bad);
                BOOST_TEST(!upstream.bad);
                BOOST_TEST(((agreement.pack ? unpacked(client.received) : client.received) == to_client));
                BOOST_TEST((upstream.received == to_upstream));
                BOOST_TEST(client.pings_received == upstream.pings);
                BOOST_TEST(upstream.pings_received == client.pings);
                BOOST_TEST(most_in_queue < settings.buffer + settings.whole + 20000u);
                BOOST_TEST(relay.down().messages == to_client.size());
                BOOST_TEST(relay.up().messages == to_upstream.size());
            }
        }
        BOOST_TEST(memory.bytes == 0u);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}
