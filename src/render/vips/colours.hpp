#pragma once

#include "image/job.hpp"
#include "render/vips/image.hpp"

/// Whatever a source's samples mean becomes 8-bit grey or sRGB, with or without alpha.
namespace edge::render {

/// Before scaling: deep samples. Returns an image of 8-bit samples, or of floats that prepared().finish()
/// makes visible after scaling, which is cheaper. Reads all pixels when the range is theirs.
class DeepSamples {
public:
    DeepSamples(Image image, const image::Job& job);

    Image take() noexcept { return std::move(image_); }
    /// After scaling: 8-bit samples.
    Image finish(Image scaled) const;

private:
    void by_type();
    void by_levels(const image::Job& job);

    Image image_;
    bool stretched_ = false;
    double factor_ = 1;
    double offset_ = 0;
};

/// After scaling, without premultiplied alpha: by the embedded profile, or by what the samples are called.
/// A profile that can't be used is ignored.
Image to_srgb(Image image);

/// The whole picture on one colour; no alpha is left.
Image flatten(const Image& image, const std::array<std::uint8_t, 3>& background);

}
