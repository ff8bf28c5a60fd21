#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <variant>

#include "image/geometry.hpp"
#include "image/job.hpp"
#include "render/vips/encode.hpp"

/// From the bytes of a source to the bytes of a result: the whole of what a render process does for a job.
namespace edge::render {

/// Once in a process, before anything else here: one thread a picture, no cache, no temporary files, and only
/// the decoders of this folder. Runs each decoder and encoder once, so that nothing has to be loaded
/// afterwards when no file can be opened any more. False: libvips, or JPEG, PNG or WebP of it, does not work
/// here; it has said why on standard error. Without AVIF everything else goes on, and jobs for it are refused
/// as unavailable.
bool start_vips(const char* program);

/// Of a job that has been done.
struct Rendered {
    std::optional<EncodedImage> file;  ///< none: the source itself is the best answer (Job::prefer_original)
    image::Format format = image::Format::none;
    image::Format source_format = image::Format::none;
    image::Size size;
    image::Size source_size;  ///< upright
    unsigned frames = 1;
};

/// `job` is valid (image::is_valid). `source` must not change meanwhile.
std::variant<Rendered, image::Reason> render(std::span<const std::byte> source,
                                             const image::Job& job) noexcept;

}
