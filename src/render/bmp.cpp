#include "render/bmp.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

namespace edge::render {

namespace {

constexpr std::uint32_t kFileHeader = 14;

// Little-endian numbers at places that may not exist: 0 then, and `ok` becomes false.
class Bytes {
public:
    explicit Bytes(std::span<const std::byte> bytes) noexcept : bytes_{bytes} {}

    std::uint32_t u8(std::size_t at) noexcept
    {
        if (at >= bytes_.size()) {
            ok = false;
            return 0;
        }
        return std::to_integer<std::uint32_t>(bytes_[at]);
    }
    std::uint32_t u16(std::size_t at) noexcept { return u8(at) | u8(at + 1) << 8; }
    std::uint32_t u32(std::size_t at) noexcept { return u16(at) | u16(at + 2) << 16; }

    bool ok = true;

private:
    std::span<const std::byte> bytes_;
};

// A mask's bits have to be adjacent.
bool is_mask(std::uint32_t mask) noexcept
{
    if (mask == 0) return true;
    const std::uint32_t low = mask >> std::countr_zero(mask);
    return (low & (low + 1)) == 0;
}

std::optional<BmpError> read_masks(BmpInfo& info, Bytes& in, std::uint32_t header,
                                   std::uint32_t compression) noexcept
{
    info.coding = BmpInfo::Coding::masks;
    if (compression == 0) {
        // The highest byte of 32 bits is padding.
        const std::uint32_t wide[]{0xff0000, 0xff00, 0xff, 0};
        const std::uint32_t narrow[]{0x7c00, 0x3e0, 0x1f, 0};
        std::ranges::copy(info.bits == 32 ? wide : narrow, info.masks);
        return std::nullopt;
    }
    // In the larger headers, or behind the small one: the same place.
    const std::uint32_t count = header >= 56 || compression == 6 ? 4 : 3;
    for (std::uint32_t i = 0; i < count; ++i) info.masks[i] = in.u32(kFileHeader + 40 + 4 * i);
    if (header == 40) info.palette_offset += 4 * count;
    std::uint32_t seen = 0;
    for (const std::uint32_t mask : info.masks) {
        if (!is_mask(mask) || (seen & mask) != 0) return BmpError::damaged;
        if (info.bits == 16 && mask > 0xffff) return BmpError::damaged;
        seen |= mask;
    }
    info.alpha = info.masks[3] != 0;
    return std::nullopt;
}

// Bytes of a stored row, a multiple of four.
std::uint64_t stride_of(const BmpInfo& info) noexcept
{
    return (std::uint64_t{info.width} * info.bits + 31) / 32 * 4;
}

using Rgb = std::array<std::uint8_t, 3>;

std::array<Rgb, 256> read_palette(Bytes in, const BmpInfo& info) noexcept
{
    std::array<Rgb, 256> palette{};
    for (std::uint32_t i = 0; i < std::min(info.palette_entries, 256U); ++i) {
        const std::size_t at = info.palette_offset + std::size_t{i} * info.palette_entry_size;
        for (std::size_t channel = 0; channel < 3; ++channel)
            palette[i][channel] = static_cast<std::uint8_t>(in.u8(at + 2 - channel));
    }
    return palette;
}

// A run-length coded picture as palette indices, bottom row first. Every step reads at least two bytes, so
// its time is bounded by the file's size and the picture's.
class RunLengths {
public:
    RunLengths(std::span<const std::byte> bytes, const BmpInfo& info)
        : in_{bytes}, at_{info.pixels_offset}, info_{info}, indices_(std::size_t{info.width} * info.height)
    {}

    // False: the file ends before the picture does.
    bool decode() noexcept
    {
        while (y_ < info_.height) {
            const std::uint32_t count = in_.u8(at_);
            const std::uint32_t value = in_.u8(at_ + 1);
            if (!in_.ok) return false;
            at_ += 2;
            if (count > 0)
                run(count, value);
            else if (value == 0) {
                x_ = 0;
                ++y_;
            } else if (value == 1)
                return true;
            else if (value == 2) {
                x_ += in_.u8(at_);
                y_ += in_.u8(at_ + 1);
                at_ += 2;
            } else
                literal(value);
            if (!in_.ok) return false;
        }
        return true;
    }
    const std::vector<std::uint8_t>& indices() const noexcept { return indices_; }

private:
    bool narrow() const noexcept { return info_.coding == BmpInfo::Coding::rle4; }

    void put(std::uint32_t index) noexcept
    {
        if (x_ < info_.width && y_ < info_.height)
            indices_[static_cast<std::size_t>(y_) * info_.width + x_] = static_cast<std::uint8_t>(index);
        ++x_;
    }
    void run(std::uint32_t count, std::uint32_t value) noexcept
    {
        for (std::uint32_t i = 0; i < count; ++i)
            put(!narrow() ? value : (i % 2 == 0 ? value >> 4 : value & 15));
    }
    // Padded to an even number of bytes.
    void literal(std::uint32_t count) noexcept
    {
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint32_t byte = in_.u8(at_ + (narrow() ? i / 2 : i));
            if (!in_.ok) return;
            put(!narrow() ? byte : (i % 2 == 0 ? byte >> 4 : byte & 15));
        }
        const std::uint32_t bytes = narrow() ? (count + 1) / 2 : count;
        at_ += bytes + bytes % 2;
    }

    Bytes in_;
    std::size_t at_;
    const BmpInfo& info_;
    std::vector<std::uint8_t> indices_;
    std::uint64_t x_ = 0;
    std::uint64_t y_ = 0;
};

std::uint8_t sample_of(std::uint32_t pixel, std::uint32_t mask, std::uint8_t absent) noexcept
{
    if (mask == 0) return absent;
    const std::uint64_t value = (pixel & mask) >> std::countr_zero(mask);
    const std::uint64_t most = mask >> std::countr_zero(mask);
    return static_cast<std::uint8_t>((value * 255 + most / 2) / most);
}

// One stored row into samples; it has all its bytes.
void convert_row(std::span<const std::byte> row, const BmpInfo& info, const std::array<Rgb, 256>& palette,
                 std::uint8_t* to) noexcept
{
    const auto byte = [row](std::size_t at) { return std::to_integer<std::uint32_t>(row[at]); };
    if (info.bits == 24) {
        for (std::size_t x = 0; x < info.width; ++x)
            for (std::size_t channel = 0; channel < 3; ++channel)
                *to++ = static_cast<std::uint8_t>(byte(x * 3 + 2 - channel));
        return;
    }
    if (info.bits <= 8) {
        const std::size_t in_byte = 8U / info.bits;
        for (std::size_t x = 0; x < info.width; ++x) {
            const std::size_t shift = 8 - info.bits * (x % in_byte + 1);
            const Rgb& colour = palette[byte(x / in_byte) >> shift & ((1U << info.bits) - 1)];
            to = std::ranges::copy(colour, to).out;
        }
        return;
    }
    const std::size_t size = info.bits / 8U;
    for (std::size_t x = 0; x < info.width; ++x) {
        std::uint32_t pixel = 0;
        for (std::size_t i = 0; i < size; ++i) pixel |= byte(x * size + i) << (8 * i);
        for (std::size_t channel = 0; channel < 3; ++channel)
            *to++ = sample_of(pixel, info.masks[channel], 0);
        if (info.alpha) *to++ = sample_of(pixel, info.masks[3], 255);
    }
}

}

std::variant<BmpInfo, BmpError> read_bmp_info(std::span<const std::byte> bytes) noexcept
{
    Bytes in{bytes};
    if (in.u8(0) != 'B' || in.u8(1) != 'M') return BmpError::not_bmp;
    BmpInfo info;
    const std::uint32_t header = in.u32(kFileHeader);
    info.pixels_offset = in.u32(10);
    info.palette_offset = kFileHeader + std::size_t{header};
    std::uint32_t compression = 0;
    std::uint32_t planes = 0;
    std::int64_t width = 0;
    std::int64_t height = 0;
    if (header == 12) {
        width = in.u16(18);
        height = in.u16(20);
        planes = in.u16(22);
        info.bits = static_cast<std::uint16_t>(in.u16(24));
        info.palette_entry_size = 3;
    } else {
        width = static_cast<std::int32_t>(in.u32(18));
        height = static_cast<std::int32_t>(in.u32(22));
        planes = in.u16(26);
        info.bits = static_cast<std::uint16_t>(in.u16(28));
        compression = in.u32(30);
        info.palette_entries = in.u32(46);
    }
    if (!in.ok) return BmpError::truncated;
    if (header != 12 && header != 40 && header != 52 && header != 56 && header != 108 && header != 124)
        return BmpError::unsupported;
    info.top_down = height < 0;
    height = height < 0 ? -height : height;
    if (width <= 0 || height <= 0 || height > INT32_MAX || planes != 1) return BmpError::damaged;
    info.width = static_cast<std::uint32_t>(width);
    info.height = static_cast<std::uint32_t>(height);

    const bool indexed = info.bits == 1 || info.bits == 4 || info.bits == 8;
    if (indexed && (info.palette_entries == 0 || info.palette_entries > 1U << info.bits))
        info.palette_entries = 1U << info.bits;
    switch (compression) {
        case 0:
            if (info.bits == 16 || info.bits == 32) {
                if (const auto error = read_masks(info, in, header, compression)) return *error;
            } else if (!indexed && info.bits != 24)
                return BmpError::damaged;
            break;
        case 1:
        case 2:
            if (info.bits != (compression == 1 ? 8 : 4) || info.top_down) return BmpError::damaged;
            info.coding = compression == 1 ? BmpInfo::Coding::rle8 : BmpInfo::Coding::rle4;
            break;
        case 3:
        case 6:
            if (info.bits != 16 && info.bits != 32) return BmpError::damaged;
            if (const auto error = read_masks(info, in, header, compression)) return *error;
            break;
        default:
            return BmpError::unsupported;
    }
    if (!in.ok) return BmpError::truncated;
    if (info.pixels_offset < kFileHeader + header) return BmpError::damaged;
    // The palette ends where the pixels begin, whatever it says of itself.
    if (indexed && info.pixels_offset > info.palette_offset)
        info.palette_entries = std::min(
            info.palette_entries,
            static_cast<std::uint32_t>((info.pixels_offset - info.palette_offset) / info.palette_entry_size));
    return info;
}

BmpPixels decode_bmp(std::span<const std::byte> bytes, const BmpInfo& info)
{
    BmpPixels result;
    const std::size_t row_size = std::size_t{info.width} * info.channels();
    result.samples.resize(row_size * info.height);
    const auto palette = read_palette(Bytes{bytes}, info);
    const auto row_at = [&](std::size_t y) {
        return result.samples.data() + row_size * (info.top_down ? y : info.height - 1 - y);
    };
    if (info.coding == BmpInfo::Coding::rle4 || info.coding == BmpInfo::Coding::rle8) {
        RunLengths runs{bytes, info};
        result.complete = runs.decode();
        for (std::size_t y = 0; y < info.height; ++y) {
            std::uint8_t* to = row_at(y);
            const std::uint8_t* from = runs.indices().data() + y * info.width;
            for (std::size_t x = 0; x < info.width; ++x) to = std::ranges::copy(palette[from[x]], to).out;
        }
        return result;
    }
    const std::uint64_t stride = stride_of(info);
    // The last row's padding may be missing.
    const std::uint64_t needed = (std::uint64_t{info.width} * info.bits + 7) / 8;
    for (std::uint64_t y = 0; y < info.height; ++y) {
        const std::uint64_t at = info.pixels_offset + y * stride;
        if (at + needed > bytes.size()) {
            result.complete = false;
            break;
        }
        convert_row(bytes.subspan(at, needed), info, palette, row_at(y));
    }
    return result;
}

}
