#include "fuzz/input.hpp"
#include "websocket/close.hpp"
#include "websocket/priority.hpp"
#include "websocket/utf8.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::websocket;

/// Any bytes as text, as a Close payload, as an engine.io message and as a priority rule.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const std::size_t cut = input.byte();
    Copies copies;
    const std::string_view text = copies(input.rest());
    const Bytes bytes = as_bytes(text);

    // However it is cut; and what can't be mended is not mended.
    const bool valid = is_utf8(bytes);
    Utf8 in_two, by_one;
    const Bytes first = as_bytes(copies(text.substr(0, cut))), rest = bytes.subspan(first.size());
    const bool begun = in_two.feed(first);
    FUZZ_CHECK((in_two.feed(rest) && in_two.complete()) == valid);
    FUZZ_CHECK(begun || !valid);
    bool good = true;
    for (const Byte& byte : bytes) {
        const bool now = by_one.feed({&byte, 1});
        FUZZ_CHECK(good || !now);
        good = now;
    }
    FUZZ_CHECK((good && by_one.complete()) == valid);

    const ParsedClose parsed = parse_close(bytes);
    if (!parsed.violation) {
        const ClosePayload again{parsed.close.code, parsed.close.reason};
        FUZZ_CHECK(bytes.size() > kMaxControlPayload || as_text(again.bytes()) == text);
        FUZZ_CHECK(within(parsed.close.reason, text));
    }
    const ClosePayload made{CloseCode::normal, text};
    FUZZ_CHECK(made.bytes().size() <= kMaxControlPayload && !parse_close(made.bytes()).violation);

    const Packet packet = parse_packet(text, true);
    FUZZ_CHECK(packet.event.empty() || within(packet.event, text));
    FUZZ_CHECK(packet.space == "/" || within(packet.space, text));
    const std::string_view argument[] = {text};
    const auto rules = PriorityRules::parse(argument);
    if (const auto* usable = std::get_if<PriorityRules>(&rules))
        usable->match(Opcode::text, bytes, bytes.size(), packet);
    else
        FUZZ_CHECK(!std::get<std::string>(rules).empty());
    return 0;
}
