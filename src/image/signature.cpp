#include "image/signature.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <new>

namespace edge::image {

std::variant<SigningKeys, std::string> parse_signing_keys(std::string_view file)
{
    constexpr std::size_t kShortest = 16;
    SigningKeys keys;
    std::size_t number = 0;
    while (!file.empty()) {
        const std::size_t end = file.find('\n');
        std::string_view line = file.substr(0, end);
        file.remove_prefix(end == file.npos ? file.size() : end + 1);
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.front() == '#') continue;
        if (line.size() < kShortest)
            return "line " + std::to_string(number) + ": a key has at least 16 bytes";
        keys.emplace_back(line);
    }
    if (keys.empty()) return std::string{"there is no key in it"};
    return keys;
}

std::string sign(std::string_view key, std::string_view text)
{
    std::array<unsigned char, 32> digest{};
    unsigned size = digest.size();
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
             &size) == nullptr) {
        throw std::bad_alloc{};
    }
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    hex.reserve(2 * digest.size());
    for (const unsigned char byte : digest) hex.append({kDigits[byte >> 4], kDigits[byte & 15]});
    return hex;
}

Signature verify(const SigningKeys& keys, std::string_view text, std::string_view signature,
                 std::uint64_t expires, std::uint64_t now)
{
    bool valid = false;
    for (const std::string& key : keys) {
        const std::string right = sign(key, text);
        valid |= right.size() == signature.size() &&
                 CRYPTO_memcmp(right.data(), signature.data(), right.size()) == 0;
    }
    if (!valid) return Signature::wrong;
    return expires != 0 && expires < now ? Signature::expired : Signature::valid;
}

}
