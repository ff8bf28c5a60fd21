// A token of any bytes is refused or valid, and valid only if it was signed with the secret; a key file of
// any bytes is read or refused.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http/json.hpp"
#include "jwt/base64url.hpp"
#include "jwt/token.hpp"

using namespace edge;

namespace {

const std::string kSecret = "a secret of more than 32 bytes, known to the app";
const std::vector<std::string> kClaims{"sub"};

std::string encode(std::string_view bytes)
{
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    while (out.ends_with('=')) out.pop_back();
    for (char& c : out) c = c == '+' ? '-' : (c == '/' ? '_' : c);
    return out;
}

std::string sign(const std::string& text)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), kSecret.data(), static_cast<int>(kSecret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    return text + "." + encode({reinterpret_cast<char*>(mac), size});
}

void require(bool condition)
{
    if (!condition) std::abort();
}

void check_json(std::string_view text)
{
    const auto value = http::parse_json(text);
    if (!value || !value->is(http::JsonValue::Kind::object)) return;
    for (std::size_t i = 0; i < value->names.size(); ++i) {
        // The first of a name is the only one.
        require(value->find(value->names[i]) == &value->items[i]);
    }
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0) return 0;
    static const jwt::KeySet keys = *jwt::parse_keys(kSecret).keys;
    const std::string_view all{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 4) {
        case 0: {  // anything as a token
            const jwt::Verified result = jwt::verify(all, keys, kClaims, 1'700'000'000);
            if (result.verdict != jwt::Verdict::valid) break;
            const std::size_t dot = all.rfind('.');
            // Another algorithm of the family may have signed it; HS256 signs as we do.
            require(dot != all.npos && !result.identity.claim.empty());
            break;
        }
        case 1: {  // anything, signed, as its header and payload
            const std::size_t half = all.find('\n');
            if (half == all.npos) break;
            const std::string text = encode(all.substr(0, half)) + "." + encode(all.substr(half + 1));
            const jwt::Verified result = jwt::verify(sign(text), keys, kClaims, 1'700'000'000);
            if (result.verdict != jwt::Verdict::valid) break;
            require(result.identity.expires > 1'700'000'000 && !result.identity.claim.empty());
            // The same text with one bit of the signature changed.
            std::string forged = sign(text);
            forged[forged.size() - 10] = forged[forged.size() - 10] == 'A' ? 'B' : 'A';
            require(jwt::verify(forged, keys, kClaims, 1'700'000'000).verdict == jwt::Verdict::signature);
            break;
        }
        case 2:
            static_cast<void>(jwt::parse_keys(all));
            break;
        default: {
            check_json(all);
            const auto bytes = jwt::decode_base64url(all);
            if (bytes) require(encode(*bytes) == all);
        }
    }
    return 0;
}
