#pragma once

#include <cstdint>
#include <optional>

#include "image/job.hpp"

/// From the size of a source and what a job asks for to numbers of pixels.
namespace edge::image {

struct Size {
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    friend bool operator==(const Size&, const Size&) = default;
};

/// In this order: the source is scaled to `scaled`; of that `result.width` × `result.height` at (left, top)
/// are kept (cover), or it is put at (left, top) into a result that is larger (contain).
struct Geometry {
    Size scaled;
    Size result;
    std::uint32_t left = 0;
    std::uint32_t top = 0;

    bool cuts() const noexcept { return result.width < scaled.width || result.height < scaled.height; }
    bool pads() const noexcept { return result.width > scaled.width || result.height > scaled.height; }

    friend bool operator==(const Geometry&, const Geometry&) = default;
};

/// For an upright source of at least 1 × 1. Without Job::enlarge a box that would need enlarging shrinks,
/// with its proportions, until it needs none; so nothing is ever drawn larger than it is. No side is ever 0.
///
/// For Gravity::attention `left` and `top` are those of center; who has the pixels finds the better ones.
///
/// Nothing when the result has more than limits.pixels_out pixels, when the scaled source before it is cut
/// has more than that and more than the source, or when a side is longer than the target format can hold
/// (longest_side).
std::optional<Geometry> compute_geometry(Size source, const Job& job) noexcept;

/// Pixels: JPEG 65500, WebP 16383, AVIF 16384, PNG 65535.
std::uint32_t longest_side(Format target) noexcept;

}
