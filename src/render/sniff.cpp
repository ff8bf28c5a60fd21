#include "render/sniff.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace edge::render {

namespace {

using image::Format;
using namespace std::string_view_literals;

std::string_view text_of(std::span<const std::byte> bytes) noexcept
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Mark {
    std::string_view bytes;
    Format format;
};

constexpr Mark kMarks[] = {
    {"\xff\xd8\xff"sv, Format::jpeg},
    {"\x89PNG\r\n\x1a\n"sv, Format::png},
    {"GIF87a"sv, Format::gif},
    {"GIF89a"sv, Format::gif},
    {"II*\0"sv, Format::tiff},
    {"MM\0*"sv, Format::tiff},
    {"II+\0"sv, Format::tiff},
    {"MM\0+"sv, Format::tiff},
    {"BM"sv, Format::bmp},
};

constexpr std::string_view kOthers[] = {
    "\xff\x0a"sv,                  // JPEG XL
    "\0\0\0\x0cJXL \r\n\x87\n"sv,  //
    "\0\0\0\x0cjP  \r\n\x87\n"sv,  // JPEG 2000
    "\xff\x4f\xff\x51"sv,          //
    "%PDF-"sv,
    "%!PS"sv,
    "8BPS"sv,      // Photoshop
    "\0\0\1\0"sv,  // icons
    "v/1\1"sv,
    "#?RADIANCE"sv,
    "qoif"sv,  // EXR, HDR, QOI
    "push graphic-context"sv,
    "\x1f\x8b"sv,  // MVG; SVG in gzip, and whatever else is
};

// ISO base media: a brand of still pictures, as the main one or among the compatible ones.
Format brand_of(std::string_view text) noexcept
{
    if (text.size() < 16 || text.substr(4, 4) != "ftyp") return Format::none;
    const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const std::size_t said = std::size_t{byte(0)} << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
    const std::size_t end = std::min({said, text.size(), std::size_t{256}});
    Format found = Format::none;
    for (std::size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {
        const std::string_view brand = text.substr(at, 4);
        if (brand == "avif" || brand == "avis") return Format::avif;
        for (const auto heic : {"heic"sv, "heix"sv, "heim"sv, "heis"sv, "mif1"sv, "msf1"sv, "hevc"sv})
            if (brand == heic) found = Format::heic;
    }
    return found;
}

// XML that is an SVG, or looks like one.
bool is_svg(std::string_view text) noexcept
{
    text = text.substr(0, 4096);
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos || text[start] != '<') return false;
    return text.find("<svg") != std::string_view::npos;
}

}

Sniffed sniff(std::span<const std::byte> bytes) noexcept
{
    const std::string_view text = text_of(bytes);
    for (const Mark& mark : kMarks)
        if (text.starts_with(mark.bytes)) return {.format = mark.format, .known = true};
    if (text.size() >= 12 && text.starts_with("RIFF") && text.substr(8, 4) == "WEBP")
        return {.format = Format::webp, .known = true};
    if (const Format format = brand_of(text); format != Format::none)
        return {.format = format, .known = true};
    for (const std::string_view other : kOthers)
        if (text.starts_with(other)) return {.known = true};
    return {.known = is_svg(text)};
}

unsigned count_jpeg_scans(std::span<const std::byte> bytes, unsigned most) noexcept
{
    // Within coded data 0xff is always followed by 0 or a restart marker, so a start of scan is one, unless
    // it lies in a segment, such as the thumbnail in the EXIF data: those are few.
    unsigned count = 0;
    const std::byte* at = bytes.data();
    const std::byte* const end = at + bytes.size();
    while (count < most && end - at >= 2) {
        at = static_cast<const std::byte*>(std::memchr(at, 0xff, static_cast<std::size_t>(end - at - 1)));
        if (at == nullptr) break;
        if (at[1] == std::byte{0xda}) ++count;
        ++at;
    }
    return count;
}

bool is_sound_png_header(std::span<const std::byte> bytes) noexcept
{
    // Behind the signature: a length, "IHDR", 13 bytes, and the checksum of all but the length.
    constexpr std::size_t kBegin = 12, kEnd = kBegin + 4 + 13;
    if (bytes.size() < kEnd + 4) return true;
    std::uint32_t sum = ~std::uint32_t{0};
    for (const std::byte byte : bytes.subspan(kBegin, kEnd - kBegin)) {
        sum ^= std::to_integer<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320U : 0U);
    }
    std::uint32_t said = 0;
    for (const std::byte byte : bytes.subspan(kEnd, 4))
        said = said << 8 | std::to_integer<std::uint32_t>(byte);
    return said == ~sum;
}

bool is_whole_gif(std::span<const std::byte> bytes) noexcept
{
    const std::size_t size = bytes.size();
    const auto byte = [bytes](std::size_t at) { return std::to_integer<unsigned>(bytes[at]); };
    const auto colours = [](unsigned flags) -> std::size_t {
        return (flags & 0x80) != 0 ? 3U << ((flags & 7) + 1) : 0;
    };
    if (size < 13) return false;
    std::size_t at = 13 + colours(byte(10));
    while (at < size) {
        const unsigned kind = byte(at);
        if (kind == 0x2c) {
            if (size - at < 11) return false;
            at += 11 + colours(byte(at + 9));
        } else if (kind == 0x21)
            at += 2;
        else
            // The trailer, or what no decoder reads on from.
            return true;
        // Sub-blocks, up to an empty one.
        while (at < size && byte(at) != 0) at += 1 + byte(at);
        if (at >= size) return false;
        ++at;
    }
    return at == size;
}

}
