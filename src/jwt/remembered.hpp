#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "jwt/siphash.hpp"
#include "jwt/token.hpp"

namespace edge::jwt {

/// SHA-256.
using Hash = std::array<std::uint8_t, 32>;
Hash sha256(std::string_view text);
std::string to_hex(const Hash& hash);

/// Tokens that were found valid, so that no signature is verified twice. Kept is a tag of the whole token,
/// made with a key that only this process has; never the token. Bounded: 2048 tokens, a newer one takes the
/// place of an older. One thread only.
class Remembered {
public:
    /// For find() and keep(). Throws std::bad_alloc, also when there is no randomness for the key.
    Tag tag_of(std::string_view token);
    /// The identity of a token that was valid under the same `context`, which stands for the keys and the
    /// claims asked for, and has not expired. nullptr: not known. Until the next keep().
    const Identity* find(const Tag& token, std::uint64_t context, std::int64_t now) const noexcept;
    const Identity& keep(const Tag& token, std::uint64_t context, Identity identity);
    /// The app does not take this token, valid or not: until then nobody is to be served by it.
    void refuse(const Tag& token, std::int64_t until);
    bool is_refused(const Tag& token, std::int64_t now) const noexcept;

private:
    struct Place {
        Tag token{};
        std::uint64_t context = 0;  ///< 0: free
        Identity identity;
    };
    static constexpr std::size_t kPlaces = 2048;
    static constexpr std::uint64_t kRefused = ~std::uint64_t{0};  ///< a context that is nobody's
    static std::size_t place_of(const Tag& token, std::uint64_t context) noexcept;
    TagKey key_{};
    std::unique_ptr<std::array<Place, kPlaces>> places_;
};

}
