#include "render/vips/alpha.hpp"

#include <algorithm>
#include <cstdint>

namespace edge::render {

namespace {

// `n` pixels. Change: (colour, alpha) -> colour; kBands: known to the compiler, or 0.
template <class Change, int kBands>
void change_pixels(const std::uint8_t* from, std::uint8_t* to, int n, int bands) noexcept
{
    if (kBands != 0) bands = kBands;
    for (int x = 0; x < n; ++x, from += bands, to += bands) {
        const unsigned alpha = from[bands - 1];
        for (int b = 0; b < bands - 1; ++b) to[b] = Change::of(from[b], alpha);
        to[bands - 1] = static_cast<std::uint8_t>(alpha);
    }
}

// To the nearest.
struct Times {
    static std::uint8_t of(unsigned colour, unsigned alpha) noexcept
    {
        const unsigned product = colour * alpha + 128;
        return static_cast<std::uint8_t>((product + (product >> 8)) >> 8);
    }
};

struct Divided {
    static std::uint8_t of(unsigned colour, unsigned alpha) noexcept
    {
        // A scaler may overshoot in the one and not in the other.
        return alpha == 0 ? 0 : static_cast<std::uint8_t>(std::min(255U, (255 * colour + alpha / 2) / alpha));
    }
};

template <class Change>
int generate(VipsRegion* out, void* sequence, void*, void*, gboolean*)
{
    auto* const in = static_cast<VipsRegion*>(sequence);
    const VipsRect& area = out->valid;
    if (vips_region_prepare(in, &area) != 0) return -1;
    const int bands = in->im->Bands;
    const auto line = bands == 4 ? change_pixels<Change, 4> : change_pixels<Change, 0>;
    for (int y = area.top; y < area.top + area.height; ++y)
        line(VIPS_REGION_ADDR(in, area.left, y), VIPS_REGION_ADDR(out, area.left, y), area.width, bands);
    return 0;
}

template <class Change>
Image changed(const Image& image)
{
    Image result{vips_image_new()};
    check(result ? 0 : -1);
    // It is read when the result is.
    g_object_set_data_full(G_OBJECT(result.get()), "edge-source", g_object_ref(image.get()), g_object_unref);
    check(vips_image_pipelinev(result.get(), VIPS_DEMAND_STYLE_THINSTRIP, image.get(), nullptr));
    check(vips_image_generate(result.get(), vips_start_one, generate<Change>, vips_stop_one, image.get(),
                              nullptr));
    return result;
}

}

Image premultiply(const Image& image)
{
    return changed<Times>(image);
}

Image unpremultiply(const Image& image)
{
    return changed<Divided>(image);
}

}
