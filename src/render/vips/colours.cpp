#include "render/vips/colours.hpp"

#include <cmath>

#include "render/levels.hpp"

namespace edge::render {

namespace {

using image::Range;

Image cast(const Image& image, VipsBandFormat format)
{
    return apply([&](VipsImage** out) { return vips_cast(image.get(), out, format, nullptr); });
}

Image in_memory(const Image& image)
{
    VipsImage* copy = vips_image_copy_memory(image.get());
    check(copy != nullptr ? 0 : -1);
    return Image{copy};
}

Image called(const Image& image, VipsInterpretation interpretation)
{
    return apply([&](VipsImage** out) {
        return vips_copy(image.get(), out, "interpretation", interpretation, nullptr);
    });
}

Image bands(const Image& image, int first, int count)
{
    return apply(
        [&](VipsImage** out) { return vips_extract_band(image.get(), out, first, "n", count, nullptr); });
}

Image to_space(const Image& image, VipsInterpretation space)
{
    return apply([&](VipsImage** out) { return vips_colourspace(image.get(), out, space, nullptr); });
}

bool is_grey(const Image& image) noexcept
{
    return image.bands() <= 2;
}

// Spaces that libvips brings to sRGB by rules of their own, whatever their samples' depth.
bool is_colorimetric(VipsInterpretation space) noexcept
{
    switch (space) {
        case VIPS_INTERPRETATION_LAB:
        case VIPS_INTERPRETATION_LABQ:
        case VIPS_INTERPRETATION_LABS:
        case VIPS_INTERPRETATION_XYZ:
        case VIPS_INTERPRETATION_CMYK:
            return true;
        default:
            return false;
    }
}

template <class Sample>
std::span<Sample> samples_of(const Image& image)
{
    const auto count = static_cast<std::size_t>(image.width()) * static_cast<std::size_t>(image.height()) *
                       static_cast<std::size_t>(image.bands());
    return {reinterpret_cast<Sample*>(VIPS_IMAGE_ADDR(image.get(), 0, 0)), count};
}

}

DeepSamples::DeepSamples(Image image, const image::Job& job) : image_{std::move(image)}
{
    if (vips_band_format_iscomplex(image_.format()) != 0) throw Refusal{image::Reason::unsupported};
    if (vips_image_get_coding(image_.get()) != VIPS_CODING_NONE)
        image_ = to_space(image_, VIPS_INTERPRETATION_LAB);
    if (is_colorimetric(image_.interpretation())) {
        if (image_.interpretation() != VIPS_INTERPRETATION_CMYK)
            image_ = to_space(image_, VIPS_INTERPRETATION_sRGB);
        if (image_.format() == VIPS_FORMAT_UCHAR) return;
        by_type();
        return;
    }
    // Many channels of an instrument: the first one.
    if (image_.bands() > 4) image_ = bands(image_, 0, 1);
    if (image_.format() == VIPS_FORMAT_UCHAR) return;
    const bool by_type_alone =
        image_.format() == VIPS_FORMAT_USHORT &&
        (job.range == Range::type || image_.has(VIPS_META_ICC_NAME) || image_.has_alpha());
    if (by_type_alone && job.range != Range::fixed)
        by_type();
    else
        by_levels(job);
}

// The high byte of 16-bit samples is all that 8 bits can show.
void DeepSamples::by_type()
{
    const bool grey = is_grey(image_);
    const VipsInterpretation space = image_.interpretation() == VIPS_INTERPRETATION_CMYK
                                         ? VIPS_INTERPRETATION_CMYK
                                         : (grey ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB);
    if (image_.format() == VIPS_FORMAT_USHORT)
        image_ = apply([&](VipsImage** out) { return vips_msb(image_.get(), out, nullptr); });
    else
        image_ = cast(image_, VIPS_FORMAT_UCHAR);
    image_ = called(image_, space);
}

void DeepSamples::by_levels(const image::Job& job)
{
    if (image_.has_alpha()) image_ = bands(image_, 0, image_.bands() - 1);
    Levels levels{job.range_low, job.range_high};
    const bool is_16_bit = image_.format() == VIPS_FORMAT_USHORT;
    if (job.range == Range::type) levels = is_16_bit ? Levels{0, 65535} : Levels{0, 1};
    if (is_16_bit) {
        if (job.range == Range::automatic || job.range == Range::data) {
            image_ = in_memory(image_);
            levels = levels_of(samples_of<std::uint16_t>(image_), job.range == Range::automatic);
        }
        if (levels.low == 0 && levels.high == 65535) {
            by_type();
            return;
        }
    } else {
        image_ = in_memory(image_.format() == VIPS_FORMAT_FLOAT ? std::move(image_)
                                                                : cast(image_, VIPS_FORMAT_FLOAT));
        if (job.range == Range::automatic || job.range == Range::data)
            levels = levels_of(samples_of<float>(image_));
        replace_not_finite(samples_of<float>(image_), levels.low);
    }
    stretched_ = true;
    factor_ = 255 / (static_cast<double>(levels.high) - levels.low);
    offset_ = -levels.low * factor_;
}

Image DeepSamples::finish(Image scaled) const
{
    if (!stretched_) return scaled;
    const Image visible = apply([&](VipsImage** out) {
        return vips_linear1(scaled.get(), out, factor_, offset_, "uchar", TRUE, nullptr);
    });
    return called(visible, is_grey(visible) ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB);
}

Image to_srgb(Image image)
{
    if (image.has(VIPS_META_ICC_NAME)) {
        VipsImage* out = nullptr;
        if (vips_icc_transform(image.get(), &out, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
                               "depth", 8, nullptr) == 0) {
            // The pixels are computed here, so that a profile that is found to be bad shows now.
            const Image transformed{out};
            if (VipsImage* pixels = vips_image_copy_memory(transformed.get())) return Image{pixels};
        }
        vips_error_clear();
        image = apply([&](VipsImage** copy) { return vips_copy(image.get(), copy, nullptr); });
        vips_image_remove(image.get(), VIPS_META_ICC_NAME);
    }
    switch (image.interpretation()) {
        case VIPS_INTERPRETATION_sRGB:
        case VIPS_INTERPRETATION_B_W:
            return image;
        case VIPS_INTERPRETATION_MULTIBAND:
            return called(image, is_grey(image) ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB);
        default:
            return to_space(image, is_grey(image) ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB);
    }
}

Image flatten(const Image& image, const std::array<std::uint8_t, 3>& background)
{
    if (!image.has_alpha())
        return apply([&](VipsImage** out) { return vips_copy(image.get(), out, nullptr); });
    const double colour[]{static_cast<double>(background[0]), static_cast<double>(background[1]),
                          static_cast<double>(background[2])};
    const bool grey_on_grey =
        image.bands() == 2 && background[0] == background[1] && background[1] == background[2];
    Image coloured =
        image.bands() == 2 && !grey_on_grey ? to_space(image, VIPS_INTERPRETATION_sRGB) : Image{};
    VipsImage* from = coloured ? coloured.get() : image.get();
    VipsArrayDouble* values = vips_array_double_new(colour, grey_on_grey ? 1 : 3);
    VipsImage* out = nullptr;
    const int result = vips_flatten(from, &out, "background", values, nullptr);
    vips_area_unref(VIPS_AREA(values));
    check(result);
    return Image{out};
}

}
