#pragma once

#include <vips/vips.h>

#include <utility>

#include "image/job.hpp"

/// What the files of this folder share: ownership of libvips' images, and how a render ends without a result.
namespace edge::render {

/// Thrown when a job can't be done; caught by render().
struct Refusal {
    image::Reason reason;
};

/// Why libvips failed, from its error text, which is cleared.
image::Reason reason_of_vips_error() noexcept;

/// Throws the Refusal that libvips' error text tells when `result` is not 0.
inline void check(int result)
{
    if (result != 0) throw Refusal{reason_of_vips_error()};
}

/// Owns a reference.
class Image {
public:
    Image() noexcept = default;
    explicit Image(VipsImage* image) noexcept : image_{image} {}
    Image(Image&& other) noexcept : image_{std::exchange(other.image_, nullptr)} {}
    Image& operator=(Image&& other) noexcept
    {
        std::swap(image_, other.image_);
        return *this;
    }
    ~Image()
    {
        if (image_ != nullptr) g_object_unref(image_);
    }

    VipsImage* get() const noexcept { return image_; }
    explicit operator bool() const noexcept { return image_ != nullptr; }
    int width() const noexcept { return vips_image_get_width(image_); }
    int height() const noexcept { return vips_image_get_height(image_); }
    int bands() const noexcept { return vips_image_get_bands(image_); }
    VipsBandFormat format() const noexcept { return vips_image_get_format(image_); }
    VipsInterpretation interpretation() const noexcept { return vips_image_get_interpretation(image_); }
    bool has_alpha() const noexcept { return vips_image_hasalpha(image_) != 0; }
    bool has(const char* field) const noexcept { return vips_image_get_typeof(image_, field) != 0; }

private:
    VipsImage* image_ = nullptr;
};

/// `operation(out)` is a call of libvips that writes an image to `out`:
/// apply([&](VipsImage** out) { return vips_flip(in.get(), out, direction, nullptr); })
template <class Operation>
Image apply(Operation&& operation)
{
    VipsImage* out = nullptr;
    check(operation(&out));
    return Image{out};
}

}
