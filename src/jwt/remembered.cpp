#include "jwt/remembered.hpp"

#include <openssl/evp.h>

#include <cstring>
#include <new>

namespace edge::jwt {

namespace {

std::size_t place_of(const Hash& token) noexcept
{
    std::size_t number = 0;
    std::memcpy(&number, token.data(), sizeof(number));
    return number;
}

}

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

const Identity* Remembered::find(const Hash& token, std::uint64_t context, std::int64_t now) const noexcept
{
    if (!places_) return nullptr;
    const Place& place = (*places_)[place_of(token) % kPlaces];
    const bool same = place.context == context && context != 0 && place.token == token;
    return same && now < place.identity.expires ? &place.identity : nullptr;
}

void Remembered::keep(const Hash& token, std::uint64_t context, const Identity& identity)
{
    if (!places_) places_ = std::make_unique<std::array<Place, kPlaces>>();
    Place& place = (*places_)[place_of(token) % kPlaces];
    place.context = 0;
    place.identity = identity;
    place.token = token;
    place.context = context;
}

}
