#include "fuzz/input.hpp"
#include "websocket/deflate.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::websocket;

namespace {

struct Outcome {
    std::string messages;
    CloseCode code;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Any bytes as a compressed message: within the limits, and the same however they are cut.
void inflate_any(std::string_view payload, std::uint64_t limit, bool context, MemoryCount& memory)
{
    const auto run = [&](std::size_t step) {
        Inflater inflater{
            {.context_takeover = context, .max_message = limit, .max_ratio = 50, .ratio_from = 4096}, memory};
        Buffer out{CountedAllocator<Byte>{memory}};
        std::string all;
        for (int message = 0; message < 2; ++message) {
            std::optional<Violation> violation;
            out.clear();
            for (std::size_t at = 0; at < payload.size() && !violation; at += step) {
                Copies copies;
                violation = inflater.feed(as_bytes(copies(payload.substr(at, step))), out);
            }
            if (!violation) violation = inflater.finish(out);
            FUZZ_CHECK(out.size() <= limit);
            if (violation) return Outcome{all, violation->code};
            all.append(as_text(out));
            inflater.shrink();
        }
        return Outcome{all, CloseCode::normal};
    };
    const Outcome whole = run(payload.size() + 1), bytes = run(1);
    // Which limit is met first depends on the cut: the ratio is of what has come in so far.
    if (whole.code != CloseCode::too_big && bytes.code != CloseCode::too_big) FUZZ_CHECK(whole == bytes);
}

}

/// The first bytes choose the settings; the rest is a compressed message, and plain ones separated by
/// newlines.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const std::uint8_t mode = input.byte();
    const std::uint64_t limit = 1 + input.number<std::uint16_t>();
    const auto bits = static_cast<std::uint8_t>(8 + input.byte() % 8);
    const bool context = (mode & 1) != 0;
    MemoryCount memory;
    {
        const Input saved = input;
        const std::string_view rest = input.rest();
        if (!rest.empty()) inflate_any(rest, limit, context, memory);
        input = saved;

        Deflater deflater{{.level = 1 + mode % 9,
                           .window_bits = bits,
                           .memory_level = static_cast<std::uint8_t>(4 + mode % 6),
                           .context_takeover = context},
                          memory};
        Inflater inflater{{.window_bits = bits, .context_takeover = context}, memory};
        Buffer scratch{CountedAllocator<Byte>{memory}}, out{CountedAllocator<Byte>{memory}};
        while (!input.empty()) {
            Copies copies;
            std::string repeated;
            const std::string_view line = input.line();
            for (int n = 1 + mode / 32; n > 0; --n) repeated += line;
            const std::string_view message = copies(repeated);
            const auto payload = deflater.compress(as_bytes(message), scratch);
            if (!payload) continue;
            FUZZ_CHECK(payload->size() < message.size());
            out.clear();
            FUZZ_CHECK(!inflater.feed(*payload, out) && !inflater.finish(out));
            FUZZ_CHECK(as_text(out) == message);
            if (message.size() % 7 == 0) inflater.shrink();
            if (message.size() % 11 == 0) deflater.release();
        }
    }
    FUZZ_CHECK(memory.bytes == 0);
    return 0;
}
