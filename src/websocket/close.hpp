#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "websocket/bytes.hpp"

/// Close frames' payload: RFC 6455 sections 5.5.1 and 7.4.
namespace edge::websocket {

/// The codes the edge itself uses. A peer's may be any valid one: cast from the number.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    no_code = 1005,   ///< never on the wire: the Close frame was empty
    abnormal = 1006,  ///< never on the wire: there was no Close frame
    bad_data = 1007,
    policy = 1008,
    too_big = 1009,
    internal_error = 1011,
};

/// May this number be in a Close frame: 1000 to 1003, 1007 to 1014 (IANA's registry), 3000 to 4999.
constexpr bool is_valid_close_code(std::uint32_t code) noexcept
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

struct Close {
    CloseCode code = CloseCode::no_code;
    std::string_view reason;  ///< UTF-8, at most 123 bytes; a view into the payload parsed
};

/// What is wrong and the code that tells the peer so. The reason is a literal, ASCII, fit for a log and a
/// Close frame.
struct Violation {
    CloseCode code;
    std::string_view reason;
};

/// The payload of a Close frame. An empty one is valid, with code no_code. Otherwise 2 bytes of a valid code,
/// then UTF-8; if not, `violation` says why: protocol_error (one byte, invalid code) or bad_data (UTF-8).
struct ParsedClose {
    Close close;
    std::optional<Violation> violation;
};
ParsedClose parse_close(Bytes payload) noexcept;

/// A Close frame's payload, made. A reason that is too long is cut between characters. no_code makes an empty
/// payload.
class ClosePayload {
public:
    explicit ClosePayload(CloseCode code, std::string_view reason = {}) noexcept;
    Bytes bytes() const noexcept { return {bytes_.data(), size_}; }

private:
    std::array<Byte, 125> bytes_{};
    std::size_t size_ = 0;
};

}
