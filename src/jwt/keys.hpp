#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Keys that tokens are verified with (RFC 7517, RFC 7518).
namespace edge::jwt {

enum class Algorithm : std::uint8_t { hs256, hs384, hs512, rs256, ps256, es256, eddsa };

/// By the name in a token's header; std::nullopt: none of ours, "none" among them. Case counts.
std::optional<Algorithm> algorithm_of(std::string_view name) noexcept;

/// One key. Its kind alone says which algorithms it can be used with: a secret never verifies what asks for a
/// public key, nor the other way round.
class Key {
public:
    struct Public;  ///< OpenSSL's
    /// A secret, for HMAC.
    explicit Key(std::string secret) noexcept;
    /// A public key: RSA, P-256 or Ed25519. Takes it over.
    explicit Key(std::shared_ptr<Public> key) noexcept;

    bool fits(Algorithm algorithm) const noexcept;
    /// Whether `signature` is that of `text`. HMACs are compared in constant time. `algorithm` fits().
    bool verifies(Algorithm algorithm, std::string_view text, std::string_view signature) const noexcept;

    std::string id;                 ///< kid; empty: it has none
    std::optional<Algorithm> only;  ///< `alg` of a JWK

private:
    std::string secret_;
    std::shared_ptr<Public> public_;
};

struct KeySet {
    std::vector<Key> keys;
};

inline constexpr std::size_t kMaxKeyFile = 256 * 1024;  ///< bytes
inline constexpr std::size_t kMaxKeys = 32;
inline constexpr std::size_t kShortestSecret = 32;  ///< bytes (RFC 7518 section 3.2, for HS256)

/// A KeySet, or what is wrong with the file.
struct KeysResult {
    std::optional<KeySet> keys;
    std::string error;
};

/// The content of a key file:
/// - begins with "{": a JWK set, or one JWK. Keys for other uses, and of kinds we do not know, are passed
/// over;
///   a private key or an unusable one makes the whole file wrong.
/// - has "-----BEGIN" in it: PEM, any number of PUBLIC KEY and CERTIFICATE, nothing else.
/// - anything else: one secret for HMAC, without a line end behind it.
/// Throws std::bad_alloc.
KeysResult parse_keys(std::string_view text);

}
