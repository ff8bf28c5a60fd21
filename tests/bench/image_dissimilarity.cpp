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

using Two = int(VipsImage*, VipsImage*, VipsImage**, ...);

render::Image of_two(Two* operation, const render::Image& a, const render::Image& b)
{
    return render::apply([&](VipsImage** out) { return operation(a.get(), b.get(), out, nullptr); });
}
render::Image linear(const render::Image& in, double factor, double summand)
{
    return render::apply(
        [&](VipsImage** out) { return vips_linear1(in.get(), out, factor, summand, nullptr); });
}

/// Mean of the picture around each pixel.
render::Image around(const render::Image& in)
{
    return render::apply([&](VipsImage** out) {
        return vips_gaussblur(in.get(), out, 1.5, "min_ampl", 0.01, "precision", VIPS_PRECISION_FLOAT,
                              nullptr);
    });
}

}

double structural_dissimilarity(const render::Image& a, const render::Image& b)
{
    constexpr double kC1 = 0.01 * 255 * 0.01 * 255;
    constexpr double kC2 = 0.03 * 255 * 0.03 * 255;
    const auto numbers = [](const render::Image& image) {
        const render::Image rgb = render::apply([&](VipsImage** out) {
            return vips_colourspace(image.get(), out, VIPS_INTERPRETATION_sRGB, nullptr);
        });
        return render::apply(
            [&](VipsImage** out) { return vips_cast(rgb.get(), out, VIPS_FORMAT_FLOAT, nullptr); });
    };
    const render::Image x = numbers(a), y = numbers(b);
    const render::Image mx = around(x), my = around(y);
    const render::Image mxx = of_two(vips_multiply, mx, mx), myy = of_two(vips_multiply, my, my);
    const render::Image mxy = of_two(vips_multiply, mx, my);
    const auto spread = [](const render::Image& p, const render::Image& q, const render::Image& of_means) {
        return of_two(vips_subtract, around(of_two(vips_multiply, p, q)), of_means);
    };
    const render::Image vx = spread(x, x, mxx), vy = spread(y, y, myy), cov = spread(x, y, mxy);
    const render::Image above = of_two(vips_multiply, linear(mxy, 2, kC1), linear(cov, 2, kC2));
    const render::Image below = of_two(vips_multiply, linear(of_two(vips_add, mxx, myy), 1, kC1),
                                       linear(of_two(vips_add, vx, vy), 1, kC2));
    double similarity = 0;
    render::check(vips_avg(of_two(vips_divide, above, below).get(), &similarity, nullptr));
    return (1 - similarity) / 2;
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
