#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <map>
#include <random>

#include "render/program.hpp"

using namespace edge;
using namespace edge::render::test;
using image::Format;

namespace {

// EDGE_MUTATIONS: how many; 20000 and more for a night.
unsigned count_of_mutations()
{
    const char* text = std::getenv("EDGE_MUTATIONS");
    return text == nullptr ? 400 : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

using Random = std::mt19937_64;

// What breaks parsers: bits, bytes at their bounds, pieces moved, doubled, left out, other files' pieces.
std::string mutated(std::string bytes, const std::string& other, Random& random)
{
    const auto below = [&](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); };
    // Headers are where most of the decisions are made.
    const auto place = [&] {
        return below(random() % 2 == 0 ? std::min<std::size_t>(bytes.size(), 300) : bytes.size());
    };
    for (std::size_t n = 1 + below(8); n > 0 && !bytes.empty(); --n) {
        const std::size_t at = place();
        const std::size_t size = std::min(bytes.size() - at, 1 + below(64));
        switch (random() % 8) {
            case 0:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
                break;
            case 1:
                bytes[at] = static_cast<char>(random());
                break;
            case 2:
                std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(size, 4),
                            '\xff');
                break;
            case 3:
                std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(size, 4),
                            '\0');
                break;
            case 4:
                bytes.erase(at, size);
                break;
            case 5:
                bytes.insert(at, bytes.substr(place(), size));
                break;
            case 6:
                bytes.replace(at, size, other, std::min(at, other.size()), size);
                break;
            default:
                if (random() % 4 == 0) bytes.resize(at);
                break;
        }
    }
    return bytes;
}

}

BOOST_AUTO_TEST_SUITE(render_mutations)

BOOST_AUTO_TEST_CASE(no_damaged_file_hangs_or_outgrows_a_render_or_takes_others_along)
{
    Start start;
    start.processes = 2;
    start.memory = 512ULL << 20;
    start.jobs = 1000;
    Program program{start};
    std::vector<std::string> seeds;
    for (const char* name : {"srgb.jpg", "gps-copyright.jpg", "p3-icc.jpg", "cmyk-noicc.jpg", "alpha.png",
                             "palette-trns-3x5.png", "rgb16-chess.png", "anim.gif", "grey16-12bit.tif",
                             "float32.tif", "palette.bmp", "exif/orient-6.jpg", "zstack-8p-grey16.tif",
                             "hostile/ifd-loop.tif", "hostile/exif-bomb.png"})
        seeds.push_back(picture(name));
    image::Job job;
    job.width = 120;
    job.limits.time_ms = kPatience;
    for (const Format target : {Format::webp, Format::avif}) {
        job.target = target;
        seeds.push_back(program.render(picture("alpha.png"), job).file);
    }
    job.target = Format::webp;
    seeds.push_back(program.render(picture("anim.gif"), job).file);

    const std::uint64_t seed = std::random_device{}();
    Random random{seed};
    std::map<std::string, unsigned> outcomes;
    unsigned images = 0;
    const unsigned wanted = count_of_mutations();
    for (unsigned n = 0; n < wanted; ++n) {
        const std::string source =
            mutated(seeds[random() % seeds.size()], seeds[random() % seeds.size()], random);
        job.target =
            random() % 8 == 0 ? Format::avif : (random() % 2 == 0 ? Format::webp : Format::compatible);
        job.width = static_cast<std::uint32_t>(1 + random() % 200);
        job.fit = image::Fit{static_cast<std::uint8_t>(random() % 5)};
        job.gravity = image::Gravity{static_cast<std::uint8_t>(random() % 10)};
        job.height = random() % 2 == 0 ? 0 : job.width;
        job.allow_truncated = random() % 4 == 0;
        job.keep_copyright = random() % 4 == 0;
        job.page = random() % 16 == 0 ? 1 : 0;
        job.limits.pixels_in = 20'000'000;
        job.limits.time_ms = 5000;
        const auto began = std::chrono::steady_clock::now();
        const Answer answer = program.render(source, job);
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - began;
        BOOST_TEST(time.count() < 30, "seed " << seed << ", number " << n << ": " << time.count() << " s");
        if (answer.refused() != nullptr)
            ++outcomes[answer.text()];
        else
            ++images;
    }
    // Answers are one of those that are known, and the program goes on.
    for (const auto& [name, times] : outcomes) BOOST_TEST_MESSAGE(name << ": " << times);
    BOOST_TEST(images > wanted / 20);
    BOOST_TEST(outcomes["bad_request"] + outcomes["unavailable"] + outcomes["queue_full"] == 0U);
    // A crash is survived, but none is known: say which it is.
    BOOST_TEST(outcomes["crashed"] == 0U, "seed " << seed << ": " << outcomes["crashed"] << " crashes");
#if !defined(__SANITIZE_ADDRESS__)  // it keeps what was freed for a while
    BOOST_TEST(program.stats().memory < 400ULL << 20);
#endif
    job = {};
    job.target = Format::webp;
    job.limits.time_ms = kPatience;
    BOOST_TEST(program.render(picture("srgb.jpg"), job).text() == "webp 200x150");
}

BOOST_AUTO_TEST_SUITE_END()
