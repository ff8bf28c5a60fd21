#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace edge::jwt {

/// base64url without padding (RFC 7515 section 2), the one form a value has: no other characters, no bits
/// left over that are not 0. std::nullopt: not that. Throws std::bad_alloc.
std::optional<std::string> decode_base64url(std::string_view text);

}
