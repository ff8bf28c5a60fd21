#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "image/geometry.hpp"
#include "image/job.hpp"
#include "render/vips/image.hpp"

/// Opens sources: the headers first, the pixels when it is known how many of them are needed.
namespace edge::render {

/// What the headers of a source say.
struct SourceInfo {
    image::Format format = image::Format::none;
    image::Size stored;   ///< of one frame, as it lies in the file
    image::Size upright;  ///< as it is seen
    int orientation = 1;  ///< EXIF, 1 … 8
    std::uint32_t pages = 1;
    std::uint32_t first_page = 0;
    std::uint32_t frames = 1;   ///< to be read: more than one of animations only
    bool has_position = false;  ///< there is GPS data in it
};

/// Throws Refusal: not an image, over the job's limits, damaged.
SourceInfo read_source_info(std::span<const std::byte> bytes, const image::Job& job);

/// By how much a JPEG is decoded smaller that is to become `factor` times smaller: 1, 2, 4 or 8. What is left
/// for the better filter is a factor of 1.5 at least. libvips' own thumbnails leave 2, which looks no better:
/// against a whole decode and one filter it is off by a twentieth of what a JPEG of quality 80 loses,
/// with 1.25 left by up to two thirds.
int jpeg_shrink(double factor) noexcept;

/// The pixels, for a picture (as stored, not upright) that is to be `wanted` pixels large: JPEG and WebP are
/// decoded smaller when that is cheaper, but never smaller than `wanted`. Frames lie one below the other; the
/// pixels are as stored, not upright, and may be read from top to bottom once. `bytes` has to outlive them.
Image open_source(std::span<const std::byte> bytes, const SourceInfo& info, image::Size wanted,
                  const image::Job& job);

}
