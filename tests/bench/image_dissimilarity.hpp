#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "render/vips/image.hpp"

/// How far from each other two pictures look, for the benchmark of qualities.
namespace edge::bench {

/// DSSIM, (1 - SSIM) / 2, 0 for equal pictures. SSIM as Wang, Bovik, Sheikh and Simoncelli have it (2004),
/// with a Gaussian window of 1.5 pixels: the mean over the picture, and over red, green and blue. Both have
/// the same size; sRGB or grey.
double structural_dissimilarity(const render::Image& a, const render::Image& b);

/// A plane of numbers.
struct Plane {
    std::size_t width = 0;
    std::size_t height = 0;
    std::vector<float> at;
};

/// Lightness and the two colours of CIE Lab, each 0 … 1, at five scales: what a picture is compared by.
using Planes = std::array<std::array<Plane, 3>, 5>;

/// `image`: sRGB or grey.
Planes planes_of(const render::Image& image);

/// 1 / SSIM - 1, 0 for equal pictures. SSIM is the mean over squares of 8 × 8, every other one, weighted over
/// the scales as the eye does, lightness four times as much as a colour, whose finest scale does not count.
/// Both have the same size.
double dissimilarity(const Planes& a, const Planes& b);

}
