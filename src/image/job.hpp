#pragma once

#include <array>
#include <cstdint>

/// What is asked of a render process, and what it answers: plain values, the same in nginx's workers, in the
/// supervisor and in the render processes.
namespace edge::image {

/// Of a source or of a result. A result is never gif, tiff, bmp or heic.
enum class Format : std::uint8_t {
    none = 0,
    jpeg,
    png,
    webp,
    avif,
    gif,
    tiff,
    bmp,
    heic,
    compatible,  ///< asked for, never answered: what every browser shows; PNG when the source is a PNG, a GIF
                 ///< or has alpha that `background` does not fill, else JPEG
};

constexpr bool is_target(Format format) noexcept
{
    return (format >= Format::jpeg && format <= Format::avif) || format == Format::compatible;
}

/// How the source is brought to width × height (compute_geometry).
enum class Fit : std::uint8_t {
    inside,   ///< as large as fits into the box, proportions kept; nothing is cut or added
    cover,    ///< fills the box, proportions kept; what stands out is cut as `gravity` says
    contain,  ///< as inside, then padded with `background` to the box
    outside,  ///< the smallest that covers the box, proportions kept; nothing is cut
    fill,     ///< stretched to the box
};

/// Which part `cover` keeps, and where `contain` puts the picture.
enum class Gravity : std::uint8_t {
    center,
    north,
    northeast,
    east,
    southeast,
    south,
    southwest,
    west,
    northwest,
    attention,  ///< the part that draws the eye (cover); as center for contain
};

/// How samples deeper than 8 bits become visible in TIFF and PNG without a colour profile.
enum class Range : std::uint8_t {
    automatic,  ///< 16 bits: by the type when they use it, else by their data; 32 bits and float: by their
                ///< data
    data,       ///< from the data of each image
    type,       ///< the whole range of the sample's type: 0 … 65535; float: 0 … 1
    fixed,      ///< range_low becomes black, range_high white
};

enum class Priority : std::uint8_t { interactive, prewarm };

/// Quality::avif_effort where none was asked for.
inline constexpr std::uint8_t kEffortBySize = 255;

/// Qualities of the encoders, each on its own scale.
struct Quality {
    std::uint8_t jpeg = 85;                    ///< 1 … 100
    std::uint8_t webp = 87;                    ///< 1 … 100
    std::uint8_t avif = 62;                    ///< 1 … 100
    std::uint8_t webp_effort = 4;              ///< 0 … 6, more is slower and smaller
    std::uint8_t avif_effort = kEffortBySize;  ///< 0 … 9, or that
    bool webp_lossless = false;                ///< WebP without loss; `webp` is without meaning then
};

/// For a result of so many pixels. At equal looks effort 3 takes an eighth fewer bytes than 1, for twice the
/// time; 4 ten times as long. Pictures of many megapixels would not be done within Limits::time_ms.
constexpr int avif_effort(const Quality& quality, std::uint64_t pixels) noexcept
{
    if (quality.avif_effort != kEffortBySize) return quality.avif_effort;
    return pixels <= 2'000'000 ? 3 : 1;
}

/// Bounds of one job; what goes beyond is refused with a reason. None of them is 0.
struct Limits {
    std::uint64_t source_bytes = 64ULL << 20;
    std::uint64_t pixels_in = 100'000'000;  ///< width × height of the source, times the frames that are read
    std::uint64_t pixels_out = 25'000'000;  ///< width × height of the result, times its frames
    std::uint32_t frames = 200;             ///< animations with more give their first frame only
    std::uint32_t time_ms = 10'000;         ///< of rendering, without waiting
};

/// One result out of one source.
struct Job {
    Format target = Format::compatible;
    Quality quality;
    std::uint32_t width = 0;   ///< CSS pixels; 0: as the other one and the proportions give it
    std::uint32_t height = 0;  ///< both 0: the source's own size
    std::uint16_t dpr = 100;   ///< device pixels for 100 CSS pixels: 25 … 400; multiplies width and height
    Fit fit = Fit::inside;
    Gravity gravity = Gravity::center;
    bool enlarge = false;         ///< results may be larger than the source, up to limits.pixels_out
    std::uint16_t page = 0;       ///< of a TIFF, HEIC or animation: counted from 0
    bool has_page = false;        ///< page= was given: an animation then gives that frame alone
    bool animate = true;          ///< animated sources give animated results where the target can (WebP)
    bool has_background = false;  ///< alpha is filled with `background`
    std::array<std::uint8_t, 3> background{
        255, 255, 255};  ///< red, green, blue; also fills where the target has no alpha
    bool keep_copyright =
        false;                ///< EXIF Copyright and Artist stay (not in PNG); all other metadata always goes
    bool progressive = true;  ///< JPEG
    bool allow_truncated = false;  ///< a source that ends early gives the part that is there
    /// The source itself would do: when the result has its dimensions and is not smaller in bytes, the answer
    /// is Done with `original` and no bytes.
    bool prefer_original = false;
    Range range = Range::automatic;
    float range_low = 0;  ///< for Range::fixed, in sample values; finite, low < high
    float range_high = 1;
    Limits limits;
};

/// Why there is no result.
enum class Reason : std::uint8_t {
    // Of the source: the same job would be refused again.
    not_an_image = 1,
    unsupported,  ///< an image of a kind that is not read (SVG, PDF, JPEG 2000, …)
    damaged,
    truncated,         ///< it ends early
    source_too_large,  ///< limits.source_bytes
    too_many_pixels,   ///< limits.pixels_in
    result_too_large,  ///< limits.pixels_out, or more than the format can hold
    no_such_page,
    out_of_memory,  ///< the bound of a render process
    timeout,        ///< limits.time_ms
    crashed,        ///< the render process ended in the middle
    // Of the moment: a later try may succeed.
    queue_full,
    expired,      ///< Submit::deadline_ms passed while it waited
    bad_request,  ///< no sealed memfd came with it, or values that are none
    unavailable,  ///< no render process can be started, or the supervisor is ending
};

/// Whether the same job on the same source would be refused again, so that the refusal may be remembered.
constexpr bool is_lasting(Reason reason) noexcept
{
    return reason < Reason::queue_full;
}

/// The words of logs and counters: "queue_full".
constexpr const char* name_of(Reason reason) noexcept
{
    switch (reason) {
        case Reason::not_an_image:
            return "not_an_image";
        case Reason::unsupported:
            return "unsupported";
        case Reason::damaged:
            return "damaged";
        case Reason::truncated:
            return "truncated";
        case Reason::source_too_large:
            return "source_too_large";
        case Reason::too_many_pixels:
            return "too_many_pixels";
        case Reason::result_too_large:
            return "result_too_large";
        case Reason::no_such_page:
            return "no_such_page";
        case Reason::out_of_memory:
            return "out_of_memory";
        case Reason::timeout:
            return "timeout";
        case Reason::crashed:
            return "crashed";
        case Reason::queue_full:
            return "queue_full";
        case Reason::expired:
            return "expired";
        case Reason::bad_request:
            return "bad_request";
        case Reason::unavailable:
            return "unavailable";
    }
    return "unknown";
}

}
