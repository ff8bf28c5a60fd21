#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

/// Windows bitmaps, decoded without trusting them: libvips reads them by ImageMagick only, which runs on no
/// stranger's bytes here.
namespace edge::render {

enum class BmpError : std::uint8_t {
    not_bmp,
    unsupported,  ///< embedded JPEG or PNG, Huffman, OS/2 variants
    damaged,
    truncated,
};

/// What the headers say; all of it has been checked against each other, not against the bytes that follow.
struct BmpInfo {
    std::uint32_t width = 0;   ///< 1 … 2^31 - 1
    std::uint32_t height = 0;  ///< 1 … 2^31 - 1
    bool top_down = false;
    bool alpha = false;      ///< there is a mask for it
    std::uint16_t bits = 0;  ///< a pixel: 1, 4, 8, 16, 24 or 32
    enum class Coding : std::uint8_t { plain, rle4, rle8, masks } coding = Coding::plain;
    std::uint32_t masks[4]{};  ///< red, green, blue, alpha
    std::size_t palette_offset = 0;
    std::uint32_t palette_entries = 0;
    std::uint8_t palette_entry_size = 4;
    std::size_t pixels_offset = 0;

    std::uint32_t channels() const noexcept { return alpha ? 4 : 3; }
};

std::variant<BmpInfo, BmpError> read_bmp_info(std::span<const std::byte> bytes) noexcept;

struct BmpPixels {
    std::vector<std::uint8_t> samples;  ///< RGB or RGBA, top row first
    bool complete = true;               ///< false: what the file does not hold is black
};

/// Allocates width × height × channels bytes: check BmpInfo against your limits first. A palette index beyond
/// the palette is black. Throws std::bad_alloc.
BmpPixels decode_bmp(std::span<const std::byte> bytes, const BmpInfo& info);

}
