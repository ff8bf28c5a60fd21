#include "render/vips/encode.hpp"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "render/webp_container.hpp"

namespace edge::render {

namespace {

using image::Format;
using image::Job;

bool is_copyright(std::string_view field) noexcept
{
    return field == "exif-ifd0-Copyright" || field == "exif-ifd0-Artist";
}

// What is not about the pixels or the animation goes, and so do the copies of it in raw blocks.
bool is_metadata(std::string_view field) noexcept
{
    for (const std::string_view prefix : {"exif-", "xmp-", "iptc-", "icc-", "png-comment-", "gif-comment",
                                          "photoshop-", "jpeg-", "heif-", "tiff-", "image"})
        if (field.starts_with(prefix)) return true;
    return field == VIPS_META_ORIENTATION;
}

// True: there is something to keep.
bool strip(const Image& image, bool keep_copyright)
{
    std::vector<std::string> gone;
    bool kept = false;
    struct Walk {
        std::vector<std::string>& gone;
        bool& kept;
        bool keep_copyright;
    } walk{gone, kept, keep_copyright};
    vips_image_map(
        image.get(),
        [](VipsImage*, const char* name, GValue*, void* to) -> void* {
            auto& [removed, any, keep] = *static_cast<Walk*>(to);
            if (keep && is_copyright(name))
                any = true;
            else if (is_metadata(name))
                removed.emplace_back(name);
            return nullptr;
        },
        &walk);
    for (const std::string& name : gone) vips_image_remove(image.get(), name.c_str());
    return kept;
}

}

EncodedImage encode_image(const Image& image, Format format, const Job& job)
{
    const Image copy = apply([&](VipsImage** out) { return vips_copy(image.get(), out, nullptr); });
    // By hand: libvips 8.14 writes all EXIF data into a WebP although it is told to strip.
    const gboolean bare = strip(copy, job.keep_copyright) ? FALSE : TRUE;
    const image::Quality& q = job.quality;
    const auto pixels =
        static_cast<std::uint64_t>(image.width()) * static_cast<std::uint64_t>(image.height());
    void* data = nullptr;
    std::size_t size = 0;
    int result = -1;
    switch (format) {
        case Format::png:
            result = vips_pngsave_buffer(copy.get(), &data, &size, "strip", bare, "compression", 6, "filter",
                                         VIPS_FOREIGN_PNG_FILTER_ALL, nullptr);
            break;
        case Format::webp:
            result =
                vips_webpsave_buffer(copy.get(), &data, &size, "strip", bare, "Q", int{q.webp}, "effort",
                                     int{q.webp_effort}, "lossless", q.webp_lossless ? TRUE : FALSE, nullptr);
            break;
        case Format::avif:
            // With colours at full resolution: AV1 tells most of them by the lightness, so that they cost few
            // bytes, and to look the same without takes more (scripts/bench image --parts quality).
            result = vips_heifsave_buffer(copy.get(), &data, &size, "strip", bare, "Q", int{q.avif}, "effort",
                                          image::avif_effort(q, pixels), "bitdepth", 8, "compression",
                                          VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "subsample_mode",
                                          VIPS_FOREIGN_SUBSAMPLE_OFF, nullptr);
            break;
        default:
            result =
                vips_jpegsave_buffer(copy.get(), &data, &size, "strip", bare, "Q", int{q.jpeg}, "interlace",
                                     job.progressive ? TRUE : FALSE, "optimize_coding", TRUE, nullptr);
            break;
    }
    check(result);
    // Some that says nothing is always written.
    if (format == Format::webp && bare == TRUE) size = strip_webp({static_cast<std::byte*>(data), size});
    return EncodedImage{data, size};
}

}
