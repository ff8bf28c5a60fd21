#pragma once

#include <cstdint>
#include <string_view>

namespace edge::cache {

/// XXH3, 64 bits, by the widest registers that the processor has.
std::uint64_t checksum(std::string_view bytes) noexcept;

}
