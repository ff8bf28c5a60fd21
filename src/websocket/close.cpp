#include "websocket/close.hpp"

#include <algorithm>

#include "websocket/utf8.hpp"

namespace edge::websocket {

ParsedClose parse_close(Bytes payload) noexcept
{
    if (payload.empty()) return {};
    if (payload.size() == 1)
        return {{}, Violation{CloseCode::protocol_error, "a Close frame with half a code"}};
    const auto code = static_cast<std::uint16_t>(payload[0] << 8 | payload[1]);
    if (!is_valid_close_code(code)) return {{}, Violation{CloseCode::protocol_error, "invalid close code"}};
    const Bytes reason = payload.subspan(2);
    if (!is_utf8(reason)) return {{}, Violation{CloseCode::bad_data, "a close reason that is not UTF-8"}};
    return {{static_cast<CloseCode>(code), as_text(reason)}, {}};
}

ClosePayload::ClosePayload(CloseCode code, std::string_view reason) noexcept
{
    const auto number = static_cast<std::uint16_t>(code);
    if (!is_valid_close_code(number)) return;
    bytes_[0] = static_cast<Byte>(number >> 8);
    bytes_[1] = static_cast<Byte>(number & 0xFF);
    size_ = 2;
    if (!is_utf8(as_bytes(reason))) return;
    std::size_t length = std::min(reason.size(), bytes_.size() - size_);
    const auto in_character = [&](std::size_t i) { return (static_cast<Byte>(reason[i]) & 0xC0) == 0x80; };
    while (length > 0 && length < reason.size() && in_character(length)) --length;
    std::copy_n(reason.begin(), length, bytes_.begin() + 2);
    size_ += length;
}

}
