#include "jwt/remembered.hpp"

#include <openssl/evp.h>
#include <sys/random.h>

#include <new>
#include <utility>

namespace edge::jwt {

Hash sha256(std::string_view text)
{
    Hash hash{};
    unsigned length = 0;
    if (EVP_Digest(text.data(), text.size(), hash.data(), &length, EVP_sha256(), nullptr) != 1 ||
        length != hash.size()) {
        throw std::bad_alloc{};
    }
    return hash;
}

std::string to_hex(const Hash& hash)
{
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const std::uint8_t byte : hash) out.append({kDigits[byte >> 4], kDigits[byte & 15]});
    return out;
}

Tag Remembered::tag_of(std::string_view token)
{
    if (!places_) {
        if (getrandom(key_.data(), sizeof(key_), 0) != static_cast<ssize_t>(sizeof(key_)))
            throw std::bad_alloc{};
        places_ = std::make_unique<std::array<Place, kPlaces>>();
    }
    return siphash(key_, token);
}

const Identity* Remembered::find(const Tag& token, std::uint64_t context, std::int64_t now) const noexcept
{
    if (!places_) return nullptr;
    const Place& place = (*places_)[token[0] % kPlaces];
    const bool same = place.context == context && context != 0 && place.token == token;
    return same && now < place.identity.expires ? &place.identity : nullptr;
}

const Identity& Remembered::keep(const Tag& token, std::uint64_t context, Identity identity)
{
    Place& place = (*places_)[token[0] % kPlaces];
    place.identity = std::move(identity);
    place.token = token;
    place.context = context;
    return place.identity;
}

}
