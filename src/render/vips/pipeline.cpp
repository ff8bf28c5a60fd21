#include "render/vips/pipeline.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

#include "render/vips/alpha.hpp"
#include "render/vips/colours.hpp"
#include "render/vips/source.hpp"

namespace edge::render {

namespace {

using image::Fit;
using image::Format;
using image::Geometry;
using image::Gravity;
using image::Job;
using image::Reason;
using image::Size;

// libheif may have been installed without an encoder.
bool can_write_avif = true;

Image in_memory(const Image& image)
{
    VipsImage* copy = vips_image_copy_memory(image.get());
    check(copy != nullptr ? 0 : -1);
    return Image{copy};
}

// `size` is that of one frame as stored; so is `image`'s, `frames` times.
Image scale(Image image, Size size, unsigned frames)
{
    const int height = static_cast<int>(size.height * frames);
    if (image.width() == static_cast<int>(size.width) && image.height() == height) return image;
    // Deep samples have lost their alpha by now, or their depth (DeepSamples).
    const bool alpha = image.has_alpha() && image.format() == VIPS_FORMAT_UCHAR;
    if (alpha) image = premultiply(image);
    const double horizontal = static_cast<double>(size.width) / image.width();
    const double vertical = static_cast<double>(height) / image.height();
    image = apply([&](VipsImage** out) {
        return vips_resize(image.get(), out, horizontal, "vscale", vertical, nullptr);
    });
    if (alpha) image = unpremultiply(image);
    return image;
}

// Something done to each frame of `image`, which lies in memory.
template <class Change>
Image each_frame(const Image& image, unsigned frames, Change&& change)
{
    if (frames == 1) return change(image);
    const int height = image.height() / static_cast<int>(frames);
    std::vector<Image> changed;
    std::vector<VipsImage*> pointers;
    for (unsigned i = 0; i < frames; ++i) {
        const Image frame = apply([&](VipsImage** out) {
            return vips_extract_area(image.get(), out, 0, static_cast<int>(i) * height, image.width(), height,
                                     nullptr);
        });
        changed.push_back(change(frame));
        pointers.push_back(changed.back().get());
    }
    return apply([&](VipsImage** out) {
        return vips_arrayjoin(pointers.data(), out, static_cast<int>(frames), "across", 1, nullptr);
    });
}

Image cut(const Image& image, const Geometry& g, const Job& job, unsigned frames)
{
    const int width = static_cast<int>(g.result.width);
    const int height = static_cast<int>(g.result.height);
    // Frames are all cut at the same place.
    if (job.gravity == Gravity::attention && frames == 1)
        return apply(
            [&](VipsImage** out) { return vips_smartcrop(image.get(), out, width, height, nullptr); });
    return each_frame(image, frames, [&](const Image& frame) {
        return apply([&](VipsImage** out) {
            return vips_extract_area(frame.get(), out, static_cast<int>(g.left), static_cast<int>(g.top),
                                     width, height, nullptr);
        });
    });
}

// Transparent where the result can be, else `background`.
Image pad(const Image& image, const Geometry& g, const Job& job, unsigned frames, bool transparent)
{
    const auto& c = job.background;
    const bool coloured = !transparent && !(c[0] == c[1] && c[1] == c[2]);
    Image base;
    if (coloured && image.bands() < 3)
        base = apply([&](VipsImage** out) {
            return vips_colourspace(image.get(), out, VIPS_INTERPRETATION_sRGB, nullptr);
        });
    if (transparent && !image.has_alpha())
        base = apply([&](VipsImage** out) { return vips_addalpha(image.get(), out, nullptr); });
    const Image& from = base ? base : image;
    double colour[4]{};
    if (!transparent)
        for (int i = 0; i < from.bands() && i < 3; ++i) colour[i] = c[static_cast<std::size_t>(i)];
    return each_frame(from, frames, [&](const Image& frame) {
        VipsArrayDouble* values = vips_array_double_new(colour, frame.bands());
        VipsImage* out = nullptr;
        const int result = vips_embed(frame.get(), &out, static_cast<int>(g.left), static_cast<int>(g.top),
                                      static_cast<int>(g.result.width), static_cast<int>(g.result.height),
                                      "extend", VIPS_EXTEND_BACKGROUND, "background", values, nullptr);
        vips_area_unref(VIPS_AREA(values));
        check(result);
        return Image{out};
    });
}

// What "compatible" comes to.
Format target_of(const Job& job, const SourceInfo& info, bool alpha) noexcept
{
    if (job.target != Format::compatible) return job.target;
    const bool drawn = info.format == Format::png || info.format == Format::gif;
    return drawn || (alpha && !job.has_background) ? Format::png : Format::jpeg;
}

Rendered render_checked(std::span<const std::byte> source, const Job& job)
{
    if (job.target == Format::avif && !can_write_avif) throw Refusal{Reason::unavailable};
    const SourceInfo info = read_source_info(source, job);
    const auto geometry = image::compute_geometry(info.upright, job);
    if (!geometry) throw Refusal{Reason::result_too_large};
    const Geometry& g = *geometry;
    const std::uint64_t pixels = std::uint64_t{g.result.width} * g.result.height;
    if (pixels * info.frames > job.limits.pixels_out) throw Refusal{Reason::result_too_large};

    Size stored = g.scaled;
    if (info.orientation >= 5) std::swap(stored.width, stored.height);
    DeepSamples deep{open_source(source, info, stored, job), job};
    // From here on all pixels that are left lie in memory: they are read in any order, and more than once.
    Image image = in_memory(deep.finish(scale(deep.take(), stored, info.frames)));
    if (info.orientation > 1)
        image = in_memory(apply([&](VipsImage** out) { return vips_autorot(image.get(), out, nullptr); }));
    image = to_srgb(std::move(image));

    Rendered result;
    result.source_format = info.format;
    result.source_size = info.upright;
    result.size = g.result;
    result.frames = info.frames;
    const Format target = target_of(job, info, image.has_alpha() || (g.pads() && !job.has_background));
    result.format = target;
    if (image.has_alpha() && (job.has_background || target == Format::jpeg))
        image = flatten(image, job.background);
    if (g.cuts()) image = cut(image, g, job, info.frames);
    if (g.pads()) image = pad(image, g, job, info.frames, target != Format::jpeg && !job.has_background);
    if (info.frames > 1) {
        image = apply([&](VipsImage** out) { return vips_copy(image.get(), out, nullptr); });
        vips_image_set_int(image.get(), VIPS_META_PAGE_HEIGHT, static_cast<int>(g.result.height));
    } else if (image.has(VIPS_META_PAGE_HEIGHT)) {
        image = apply([&](VipsImage** out) { return vips_copy(image.get(), out, nullptr); });
        vips_image_remove(image.get(), VIPS_META_PAGE_HEIGHT);
    }
    result.file = encode_image(image, target, job);

    const bool shown_by_browsers = info.format >= Format::jpeg && info.format <= Format::gif;
    if (job.prefer_original && shown_by_browsers && !info.has_position && g.result == info.upright &&
        info.frames == info.pages && !job.has_background && result.file->bytes().size() >= source.size()) {
        result.file.reset();
        result.format = info.format;
    }
    return result;
}

struct Code {
    Format format;
    const char* name;
};

// Each decoder and encoder on a picture of a few pixels.
bool try_all()
{
    std::vector<std::uint8_t> grey(16UL * 16 * 3, 100);
    const Image drawn{
        vips_image_new_from_memory_copy(grey.data(), grey.size(), 16, 16, 3, VIPS_FORMAT_UCHAR)};
    if (!drawn) return false;
    const Image picture = apply([&](VipsImage** out) {
        return vips_copy(drawn.get(), out, "interpretation", VIPS_INTERPRETATION_sRGB, nullptr);
    });
    Job job;
    job.width = 8;
    for (const Code& code : {Code{Format::jpeg, "JPEG"}, Code{Format::png, "PNG"}, Code{Format::webp, "WebP"},
                             Code{Format::avif, "AVIF"}}) {
        job.target = code.format;
        Reason reason{};
        try {
            const EncodedImage file = encode_image(picture, code.format, job);
            const auto again = render(file.bytes(), job);
            if (std::holds_alternative<Rendered>(again)) continue;
            reason = std::get<Reason>(again);
        } catch (const Refusal& refusal) {
            reason = refusal.reason;
        }
        std::fprintf(stderr, "edge: libvips can't make and read %s here (%s)\n", code.name,
                     image::name_of(reason));
        if (code.format != Format::avif) return false;
        can_write_avif = false;
    }
    return true;
}

}

image::Reason reason_of_vips_error() noexcept
{
    const std::string_view text{vips_error_buffer()};
    const auto says = [text](std::string_view part) { return text.find(part) != std::string_view::npos; };
    Reason reason = Reason::damaged;
    if (says("out of memory") || says("nable to allocate") || says("emory allocation"))
        reason = Reason::out_of_memory;
    else if (says("remature end") || says("runcated") || says("nexpected end") || says("ead error") ||
             says("end of file") || says("EOF"))
        reason = Reason::truncated;
    else if (says("bad page number") || says("no page"))
        reason = Reason::no_such_page;
    if (std::getenv("EDGE_RENDER_DEBUG") != nullptr)
        std::fprintf(stderr, "edge: libvips: %s", vips_error_buffer());
    vips_error_clear();
    return reason;
}

bool start_vips(const char* program)
{
    // Pictures that do not stream lie in memory, where they count against the process's bound.
    setenv("VIPS_DISC_THRESHOLD", "1000g", 1);
    // Decoders warn about strangers' files; that is no matter for the log.
    g_log_set_handler(
        "VIPS", static_cast<GLogLevelFlags>(G_LOG_LEVEL_MASK), [](auto, auto, auto, auto) {}, nullptr);
    if (vips_init(program) != 0) {
        std::fprintf(stderr, "edge: libvips does not start: %s", vips_error_buffer());
        return false;
    }
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_cache_set_max_mem(0);
    vips_cache_set_max_files(0);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    for (const char* name : {"VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp",
                             "VipsForeignLoadNsgif", "VipsForeignLoadTiff", "VipsForeignLoadHeif"})
        vips_operation_block_set(name, FALSE);
    try {
        return try_all();
    } catch (const Refusal& refusal) {
        std::fprintf(stderr, "edge: libvips does not work: %s\n", image::name_of(refusal.reason));
        return false;
    }
}

std::variant<Rendered, Reason> render(std::span<const std::byte> source, const Job& job) noexcept
{
    try {
        return render_checked(source, job);
    } catch (const Refusal& refusal) {
        return refusal.reason;
    } catch (const std::bad_alloc&) {
        return Reason::out_of_memory;
    } catch (...) {
        return Reason::damaged;
    }
}

}
