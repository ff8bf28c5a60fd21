#include "websocket/utf8.hpp"

#include <array>
#include <cstring>

namespace edge::websocket {

namespace {

// What has to follow; each state accepts one range of continuation bytes (RFC 3629 section 4).
enum State : std::uint8_t {
    kBegin,
    kOne,      // one more 80..BF
    kTwo,      // two more
    kThree,    // three more
    kAfterE0,  // A0..BF, one more: no overlong forms
    kAfterEd,  // 80..9F, one more: no surrogates
    kAfterF0,  // 90..BF, two more: no overlong forms
    kAfterF4,  // 80..8F, two more: nothing above U+10FFFF
    kInvalid,
};

constexpr State first(Byte byte) noexcept
{
    if (byte < 0x80) return kBegin;
    if (byte < 0xC2) return kInvalid;
    if (byte < 0xE0) return kOne;
    if (byte == 0xE0) return kAfterE0;
    if (byte == 0xED) return kAfterEd;
    if (byte < 0xF0) return kTwo;
    if (byte == 0xF0) return kAfterF0;
    if (byte < 0xF4) return kThree;
    return byte == 0xF4 ? kAfterF4 : kInvalid;
}

struct Range {
    Byte from, to;
    State next;
};
constexpr std::array<Range, 9> kFollowing{{
    {0, 0, kInvalid},
    {0x80, 0xBF, kBegin},
    {0x80, 0xBF, kOne},
    {0x80, 0xBF, kTwo},
    {0xA0, 0xBF, kOne},
    {0x80, 0x9F, kOne},
    {0x90, 0xBF, kTwo},
    {0x80, 0x8F, kTwo},
    {1, 0, kInvalid},  // no byte
}};

constexpr auto kFirst = [] {
    std::array<State, 256> table{};
    for (std::size_t byte = 0; byte < table.size(); ++byte) table[byte] = first(static_cast<Byte>(byte));
    return table;
}();

// How many bytes at the front are ASCII, in whole words.
std::size_t ascii_words(Bytes text) noexcept
{
    std::size_t n = 0;
    for (; n + 8 <= text.size(); n += 8) {
        std::uint64_t word;
        std::memcpy(&word, text.data() + n, sizeof word);
        if ((word & 0x8080808080808080U) != 0) break;
    }
    return n;
}

}

bool Utf8::feed(Bytes piece) noexcept
{
    std::size_t i = 0;
    while (i < piece.size()) {
        if (state_ == kBegin) {
            i += ascii_words(piece.subspan(i));
            // Up to the next word; text that is hardly ASCII is not looked at twice.
            while (i < piece.size() && (state_ = kFirst[piece[i]]) == kBegin) {
                ++i;
                if (i % 8 == 0) break;
            }
            if (state_ == kBegin) continue;
            ++i;
        } else {
            const Range& range = kFollowing[state_];
            state_ = piece[i] >= range.from && piece[i] <= range.to ? range.next : kInvalid;
            ++i;
        }
        if (state_ == kInvalid) return false;
    }
    return state_ != kInvalid;
}

bool is_utf8(Bytes text) noexcept
{
    Utf8 utf8;
    return utf8.feed(text) && utf8.complete();
}

}
