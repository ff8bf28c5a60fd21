#pragma once

#include <cstdint>

#include "websocket/bytes.hpp"

namespace edge::websocket {

/// Checks UTF-8 (RFC 3629) that arrives in pieces cut anywhere, as text messages do (RFC 6455 section 8.1).
/// No surrogates, no overlong forms, nothing above U+10FFFF. Fails at the first byte after which no valid
/// text is possible, not only at the end of the character. Never allocates.
class Utf8 {
public:
    /// false: invalid from here on, whatever follows; stays so until reset().
    bool feed(Bytes piece) noexcept;
    /// Valid, and no character is half there.
    bool complete() const noexcept { return state_ == 0; }
    void reset() noexcept { state_ = 0; }

private:
    std::uint8_t state_ = 0;
};

bool is_utf8(Bytes text) noexcept;

}
