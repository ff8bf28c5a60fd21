#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "fuzz/input.hpp"
#include "redis/reply.hpp"

/// Any bytes as what a server answers, in pieces of any size: read without leaving them, within the limits,
/// and the same whole as cut, and as read to where the reader wants it.
namespace {

using namespace edge;

constexpr redis::ReplyLimits kLimits{.bytes = 16384, .elements = 64};

struct Seen {
    std::string text;
    std::size_t total = 0;
    redis::Memory kept;
};

void note(Seen& seen, const redis::Reply& reply)
{
    seen.text += static_cast<char>('0' + static_cast<int>(reply.type));
    seen.text.append(reply.text).append(std::to_string(reply.integer));
    seen.total += reply.text.size();
    FUZZ_CHECK(reply.elements.size() <= kLimits.elements);
    for (const redis::Reply& element : reply.elements) note(seen, element);
}

void sink(void* self, const redis::Reply& reply) noexcept
{
    auto& seen = *static_cast<Seen*>(self);
    seen.total = 0;
    note(seen, reply);
    FUZZ_CHECK(seen.total <= kLimits.bytes + 64);
    if (reply.memory == nullptr) return;
    seen.kept = std::move(*reply.memory);
    FUZZ_CHECK(reply.text.data() == seen.kept.get());
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::Input input{data, size};
    const std::size_t step = input.byte() % 64 + 1U;
    fuzz::Copies copies;
    const std::string_view bytes = copies(input.rest());

    Seen whole;
    redis::ReplyReader at_once{sink, &whole, kLimits};
    const bool well = at_once.feed(bytes);
    FUZZ_CHECK(well == at_once.error().empty());

    for (const bool direct : {false, true}) {
        Seen cut;
        redis::ReplyReader in_pieces{sink, &cut, kLimits};
        std::string_view rest = bytes;
        bool still = true;
        while (still && !rest.empty()) {
            const std::span<char> room = direct ? in_pieces.room() : std::span<char>{};
            const std::string_view piece = rest.substr(0, room.empty() ? step : std::min(step, room.size()));
            if (room.empty()) {
                still = in_pieces.feed(piece);
            } else {
                std::copy(piece.begin(), piece.end(), room.begin());
                still = in_pieces.take(piece.size());
            }
            rest.remove_prefix(piece.size());
        }
        // Cut, too much may be seen sooner.
        if (well && in_pieces.error().empty()) FUZZ_CHECK(whole.text == cut.text);
    }
    return 0;
}
