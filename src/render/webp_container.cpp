#include "render/webp_container.hpp"

#include <cstdint>
#include <cstring>

namespace edge::render {

namespace {

constexpr std::size_t kFileHeader = 12;  // RIFF, size, WEBP
constexpr std::size_t kChunkHeader = 8;  // name, size
constexpr unsigned kExif = 0x08;         // flags of VP8X
constexpr unsigned kXmp = 0x04;

bool is_named(std::span<const std::byte> at, const char* name) noexcept
{
    return at.size() >= 4 && std::memcmp(at.data(), name, 4) == 0;
}

std::uint32_t u32(std::span<const std::byte> at) noexcept
{
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(at[i]) << (8 * i);
    return value;
}

// Bytes of the chunk at the front with its padding; 0: it is not whole.
std::size_t chunk_size(std::span<const std::byte> rest) noexcept
{
    if (rest.size() < kChunkHeader) return 0;
    const std::size_t data = u32(rest.subspan(4));
    const std::size_t size = kChunkHeader + data + data % 2;
    return size <= rest.size() ? size : 0;
}

}

std::size_t strip_webp(std::span<std::byte> file) noexcept
{
    if (file.size() < kFileHeader || !is_named(file, "RIFF") || !is_named(file.subspan(8), "WEBP"))
        return file.size();
    // First look, then change.
    for (std::size_t at = kFileHeader; at < file.size();) {
        const std::size_t size = chunk_size(file.subspan(at));
        if (size == 0) return file.size();
        at += size;
    }
    std::size_t to = kFileHeader;
    for (std::size_t at = kFileHeader; at < file.size();) {
        const std::span<std::byte> rest = file.subspan(at);
        const std::size_t size = chunk_size(rest);
        bool keep = !is_named(rest, "EXIF") && !is_named(rest, "XMP ");
        if (is_named(rest, "VP8X") && size > kChunkHeader) {
            rest[kChunkHeader] &= ~static_cast<std::byte>(kExif | kXmp);
            keep = rest[kChunkHeader] != std::byte{0};
        }
        if (keep) {
            std::memmove(file.data() + to, rest.data(), size);
            to += size;
        }
        at += size;
    }
    const auto riff = static_cast<std::uint32_t>(to - 8);
    for (std::size_t i = 0; i < 4; ++i) file[4 + i] = static_cast<std::byte>(riff >> (8 * i) & 0xff);
    return to;
}

}
