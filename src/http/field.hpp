#pragma once

#include <span>
#include <string_view>

namespace edge::http {

/// One header field line as received: the name in any case, the value without the line's outer white space.
/// Both views point into memory the caller owns; a Field never outlives it.
struct Field {
    std::string_view name;
    std::string_view value;
};

/// All lines of one message in their order of arrival; a name may occur several times (RFC 9110 section 5.3).
using Fields = std::span<const Field>;

}
