#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

// What an app sends, as scripts/bench websocket measures it on a real wire.
#include "../../scripts/bench.d/websocket_mix.hpp"
#include "websocket/relay.hpp"

namespace edge::websocket {

namespace {

constexpr std::uint64_t kSegment = 1448, kHeaders = 66;  // Ethernet, IPv4, TCP with time stamps
constexpr std::uint64_t kTls = 22;                       // a record of TLS 1.3

struct Wire {
    bool tls;
    std::uint64_t packets = 0, bytes = 0;
    void write(std::uint64_t size)
    {
        const std::uint64_t all = tls ? size + kTls : size;
        const std::uint64_t segments = (all + kSegment - 1) / kSegment;
        packets += segments;
        bytes += all + segments * kHeaders;
    }
};

struct Case {
    int level;
    bool tls;
    double bytes, packets;  // percent of what goes without the edge
};
std::ostream& operator<<(std::ostream& out, const Case& c)
{
    return out << "level " << c.level << (c.tls ? " with TLS" : "");
}

const std::vector<Case> kCases{{1, false, 30, 10}, {1, true, 30, 10}, {6, false, 26, 9}, {6, true, 26, 9}};

/// Bursts of 10 to 150 messages at 2000 a second, pauses of 40 to 200 ms; each read has one message, each
/// timer is on time.
class Connection {
public:
    explicit Connection(const Case& c)
        : direct{c.tls}, batched{c.tls}, record_{Segments{kSegment, c.tls ? 29U : 0}.record()}
    {
        settings_.level = c.level;
        relay_.emplace(settings_, Agreement{.mode = Agreement::Mode::edge_deflate, .parameters = {}}, 1,
                       memory_);
        relay_->fit(Segments{kSegment, c.tls ? 29U : 0});
    }
    void burst(int messages)
    {
        for (int i = 0; i < messages; ++i) {
            wait_until(at_half_ms_ / 2);
            const Message& message = pool()[next_++ % pool().size()];
            std::string frame = frame_head(message.opcode, message.payload.size()) + message.payload;
            direct.write(frame.size());
            relay_->from_upstream({reinterpret_cast<Byte*>(frame.data()), frame.size()}, at_half_ms_ / 2);
            write();
            ++at_half_ms_;
        }
    }
    void pause(std::uint64_t ms)
    {
        at_half_ms_ += 2 * ms;
        wait_until(at_half_ms_ / 2);
    }
    Wire direct, batched;
    std::uint64_t longest_ms = 0;

private:
    void wait_until(std::uint64_t now)
    {
        while (relay_->deadline() && *relay_->deadline() <= now) {
            relay_->on_deadline(*relay_->deadline());
            write();
        }
    }
    void write()
    {
        if (const auto flush = relay_->take_flush()) longest_ms = std::max(longest_ms, flush->held_ms);
        OutputQueue& queue = relay_->to_client();
        while (queue.ready() != 0) {
            const std::size_t size = batched.tls ? std::min(queue.front().size(), record_) : queue.ready();
            batched.write(size);
            queue.consume(size);
        }
    }

    RelaySettings settings_;
    MemoryCount memory_;
    std::optional<Relay> relay_;
    std::size_t record_;
    std::uint64_t at_half_ms_ = 2000;
    std::size_t next_ = 0;
};

}

BOOST_AUTO_TEST_SUITE(websocket_wire_share)

BOOST_DATA_TEST_CASE(an_apps_bursts_take_a_tenth_of_the_packets_and_less_than_a_third_of_the_bytes, kCases)
{
    std::mt19937 random{7};
    const auto between = [&](int least, int most) {
        return std::uniform_int_distribution<int>{least, most}(random);
    };
    Connection connection{sample};
    for (int i = 0; i < 250; ++i) {
        connection.burst(between(10, 150));
        connection.pause(static_cast<std::uint64_t>(between(40, 200)));
    }
    const auto percent = [](std::uint64_t part, std::uint64_t whole) {
        return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
    };
    BOOST_TEST(percent(connection.batched.packets, connection.direct.packets) <= sample.packets);
    BOOST_TEST(percent(connection.batched.bytes, connection.direct.bytes) <= sample.bytes);
    BOOST_TEST(connection.longest_ms <= 20u);
}

BOOST_AUTO_TEST_SUITE_END()

}
