#include "jwt/siphash.hpp"

#include <bit>
#include <cstring>

namespace edge::jwt {

namespace {

struct State {
    std::uint64_t a, b, c, d;

    void round() noexcept
    {
        a += b;
        b = std::rotl(b, 13) ^ a;
        a = std::rotl(a, 32);
        c += d;
        d = std::rotl(d, 16) ^ c;
        a += d;
        d = std::rotl(d, 21) ^ a;
        c += b;
        b = std::rotl(b, 17) ^ c;
        c = std::rotl(c, 32);
    }
    void take(std::uint64_t word) noexcept
    {
        d ^= word;
        round();
        round();
        a ^= word;
    }
    std::uint64_t finish() noexcept
    {
        for (int i = 0; i < 4; ++i) round();
        return a ^ b ^ c ^ d;
    }
};

}

Tag siphash(const TagKey& key, std::string_view text) noexcept
{
    static_assert(std::endian::native == std::endian::little);
    State state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d ^ 0xee, key[0] ^ 0x6c7967656e657261,
                key[1] ^ 0x7465646279746573};
    const std::uint64_t size = text.size();
    for (; text.size() >= sizeof(std::uint64_t); text.remove_prefix(sizeof(std::uint64_t))) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), sizeof(word));
        state.take(word);
    }
    std::uint64_t last = 0;
    if (!text.empty()) std::memcpy(&last, text.data(), text.size());
    state.take(last | size << 56);
    state.c ^= 0xee;
    const std::uint64_t first = state.finish();
    state.b ^= 0xdd;
    return {first, state.finish()};
}

}
