#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cache/stored.hpp"

/// Any bytes as a stored block: refused, or readable to the end without leaving them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    std::vector<std::byte> block(size);
    if (size != 0) std::memcpy(block.data(), data, size);
    const auto stored = edge::cache::Stored::parse(block);
    if (!stored) return 0;
    std::size_t sum = stored->key().size();
    const auto purgeable = stored->purgeable();
    for (const std::uint64_t tag : purgeable.tags) sum += tag;
    for (const char c : purgeable.url) sum += static_cast<unsigned char>(c);
    sum += stored->tags().own.size();
    for (const auto& field : stored->fields()) {
        for (const char c : field.name) sum += static_cast<unsigned char>(c);
        for (const char c : field.value) sum += static_cast<unsigned char>(c);
    }
    return sum == static_cast<std::size_t>(-1) ? 1 : 0;
}
