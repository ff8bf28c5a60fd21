#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace edge::jwt {

/// A tag of 128 bits that nobody can find a second text for who does not know the key.
using Tag = std::array<std::uint64_t, 2>;
using TagKey = std::array<std::uint64_t, 2>;

/// SipHash-2-4 with an output of 128 bits: a keyed hash for what is short and comes often.
Tag siphash(const TagKey& key, std::string_view text) noexcept;

}
