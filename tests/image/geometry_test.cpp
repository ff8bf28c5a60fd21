#include "image/geometry.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <ostream>
#include <random>

namespace edge::image {

static std::ostream& operator<<(std::ostream& out, Size s)
{
    return out << s.width << "x" << s.height;
}

static std::ostream& operator<<(std::ostream& out, const Geometry& g)
{
    return out << g.scaled << " -> " << g.result << " at " << g.left << "," << g.top;
}

namespace {

struct Row {
    const char* what;
    Size source;
    std::uint32_t width, height;
    Fit fit;
    Gravity gravity;
    std::uint16_t dpr;
    bool enlarge;
    Geometry expected;
};

std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.what;
}

Job job_of(const Row& row)
{
    Job job;
    job.width = row.width;
    job.height = row.height;
    job.fit = row.fit;
    job.gravity = row.gravity;
    job.dpr = row.dpr;
    job.enlarge = row.enlarge;
    return job;
}

using enum Fit;
using enum Gravity;

const Row kRows[] = {
    {"no size: as it is", {600, 400}, 0, 0, inside, center, 100, false, {{600, 400}, {600, 400}, 0, 0}},
    {"no size: dpr does nothing", {600, 400}, 0, 0, cover, center, 300, true, {{600, 400}, {600, 400}, 0, 0}},
    {"width alone", {600, 400}, 300, 0, cover, center, 100, false, {{300, 200}, {300, 200}, 0, 0}},
    {"height alone", {600, 400}, 0, 100, contain, center, 100, false, {{150, 100}, {150, 100}, 0, 0}},
    {"inside", {600, 400}, 300, 300, inside, center, 100, false, {{300, 200}, {300, 200}, 0, 0}},
    {"outside", {600, 400}, 300, 300, outside, center, 100, false, {{450, 300}, {450, 300}, 0, 0}},
    {"fill", {600, 400}, 300, 300, fill, center, 100, false, {{300, 300}, {300, 300}, 0, 0}},
    {"cover", {600, 400}, 300, 300, cover, center, 100, false, {{450, 300}, {300, 300}, 75, 0}},
    {"cover, tall", {400, 600}, 300, 300, cover, center, 100, false, {{300, 450}, {300, 300}, 0, 75}},
    {"cover, north of a tall one",
     {400, 600},
     300,
     300,
     cover,
     north,
     100,
     false,
     {{300, 450}, {300, 300}, 0, 0}},
    {"cover, south", {400, 600}, 300, 300, cover, south, 100, false, {{300, 450}, {300, 300}, 0, 150}},
    {"cover, west", {600, 400}, 300, 300, cover, west, 100, false, {{450, 300}, {300, 300}, 0, 0}},
    {"cover, east", {600, 400}, 300, 300, cover, east, 100, false, {{450, 300}, {300, 300}, 150, 0}},
    {"cover, southeast",
     {600, 400},
     300,
     300,
     cover,
     southeast,
     100,
     false,
     {{450, 300}, {300, 300}, 150, 0}},
    {"contain", {600, 400}, 300, 300, contain, center, 100, false, {{300, 200}, {300, 300}, 0, 50}},
    {"contain, north", {600, 400}, 300, 300, contain, north, 100, false, {{300, 200}, {300, 300}, 0, 0}},
    {"contain, southwest",
     {400, 600},
     300,
     300,
     contain,
     southwest,
     100,
     false,
     {{200, 300}, {300, 300}, 0, 0}},
    {"dpr", {6000, 4000}, 300, 300, cover, center, 250, false, {{1125, 750}, {750, 750}, 187, 0}},
    {"dpr of half", {600, 400}, 300, 0, inside, center, 50, false, {{150, 100}, {150, 100}, 0, 0}},
    {"inside does not enlarge",
     {600, 400},
     1200,
     1200,
     inside,
     center,
     100,
     false,
     {{600, 400}, {600, 400}, 0, 0}},
    {"cover shrinks its box",
     {600, 400},
     1000,
     1000,
     cover,
     center,
     100,
     false,
     {{600, 400}, {400, 400}, 100, 0}},
    {"cover shrinks a flat box",
     {600, 400},
     600,
     300,
     cover,
     center,
     200,
     false,
     {{600, 400}, {600, 300}, 0, 50}},
    {"fill shrinks its box", {600, 400}, 400, 800, fill, center, 100, false, {{200, 400}, {200, 400}, 0, 0}},
    {"contain shrinks its box",
     {600, 400},
     1200,
     1200,
     contain,
     center,
     100,
     false,
     {{600, 400}, {600, 600}, 0, 100}},
    {"enlarged", {60, 40}, 300, 300, cover, center, 100, true, {{450, 300}, {300, 300}, 75, 0}},
    {"1x30000 inside keeps a pixel",
     {1, 30000},
     300,
     300,
     inside,
     center,
     100,
     false,
     {{1, 300}, {1, 300}, 0, 0}},
    {"1x30000 cover is not blown up",
     {1, 30000},
     300,
     300,
     cover,
     center,
     100,
     false,
     {{1, 30000}, {1, 1}, 0, 14999}},
    {"one pixel", {1, 1}, 300, 300, cover, center, 400, false, {{1, 1}, {1, 1}, 0, 0}},
};

}

BOOST_AUTO_TEST_SUITE(image_geometry)

BOOST_DATA_TEST_CASE(sizes, boost::unit_test::data::make(kRows), row)
{
    const auto geometry = compute_geometry(row.source, job_of(row));
    BOOST_REQUIRE(geometry.has_value());
    BOOST_TEST(*geometry == row.expected, *geometry << " is not " << row.expected);
}

BOOST_AUTO_TEST_CASE(results_beyond_the_limits_are_refused)
{
    Job job;
    job.enlarge = true;
    job.width = job.height = 300;
    job.fit = cover;
    // 300 x 9,000,000 before the cut.
    BOOST_TEST(!compute_geometry(Size{1, 30000}, job).has_value());
    job.width = 4'000'000'000;
    job.height = 0;
    BOOST_TEST(!compute_geometry(Size{600, 400}, job).has_value());
    job.width = 6000;
    BOOST_TEST(compute_geometry(Size{600, 400}, job).has_value());
    job.limits.pixels_out = 6000 * 4000 - 1;
    BOOST_TEST(!compute_geometry(Size{600, 400}, job).has_value());
    job = {};
    job.target = Format::webp;
    BOOST_TEST(!compute_geometry(Size{16384, 100}, job).has_value());
    BOOST_TEST(compute_geometry(Size{16383, 100}, job).has_value());
    job.target = Format::jpeg;
    BOOST_TEST(compute_geometry(Size{16384, 100}, job).has_value());
}

BOOST_AUTO_TEST_CASE(properties_of_any_geometry)
{
    std::mt19937_64 random{20261124};
    const auto side = [&](double most) {
        return static_cast<std::uint32_t>(
            std::exp(std::uniform_real_distribution<>{0, std::log(most)}(random)));
    };
    int some = 0;
    for (int n = 0; n < 200'000; ++n) {
        const Size source{side(70000), side(70000)};
        Job job;
        job.target = n % 2 == 0 ? Format::jpeg : Format::webp;
        job.width = n % 7 == 0 ? 0 : side(20000);
        job.height = n % 5 == 0 ? 0 : side(20000);
        job.dpr = static_cast<std::uint16_t>(25 + random() % 376);
        job.fit = Fit{static_cast<std::uint8_t>(random() % 5)};
        job.gravity = Gravity{static_cast<std::uint8_t>(random() % 10)};
        job.enlarge = random() % 2 == 0;
        const auto geometry = compute_geometry(source, job);
        if (!geometry) continue;
        ++some;
        const auto& [scaled, result, left, top] = *geometry;
        const auto box = [&](std::uint32_t css) { return css * std::uint64_t{job.dpr} / 100.0 + 0.5; };
        const bool ok =
            result.width >= 1 && result.height >= 1 && scaled.width >= 1 && scaled.height >= 1 &&
            std::uint64_t{result.width} * result.height <= job.limits.pixels_out &&
            std::max(result.width, result.height) <= longest_side(job.target) &&
            // The part that is kept lies within, and so does the picture that is padded.
            left <= std::max(scaled.width, result.width) - std::min(scaled.width, result.width) &&
            top <= std::max(scaled.height, result.height) - std::min(scaled.height, result.height) &&
            (!geometry->cuts() || (job.fit == cover && !geometry->pads())) &&
            (!geometry->pads() || (job.fit == contain && !geometry->cuts())) &&
            (job.enlarge || (scaled.width <= source.width && scaled.height <= source.height)) &&
            (job.fit == outside || job.width == 0 || result.width <= std::max(1.0, box(job.width))) &&
            (job.fit == outside || job.height == 0 || result.height <= std::max(1.0, box(job.height)));
        BOOST_TEST(ok, "source " << source << ", fit " << static_cast<int>(job.fit) << ", " << job.width
                                 << "x" << job.height << " dpr " << job.dpr << ": " << *geometry);
        if (!ok) break;
        // Proportions are kept to a pixel.
        if (job.fit == fill) continue;
        const double skew = std::abs(static_cast<double>(scaled.width) * source.height -
                                     static_cast<double>(scaled.height) * source.width);
        BOOST_TEST(skew <= static_cast<double>(std::max(source.width, source.height)) + 1,
                   source << ": " << *geometry);
    }
    BOOST_TEST(some > 100'000);
}

BOOST_AUTO_TEST_SUITE_END()

}
