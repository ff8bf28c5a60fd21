#pragma once

#include <cstddef>
#include <span>

#include "image/job.hpp"

/// What a source is, told by its first bytes, never by a name or a Content-Type.
namespace edge::render {

struct Sniffed {
    image::Format format = image::Format::none;  ///< none: not one of those that are read
    bool known = false;  ///< an image or document of another kind, which is not read: SVG, PDF, JPEG 2000, …
};

Sniffed sniff(std::span<const std::byte> bytes) noexcept;

/// Scans in a JPEG: how often its decoder goes over the whole picture. Counting stops at `most`.
unsigned count_jpeg_scans(std::span<const std::byte> bytes, unsigned most) noexcept;

/// False: the header of a PNG, IHDR, is not what its checksum was made of (PNG, third edition, section 5.3).
/// Some of libvips' readers go by such a header all the same. What ends earlier has none that could be wrong.
bool is_sound_png_header(std::span<const std::byte> bytes) noexcept;

/// False: a GIF ends within a block, so that its last picture is not whole. A missing trailer does no harm.
bool is_whole_gif(std::span<const std::byte> bytes) noexcept;

}
