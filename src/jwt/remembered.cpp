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

std::size_t Remembered::place_of(const Tag& token, std::uint64_t context) noexcept
{
    // The same token in several locations has a place for each.
    return (token[0] ^ (context * 0x9e3779b97f4a7c15 >> 32)) % kPlaces;
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
    const Place& place = (*places_)[place_of(token, context)];
    const bool same = place.context == context && context != 0 && place.token == token;
    return same && now < place.identity.expires ? &place.identity : nullptr;
}

void Remembered::refuse(const Tag& token, std::int64_t until)
{
    keep(token, kRefused, {.text = {}, .claim = {}, .expires = until});
}

bool Remembered::is_refused(const Tag& token, std::int64_t now) const noexcept
{
    return find(token, kRefused, now) != nullptr;
}

const Identity& Remembered::keep(const Tag& token, std::uint64_t context, Identity identity)
{
    Place& place = (*places_)[place_of(token, context)];
    place.identity = std::move(identity);
    place.token = token;
    place.context = context;
    return place.identity;
}

}
