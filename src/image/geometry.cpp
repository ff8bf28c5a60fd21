#include "image/geometry.hpp"

#include <algorithm>
#include <cmath>

namespace edge::image {

namespace {

struct Box {
    double width;
    double height;
};

// What a side may be long before it is too much for any limit; keeps doubles exact and casts defined.
constexpr double kLongest = 1e9;

std::uint32_t whole(double side) noexcept
{
    return static_cast<std::uint32_t>(std::clamp(std::round(side), 1.0, kLongest));
}

// The box asked for, in device pixels; a side that is not given follows from the proportions.
Box box_of(Box source, const Job& job) noexcept
{
    if (job.width == 0 && job.height == 0) return source;
    const double density = job.dpr / 100.0;
    Box box{job.width * density, job.height * density};
    if (job.width == 0) box.width = source.width * box.height / source.height;
    if (job.height == 0) box.height = source.height * box.width / source.width;
    return box;
}

// Of `room` pixels that are left over: how many lie before the picture.
std::uint32_t before(std::uint32_t room, bool at_start, bool at_end) noexcept
{
    if (at_start) return 0;
    return at_end ? room : room / 2;
}

bool is_one_of(Gravity gravity, Gravity a, Gravity b, Gravity c) noexcept
{
    return gravity == a || gravity == b || gravity == c;
}

void place(Geometry& g, Gravity gravity) noexcept
{
    const auto difference = [](std::uint32_t a, std::uint32_t b) { return a > b ? a - b : b - a; };
    using enum Gravity;
    g.left =
        before(difference(g.scaled.width, g.result.width), is_one_of(gravity, west, northwest, southwest),
               is_one_of(gravity, east, northeast, southeast));
    g.top =
        before(difference(g.scaled.height, g.result.height), is_one_of(gravity, north, northwest, northeast),
               is_one_of(gravity, south, southwest, southeast));
}

}

std::uint32_t longest_side(Format target) noexcept
{
    switch (target) {
        case Format::webp:
            return 16383;
        case Format::avif:
            return 16384;
        case Format::png:
            return 65535;
        default:
            return 65500;
    }
}

std::optional<Geometry> compute_geometry(Size size, const Job& job) noexcept
{
    const Box source{static_cast<double>(size.width), static_cast<double>(size.height)};
    Box box = box_of(source, job);
    const double smaller = std::min(box.width / source.width, box.height / source.height);
    const double larger = std::max(box.width / source.width, box.height / source.height);
    const bool fills = job.fit == Fit::cover || job.fit == Fit::fill || job.fit == Fit::outside;
    const double enlarging = fills ? larger : smaller;
    double shrink = 1;
    if (!job.enlarge && enlarging > 1) shrink = enlarging;
    box = {box.width / shrink, box.height / shrink};

    double scale = smaller / shrink;
    if (fills) scale = larger / shrink;
    // Too long already: said here, before numbers are cut to what an integer holds.
    const Box scaled{source.width * scale, source.height * scale};
    if (std::max({scaled.width, scaled.height, box.width, box.height}) > kLongest) return std::nullopt;

    Geometry g;
    g.scaled = {whole(scaled.width), whole(scaled.height)};
    switch (job.fit) {
        case Fit::inside:
        case Fit::outside:
            g.result = g.scaled;
            break;
        case Fit::fill:
            g.result = {whole(box.width), whole(box.height)};
            g.scaled = g.result;
            break;
        case Fit::cover:
            // Rounding must not leave a gap of a pixel.
            g.result = {whole(box.width), whole(box.height)};
            g.scaled = {std::max(g.scaled.width, g.result.width), std::max(g.scaled.height, g.result.height)};
            break;
        case Fit::contain:
            g.result = {std::max(whole(box.width), g.scaled.width),
                        std::max(whole(box.height), g.scaled.height)};
            break;
    }
    place(g, job.gravity);

    const auto pixels = [](Size s) { return std::uint64_t{s.width} * s.height; };
    if (pixels(g.result) > job.limits.pixels_out) return std::nullopt;
    if (pixels(g.scaled) > std::max(job.limits.pixels_out, pixels(size))) return std::nullopt;
    if (std::max(g.result.width, g.result.height) > longest_side(job.target)) return std::nullopt;
    return g;
}

}
