#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "jwt/keys.hpp"

/// JSON Web Tokens in the compact form (RFC 7519, RFC 7515, RFC 8725).
namespace edge::jwt {

enum class Verdict : std::uint8_t {
    valid,
    absent,     ///< there is no token
    too_large,  ///< more than kMaxToken bytes
    malformed,  ///< not three parts of base64url, not strict JSON, a claim of the wrong type
    algorithm,  ///< "none", or not one of ours
    critical,   ///< it names extensions that must be understood (crit)
    type,       ///< typ says that it is something else
    key,        ///< no key of ours fits its algorithm and kid
    signature,
    expired,
    not_yet,  ///< nbf lies ahead
    claim,    ///< no exp; or a claim that makes the identity is absent, not a string, empty or too long
};

/// A short word for logs and counters.
std::string_view verdict_name(Verdict verdict) noexcept;

struct Identity {
    /// iss, aud, and name and value of the claims chosen, each with its length: two identities never share a
    /// text.
    std::string text;
    std::string claim;         ///< the first of the claims chosen
    std::int64_t expires = 0;  ///< exp, Unix time
};

struct Verified {
    Verdict verdict = Verdict::absent;
    Identity identity = {};  ///< only when valid
};

inline constexpr std::size_t kMaxToken = 8192;   ///< bytes
inline constexpr std::size_t kMaxHeader = 2048;  ///< of its first part
inline constexpr std::size_t kMaxClaim = 256;    ///< of one that makes the identity
inline constexpr std::size_t kMaxAudiences = 16;
inline constexpr std::int64_t kSkew = 5;  ///< seconds that nbf may lie ahead; exp is exact

/// Verifies a token. `claims`: names of those that make the identity beside iss and aud, at least one. `now`:
/// Unix time. What is not signed is looked at no further than the header. Throws std::bad_alloc.
Verified verify(std::string_view token, const KeySet& keys, std::span<const std::string> claims,
                std::int64_t now);

/// The token in an Authorization value (RFC 6750 section 2.1); empty: another scheme, or none.
std::string_view bearer(std::string_view authorization) noexcept;

}
