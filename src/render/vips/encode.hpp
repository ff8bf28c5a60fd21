#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "image/job.hpp"
#include "render/vips/image.hpp"

/// Pixels to files.
namespace edge::render {

/// A file in memory, as libvips allocated it.
class EncodedImage {
public:
    EncodedImage(void* data, std::size_t size) noexcept : data_{static_cast<std::byte*>(data)}, size_{size} {}
    std::span<const std::byte> bytes() const noexcept { return {data_.get(), size_}; }

private:
    struct Free {
        void operator()(std::byte* data) const noexcept { g_free(data); }
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t size_;
};

/// `image`: 8-bit grey or sRGB, with alpha only where `format` has it. `format`: jpeg, png, webp or avif.
/// Writes no metadata but, with Job::keep_copyright, EXIF Copyright and Artist.
EncodedImage encode_image(const Image& image, image::Format format, const image::Job& job);

}
