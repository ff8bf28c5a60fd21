#include "render/vips/source.hpp"

#include <algorithm>
#include <cstring>

#include "render/bmp.hpp"
#include "render/sniff.hpp"

namespace edge::render {

namespace {

using image::Format;
using image::Job;
using image::Reason;
using image::Size;

using Bytes = std::span<const std::byte>;

// Real ones have 10, tools that split them finely 20.
constexpr unsigned kMostScans = 100;

void* data_of(Bytes bytes) noexcept
{
    return const_cast<std::byte*>(bytes.data());
}

VipsFailOn fail_on(const Job& job) noexcept
{
    return job.allow_truncated ? VIPS_FAIL_ON_NONE : VIPS_FAIL_ON_TRUNCATED;
}

Image load(Bytes bytes, Format format, int page, int frames, const Job& job)
{
    const VipsFailOn fail = fail_on(job);
    const auto* const access = "access";
    return apply([&](VipsImage** out) {
        switch (format) {
            case Format::jpeg:
                return vips_jpegload_buffer(data_of(bytes), bytes.size(), out, access, VIPS_ACCESS_SEQUENTIAL,
                                            "fail_on", fail, nullptr);
            case Format::png:
                return vips_pngload_buffer(data_of(bytes), bytes.size(), out, access, VIPS_ACCESS_SEQUENTIAL,
                                           "fail_on", fail, nullptr);
            case Format::webp:
                return vips_webpload_buffer(data_of(bytes), bytes.size(), out, access, VIPS_ACCESS_SEQUENTIAL,
                                            "fail_on", fail, "page", page, "n", frames, nullptr);
            case Format::gif:
                return vips_gifload_buffer(data_of(bytes), bytes.size(), out, access, VIPS_ACCESS_SEQUENTIAL,
                                           "fail_on", fail, "page", page, "n", frames, nullptr);
            case Format::tiff:
                return vips_tiffload_buffer(data_of(bytes), bytes.size(), out, access, VIPS_ACCESS_SEQUENTIAL,
                                            "fail_on", fail, "page", page, nullptr);
            default:
                return vips_heifload_buffer(data_of(bytes), bytes.size(), out, access, VIPS_ACCESS_SEQUENTIAL,
                                            "fail_on", fail, "page", page, nullptr);
        }
    });
}

BmpInfo bmp_info(Bytes bytes)
{
    const auto info = read_bmp_info(bytes);
    if (const auto* error = std::get_if<BmpError>(&info)) {
        switch (*error) {
            case BmpError::not_bmp:
                throw Refusal{Reason::not_an_image};
            case BmpError::unsupported:
                throw Refusal{Reason::unsupported};
            case BmpError::damaged:
                throw Refusal{Reason::damaged};
            case BmpError::truncated:
                throw Refusal{Reason::truncated};
        }
    }
    return std::get<BmpInfo>(info);
}

Image load_bmp(Bytes bytes, const Job& job)
{
    const BmpInfo info = bmp_info(bytes);
    const BmpPixels pixels = decode_bmp(bytes, info);
    if (!pixels.complete && !job.allow_truncated) throw Refusal{Reason::truncated};
    const int bands = static_cast<int>(info.channels());
    Image image{vips_image_new_from_memory_copy(pixels.samples.data(), pixels.samples.size(),
                                                static_cast<int>(info.width), static_cast<int>(info.height),
                                                bands, VIPS_FORMAT_UCHAR)};
    check(image ? 0 : -1);
    return apply([&](VipsImage** out) {
        return vips_copy(image.get(), out, "interpretation", VIPS_INTERPRETATION_sRGB, nullptr);
    });
}

void check_pixels(Size size, std::uint64_t frames, const Job& job)
{
    const std::uint64_t pixels = std::uint64_t{size.width} * size.height;
    if (pixels > job.limits.pixels_in / frames) throw Refusal{Reason::too_many_pixels};
}

// Told by the headers of a GIF alone, before a decoder walks over its frames.
void check_gif_screen(Bytes bytes, const Job& job)
{
    if (bytes.size() < 10) throw Refusal{Reason::truncated};
    const auto u16 = [&](std::size_t at) {
        return std::to_integer<std::uint32_t>(bytes[at]) | std::to_integer<std::uint32_t>(bytes[at + 1]) << 8;
    };
    check_pixels({u16(6), u16(8)}, 1, job);
}

int int_field(const Image& image, const char* name, int otherwise) noexcept
{
    int value = otherwise;
    if (image.has(name) && vips_image_get_int(image.get(), name, &value) != 0) {
        vips_error_clear();
        value = otherwise;
    }
    return value;
}

bool has_position(const Image& image)
{
    bool found = false;
    vips_image_map(
        image.get(),
        [](VipsImage*, const char* name, GValue*, void* result) -> void* {
            if (std::strncmp(name, "exif-ifd3-", 10) == 0) *static_cast<bool*>(result) = true;
            return nullptr;
        },
        &found);
    return found;
}

// Animations that are over the limits give their first frame.
std::uint32_t frames_to_read(const SourceInfo& info, const Job& job) noexcept
{
    const bool animated = info.format == Format::gif || info.format == Format::webp;
    if (!animated || info.pages < 2 || !job.animate || job.has_page || job.target != Format::webp) return 1;
    const std::uint64_t pixels = std::uint64_t{info.stored.width} * info.stored.height;
    return info.pages > job.limits.frames || pixels > job.limits.pixels_in / info.pages ? 1 : info.pages;
}

}

SourceInfo read_source_info(Bytes bytes, const Job& job)
{
    if (bytes.size() > job.limits.source_bytes) throw Refusal{Reason::source_too_large};
    const Sniffed sniffed = sniff(bytes);
    if (sniffed.format == Format::none)
        throw Refusal{sniffed.known ? Reason::unsupported : Reason::not_an_image};
    SourceInfo info;
    info.format = sniffed.format;
    if (info.format == Format::bmp) {
        const BmpInfo bmp = bmp_info(bytes);
        info.stored = info.upright = {bmp.width, bmp.height};
        check_pixels(info.stored, 1, job);
        if (job.page > 0) throw Refusal{Reason::no_such_page};
        return info;
    }
    if (info.format == Format::gif) {
        check_gif_screen(bytes, job);
        if (!job.allow_truncated && !is_whole_gif(bytes)) throw Refusal{Reason::truncated};
    }
    if (info.format == Format::jpeg && count_jpeg_scans(bytes, kMostScans + 1) > kMostScans)
        throw Refusal{Reason::damaged};

    if (info.format == Format::png && !is_sound_png_header(bytes)) throw Refusal{Reason::damaged};

    // Pages are counted in the first page's header.
    Image image = load(bytes, info.format, 0, 1, job);
    info.pages = static_cast<std::uint32_t>(std::max(1, int_field(image, VIPS_META_N_PAGES, 1)));
    if (job.page >= info.pages) throw Refusal{Reason::no_such_page};
    info.first_page = job.page;
    if (job.page > 0) image = load(bytes, info.format, job.page, 1, job);
    if (image.width() < 1 || image.height() < 1) throw Refusal{Reason::damaged};
    info.stored = {static_cast<std::uint32_t>(image.width()), static_cast<std::uint32_t>(image.height())};
    check_pixels(info.stored, 1, job);
    info.frames = frames_to_read(info, job);
    // Decoders of HEIF turn the picture themselves.
    const bool turned = info.format == Format::heic || info.format == Format::avif;
    info.orientation = turned ? 1 : std::clamp(vips_image_get_orientation(image.get()), 1, 8);
    info.upright = info.stored;
    if (info.orientation >= 5) std::swap(info.upright.width, info.upright.height);
    info.has_position = has_position(image);
    return info;
}

int jpeg_shrink(double factor) noexcept
{
    constexpr double kLeft = 1.5;
    for (const int shrink : {8, 4, 2})
        if (factor >= kLeft * shrink) return shrink;
    return 1;
}

Image open_source(Bytes bytes, const SourceInfo& info, Size wanted, const Job& job)
{
    const double factor = std::min(static_cast<double>(info.stored.width) / wanted.width,
                                   static_cast<double>(info.stored.height) / wanted.height);
    if (info.format == Format::bmp) return load_bmp(bytes, job);
    if (info.format == Format::jpeg && jpeg_shrink(factor) > 1)
        return apply([&](VipsImage** out) {
            return vips_jpegload_buffer(data_of(bytes), bytes.size(), out, "access", VIPS_ACCESS_SEQUENTIAL,
                                        "fail_on", fail_on(job), "shrink", jpeg_shrink(factor), nullptr);
        });
    if (info.format == Format::webp && factor > 1)
        return apply([&](VipsImage** out) {
            return vips_webpload_buffer(data_of(bytes), bytes.size(), out, "access", VIPS_ACCESS_SEQUENTIAL,
                                        "fail_on", fail_on(job), "page", static_cast<int>(info.first_page),
                                        "n", static_cast<int>(info.frames), "scale", 1 / factor, nullptr);
        });
    return load(bytes, info.format, static_cast<int>(info.first_page), static_cast<int>(info.frames), job);
}

}
