#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "websocket/frame.hpp"

/// Frames for tests: written and read by code that shares nothing with the parser under test.
namespace edge::websocket::test {

struct Frame {
    Opcode opcode = Opcode::text;
    std::string payload;
    bool fin = true;
    bool rsv1 = false;
    friend bool operator==(const Frame&, const Frame&) = default;
};

inline std::string wire(const Frame& frame, std::optional<Mask> mask = {})
{
    std::string out{
        static_cast<char>((frame.fin ? 0x80 : 0) | (frame.rsv1 ? 0x40 : 0) | static_cast<int>(frame.opcode))};
    const std::size_t size = frame.payload.size();
    const int masked = mask ? 0x80 : 0;
    const auto number = [&](int bytes) {
        for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(size >> (8 * i) & 0xFF);
    };
    if (size < 126) {
        out += static_cast<char>(masked | static_cast<int>(size));
    } else if (size < 65536) {
        out += static_cast<char>(masked | 126);
        number(2);
    } else {
        out += static_cast<char>(masked | 127);
        number(8);
    }
    if (!mask) return out + frame.payload;
    for (const Byte byte : *mask) out += static_cast<char>(byte);
    for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(frame.payload[i] ^ (*mask)[i % 4]);
    return out;
}

/// All frames of a string that holds whole ones only, unmasked; nullopt if it does not.
inline std::optional<std::vector<Frame>> read_frames(std::string_view text, bool masked)
{
    std::vector<Frame> frames;
    while (!text.empty()) {
        if (text.size() < 2) return std::nullopt;
        const auto at = [&](std::size_t i) { return static_cast<Byte>(text[i]); };
        Frame frame{static_cast<Opcode>(at(0) & 15), {}, (at(0) & 0x80) != 0, (at(0) & 0x40) != 0};
        if (((at(1) & 0x80) != 0) != masked) return std::nullopt;
        std::size_t length = at(1) & 0x7F, header = 2;
        const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
        if (text.size() < header + more + (masked ? 4 : 0)) return std::nullopt;
        if (more != 0) length = 0;
        for (std::size_t i = 0; i < more; ++i) length = length << 8 | at(header++);
        Mask mask{};
        if (masked)
            for (Byte& byte : mask) byte = at(header++);
        if (text.size() - header < length) return std::nullopt;
        for (std::size_t i = 0; i < length; ++i)
            frame.payload += static_cast<char>(at(header + i) ^ mask[i % 4]);
        text.remove_prefix(header + length);
        frames.push_back(std::move(frame));
    }
    return frames;
}

inline constexpr Mask kMask{0x37, 0xFA, 0x21, 0x3D};  // RFC 6455 section 5.7

}
