#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "jwt/token.hpp"

namespace edge::jwt {

/// SHA-256.
using Hash = std::array<std::uint8_t, 32>;
Hash sha256(std::string_view text);
std::string to_hex(const Hash& hash);

/// Tokens that were found valid, so that no signature is verified twice. Kept is a hash of the whole token,
/// never the token. Bounded: 2048 tokens, a newer one takes the place of an older. One thread only.
class Remembered {
public:
    /// The identity of a token that was valid under the same `context`, which stands for the keys and the
    /// claims asked for, and has not expired. nullptr: not known. Until the next keep().
    const Identity* find(const Hash& token, std::uint64_t context, std::int64_t now) const noexcept;
    void keep(const Hash& token, std::uint64_t context, const Identity& identity);

private:
    struct Place {
        Hash token{};
        std::uint64_t context = 0;  ///< 0: free
        Identity identity;
    };
    static constexpr std::size_t kPlaces = 2048;
    std::unique_ptr<std::array<Place, kPlaces>> places_;
};

}
