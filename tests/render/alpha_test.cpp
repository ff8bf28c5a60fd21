#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <functional>

#include "render/pixels.hpp"
#include "render/program.hpp"

using namespace edge;
using namespace edge::render::test;
using image::Job;

namespace {

using Colour = std::array<int, 4>;

Pixels drawn(unsigned width, unsigned height, unsigned bands,
             const std::function<Colour(unsigned, unsigned)>& at)
{
    Pixels pixels;
    pixels.width = width;
    pixels.height = height;
    pixels.bands = bands;
    for (unsigned y = 0; y < height; ++y)
        for (unsigned x = 0; x < width; ++x)
            for (unsigned b = 0; b < bands; ++b)
                pixels.samples.push_back(static_cast<std::uint8_t>(at(x, y)[b]));
    return pixels;
}

Pixels scaled(Program& program, const Pixels& source, unsigned width)
{
    Job job;
    job.target = image::Format::png;
    job.width = width;
    job.limits.time_ms = kPatience;
    const Answer answer = program.render(encode_png(source), job);
    BOOST_REQUIRE_MESSAGE(answer.done() != nullptr, answer.text());
    return decode(answer.file);
}

}

BOOST_AUTO_TEST_SUITE(render_alpha)

BOOST_AUTO_TEST_CASE(opaque_pictures_stay_opaque_and_look_as_without_alpha)
{
    Program program;
    const auto picture = [](unsigned x, unsigned y) {
        return Colour{static_cast<int>(x * 3 % 256), static_cast<int>(y * 5 % 256),
                      (x / 7 + y / 9) % 2 ? 250 : 3, 255};
    };
    const Pixels with = scaled(program, drawn(403, 305, 4, picture), 97);
    const Pixels without = scaled(program, drawn(403, 305, 3, picture), 97);
    BOOST_REQUIRE(with.bands == 4U);
    BOOST_REQUIRE(with.samples.size() / 4 == without.samples.size() / 3);
    int most = 0;
    int least_alpha = 255;
    for (std::size_t i = 0; i < with.samples.size() / 4; ++i) {
        for (std::size_t b = 0; b < 3; ++b)
            most = std::max(most, std::abs(with.samples[4 * i + b] - without.samples[3 * i + b]));
        least_alpha = std::min<int>(least_alpha, with.samples[4 * i + 3]);
    }
    BOOST_TEST(least_alpha == 255);
    BOOST_TEST(most <= 1);
}

BOOST_AUTO_TEST_CASE(what_can_not_be_seen_does_not_colour_its_neighbours)
{
    Program program;
    const Pixels small =
        scaled(program,
               drawn(400, 300, 4,
                     [](unsigned x, unsigned y) {
                         return (x / 10 + y / 14) % 2 == 0 ? Colour{0, 0, 255, 255} : Colour{255, 0, 0, 0};
                     }),
               90);
    unsigned seen = 0;
    for (std::size_t i = 0; i < small.samples.size(); i += 4) {
        if (small.samples[i + 3] < 8) continue;
        ++seen;
        BOOST_TEST_REQUIRE(int{small.samples[i]} == 0);
        BOOST_TEST_REQUIRE(int{small.samples[i + 2]} > 235);
    }
    BOOST_TEST(seen > small.samples.size() / 4 / 3);
}

BOOST_AUTO_TEST_CASE(what_shows_through_is_as_bright_as_before)
{
    Program program;
    const auto ramp = [](double x, double y) {
        return std::array<double, 4>{40 + x * 200, 230 - y * 200, 60 + 90 * x + 90 * y, 255 * x};
    };
    const Pixels small =
        scaled(program,
               drawn(800, 600, 4,
                     [&](unsigned x, unsigned y) {
                         const auto c = ramp((x + .5) / 800, (y + .5) / 600);
                         return Colour{static_cast<int>(c[0] + .5), static_cast<int>(c[1] + .5),
                                       static_cast<int>(c[2] + .5), static_cast<int>(c[3] + .5)};
                     }),
               100);
    double sum = 0;
    double most = 0;
    for (unsigned y = 1; y < 74; ++y)
        for (unsigned x = 1; x < 99; ++x) {
            const auto wanted = ramp((x + .5) / 100, (y + .5) / 75);
            const std::uint8_t* is = &small.samples[4 * (y * 100 + x)];
            // On black.
            for (unsigned b = 0; b < 3; ++b) {
                const double off = std::abs(is[b] * is[3] / 255. - wanted[b] * wanted[3] / 255);
                sum += off;
                most = std::max(most, off);
            }
        }
    BOOST_TEST(sum / (73 * 98 * 3) < 1);
    BOOST_TEST(most < 3);
}

BOOST_AUTO_TEST_SUITE_END()
