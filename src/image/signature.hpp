#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Signed image URLs: HMAC-SHA256 over path and query.
namespace edge::image {

/// Keys in the order of their file; any of them verifies, so that an old one may stay for a while.
using SigningKeys = std::vector<std::string>;

/// One key a line, at least 16 bytes, taken as it stands; empty lines and lines that begin with '#' do not
/// count. A text says what is wrong.
std::variant<SigningKeys, std::string> parse_signing_keys(std::string_view file);

/// The signature of `text`: 64 hexadecimal digits, lower case.
std::string sign(std::string_view key, std::string_view text);

enum class Signature : std::uint8_t { valid, wrong, expired };

/// What sig= says about `text`, the path and query as sent but without sig. The time it takes does not depend
/// on how much of a wrong signature is right. `expires`: exp=, 0 for none; it is part of `text`. `now`:
/// seconds since 1970.
Signature verify(const SigningKeys& keys, std::string_view text, std::string_view signature,
                 std::uint64_t expires, std::uint64_t now);

}
