#pragma once

#include "render/vips/image.hpp"

/// Colours times their alpha, and back, in 8 bits: so that transparent pixels have no part in the colour of
/// their neighbours when a picture is scaled. libvips does both in floats, and then scales floats, which
/// takes three times as long as scaling bytes. What 8 bits lose is the colour of what is hardly seen.
namespace edge::render {

/// Both: of 8-bit samples whose last band is alpha. Pixels are made as they are asked for, from top to bottom
/// once when `image` is of that kind.
Image premultiply(const Image& image);
Image unpremultiply(const Image& image);

}
