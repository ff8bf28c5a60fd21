#include "image_dissimilarity.hpp"

#include <algorithm>
#include <iterator>

namespace edge::bench {

namespace {

constexpr std::size_t kSide = 8;
constexpr std::size_t kStep = 2;

Plane halved(const Plane& plane)
{
    Plane half{plane.width / 2, plane.height / 2, {}};
    half.at.resize(half.width * half.height);
    for (std::size_t y = 0; y < half.height; ++y)
        for (std::size_t x = 0; x < half.width; ++x) {
            const float* from = &plane.at[2 * y * plane.width + 2 * x];
            half.at[y * half.width + x] = (from[0] + from[1] + from[plane.width] + from[plane.width + 1]) / 4;
        }
    return half;
}

// Of `a` and `b` over a square: the sums, those of their squares, and that of their products.
struct Sums {
    double a = 0, b = 0, aa = 0, bb = 0, ab = 0;

    void add(float p, float q, double sign) noexcept
    {
        const double x = p, y = q;
        a += sign * x, b += sign * y, aa += sign * x * x, bb += sign * y * y, ab += sign * x * y;
    }
    void add(const Sums& other, double sign) noexcept
    {
        a += sign * other.a, b += sign * other.b, aa += sign * other.aa, bb += sign * other.bb;
        ab += sign * other.ab;
    }
    double similarity() const noexcept
    {
        constexpr double kC1 = 0.01 * 0.01;
        constexpr double kC2 = 0.03 * 0.03;
        constexpr double n = kSide * kSide;
        const double ma = a / n, mb = b / n;
        const double va = aa / n - ma * ma, vb = bb / n - mb * mb, cov = ab / n - ma * mb;
        return (2 * ma * mb + kC1) * (2 * cov + kC2) / ((ma * ma + mb * mb + kC1) * (va + vb + kC2));
    }
};

double similarity(const Plane& a, const Plane& b)
{
    if (a.width < kSide || a.height < kSide) return 1;
    std::vector<Sums> columns(a.width);
    const auto row = [&](std::size_t y, double sign) {
        for (std::size_t x = 0; x < a.width; ++x)
            columns[x].add(a.at[y * a.width + x], b.at[y * a.width + x], sign);
    };
    for (std::size_t y = 0; y < kSide; ++y) row(y, 1);
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t y = 0;;) {
        Sums square;
        for (std::size_t x = 0; x < kSide; ++x) square.add(columns[x], 1);
        for (std::size_t x = 0;;) {
            sum += square.similarity();
            ++count;
            if (x + kSide + kStep > a.width) break;
            for (std::size_t i = 0; i < kStep; ++i, ++x) {
                square.add(columns[x], -1);
                square.add(columns[x + kSide], 1);
            }
        }
        if (y + kSide + kStep > a.height) break;
        for (std::size_t i = 0; i < kStep; ++i, ++y) {
            row(y, -1);
            row(y + kSide, 1);
        }
    }
    return sum / static_cast<double>(count);
}

}

Planes planes_of(const render::Image& image)
{
    const render::Image lab = render::apply([&](VipsImage** out) {
        return vips_colourspace(image.get(), out, VIPS_INTERPRETATION_LAB, nullptr);
    });
    std::size_t size = 0;
    auto* samples = static_cast<float*>(vips_image_write_to_memory(lab.get(), &size));
    render::check(samples != nullptr ? 0 : -1);
    Planes planes;
    const auto width = static_cast<std::size_t>(lab.width());
    const auto height = static_cast<std::size_t>(lab.height());
    for (std::size_t c = 0; c < 3; ++c) {
        planes[0][c] = {width, height, std::vector<float>(width * height)};
        for (std::size_t i = 0; i < width * height; ++i)
            planes[0][c].at[i] = c == 0 ? samples[3 * i] / 100 : (samples[3 * i + c] + 110) / 220;
    }
    g_free(samples);
    for (std::size_t scale = 1; scale < planes.size(); ++scale)
        for (std::size_t c = 0; c < 3; ++c) planes[scale][c] = halved(planes[scale - 1][c]);
    return planes;
}

double dissimilarity(const Planes& a, const Planes& b)
{
    // Finest first; those of the tool dssim.
    constexpr double kWeights[] = {0.028, 0.197, 0.322, 0.298, 0.155};
    static_assert(std::size(kWeights) == std::tuple_size_v<Planes>);
    double sum = 0;
    double weights = 0;
    for (std::size_t scale = 0; scale < std::size(kWeights); ++scale) {
        for (std::size_t c = 0; c < 3; ++c) {
            if (c > 0 && scale == 0) continue;
            const double weight = kWeights[scale] * (c == 0 ? 1 : 0.25);
            sum += weight * similarity(a[scale][c], b[scale][c]);
            weights += weight;
        }
    }
    return weights / sum - 1;
}

}
