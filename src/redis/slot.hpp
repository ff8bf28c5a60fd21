#pragma once

#include <cstdint>
#include <string_view>

/// Which part of a Redis Cluster a key belongs to.
namespace edge::redis {

inline constexpr std::uint16_t kSlots = 16384;

/// What of a key decides on its slot: the text between its first '{' and the next '}' when that is not
/// empty, else all of it ("Hash tags" in the Redis Cluster specification).
std::string_view hash_tag(std::string_view key) noexcept;

/// CRC-16/XMODEM of the hash tag, modulo kSlots.
std::uint16_t slot_of(std::string_view key) noexcept;

}
