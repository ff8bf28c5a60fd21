#include "fuzz/input.hpp"
#include "websocket/relay.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::websocket;

namespace {

// What a strict reader makes of the bytes a relay wrote; they are never a violation.
class Check {
public:
    explicit Check(Sender sender, bool deflate) : parser_{sender, deflate} {}
    void read(OutputQueue& queue)
    {
        while (queue.ready() > 0) {
            const Bytes front = queue.front();
            std::string copy{as_text(front)};
            MutableBytes rest{reinterpret_cast<Byte*>(copy.data()), copy.size()};
            for (;;) {
                const auto event = parser_.next(rest);
                FUZZ_CHECK(event.kind != FrameParser::Kind::error);
                if (event.kind == FrameParser::Kind::more) break;
                FUZZ_CHECK(!closed_);
                if (event.kind == FrameParser::Kind::end && parser_.header().opcode == Opcode::close)
                    closed_ = true;
            }
            queue.consume(front.size());
        }
    }

private:
    FrameParser parser_;
    bool closed_ = false;
};

// The same bytes in one go and one by one: the same events.
void parse_twice(std::string_view bytes, Sender sender, bool deflate)
{
    const auto events = [&](std::size_t step) {
        std::string log;
        FrameParser parser{sender, deflate};
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            Copies copies;
            const std::string_view part = copies(bytes.substr(at, step));
            MutableBytes rest{reinterpret_cast<Byte*>(const_cast<char*>(part.data())), part.size()};
            for (;;) {
                const auto event = parser.next(rest);
                if (event.kind == FrameParser::Kind::more) break;
                if (event.kind == FrameParser::Kind::payload)
                    log.append(as_text(event.piece));
                else if (event.kind == FrameParser::Kind::error)
                    log.append("<error ").append(event.violation.reason).append(">");
                else
                    log.append(event.kind == FrameParser::Kind::header ? "<" : ">");
                // Written back it is a header that reads the same.
                if (event.kind == FrameParser::Kind::header) {
                    const HeaderBytes again{parser.header()};
                    FUZZ_CHECK(again.bytes().size() >= 2 && again.bytes().size() <= kMaxHeader);
                    log.append(as_text(again.bytes()));
                }
            }
        }
        return log;
    };
    FUZZ_CHECK(events(1) == events(bytes.size() + 1));
}

}

/// Any bytes from both sides: nothing a relay writes breaks the protocol, and its memory is bounded.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const std::uint8_t mode = input.byte();
    RelaySettings settings;
    settings.whole = 1 + input.byte();
    settings.buffer = 200;
    settings.max_client_message = 1000;
    settings.batch.delay_ms = mode & 0x10 ? 20 : 0;
    const Agreement agreement{.mode = static_cast<Agreement::Mode>(mode % 3), .parameters = {}};
    const bool deflate = agreement.mode != Agreement::Mode::plain;
    parse_twice(std::string_view{reinterpret_cast<const char*>(data), size}.substr(size > 0), Sender::client,
                deflate);
    parse_twice(std::string_view{reinterpret_cast<const char*>(data), size}.substr(size > 0), Sender::server,
                false);

    MemoryCount memory;
    {
        Relay relay{settings, agreement, 1, memory};
        Check client{Sender::server, deflate};
        Check upstream{Sender::client, agreement.mode == Agreement::Mode::pass_through};
        std::uint64_t now = 1;
        while (!input.empty() && !relay.ended()) {
            const std::uint8_t what = input.byte();
            std::string part;
            for (int n = what >> 2; n >= 0 && !input.empty(); --n) part += static_cast<char>(input.byte());
            Copies copies;
            const std::string_view copy = copies(part);
            MutableBytes bytes{reinterpret_cast<Byte*>(const_cast<char*>(copy.data())), copy.size()};
            switch (what & 3) {
                case 0:
                    while (!bytes.empty()) {
                        const std::size_t taken = relay.from_client(bytes, now);
                        FUZZ_CHECK(taken <= bytes.size());
                        FUZZ_CHECK(taken == bytes.size() || relay.to_upstream().ready() > 0);
                        bytes = bytes.subspan(taken);
                        upstream.read(relay.to_upstream());
                    }
                    break;
                case 1:
                    relay.from_upstream(bytes, now);
                    break;
                case 2:
                    now += part.size();
                    relay.on_deadline(now);
                    relay.release_idle();
                    break;
                default:
                    if (part.size() == 1) relay.close_client(CloseCode::going_away, part, now);
                    if (part.size() == 2) relay.upstream_ended(now);
                    if (part.size() == 3) relay.ping_client(now, now);
                    break;
            }
            client.read(relay.to_client());
            upstream.read(relay.to_upstream());
            FUZZ_CHECK(memory.bytes < 800000);
        }
        relay.flush(now);
        client.read(relay.to_client());
        upstream.read(relay.to_upstream());
        FUZZ_CHECK(relay.to_client().size() == 0 && relay.to_upstream().size() == 0);
    }
    FUZZ_CHECK(memory.bytes == 0);
    return 0;
}
