#include "redis/slot.hpp"

#include <array>
#include <cstddef>

namespace edge::redis {

namespace {

constexpr auto kCrc = [] {
    std::array<std::uint16_t, 256> table{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        unsigned crc = byte << 8;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
        table[byte] = static_cast<std::uint16_t>(crc);
    }
    return table;
}();

}

std::string_view hash_tag(std::string_view key) noexcept
{
    const std::size_t open = key.find('{');
    if (open == std::string_view::npos) return key;
    const std::size_t close = key.find('}', open + 1);
    if (close == std::string_view::npos || close == open + 1) return key;
    return key.substr(open + 1, close - open - 1);
}

std::uint16_t slot_of(std::string_view key) noexcept
{
    std::uint16_t crc = 0;
    for (const char c : hash_tag(key)) {
        crc = static_cast<std::uint16_t>(crc << 8 ^ kCrc[(crc >> 8 ^ static_cast<unsigned char>(c)) & 0xff]);
    }
    return crc % kSlots;
}

}
