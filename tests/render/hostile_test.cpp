#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>

#include "render/pixels.hpp"
#include "render/program.hpp"

using namespace edge;
using namespace edge::render::test;

namespace {

// What each file gives as a WebP of 300x300, cover. Where two are given both are safe, and which one it is
// depends on the libraries' version, and for PNG on which one libvips was built with.
const std::map<std::string, std::vector<std::string>> kExpected{
    {"anim-16384x16384-3000f.webp", {"damaged", "too_many_pixels"}},
    {"avif-box-nesting.avif", {"damaged", "out_of_memory"}},
    {"bad-crc-idat.png", {"truncated", "damaged", "webp 8x8", "webp 4x4"}},
    {"bad-crc-ihdr.png", {"damaged"}},
    {"billion-laughs.svg", {"unsupported"}},
    {"bmp-rle-negative.bmp", {"damaged"}},
    {"bomb-12000x12000-interlaced-grey.png", {"too_many_pixels"}},
    {"bomb-14000x14000-rgba.png", {"too_many_pixels"}},
    {"bomb-30000x30000-1bit.png", {"too_many_pixels"}},
    {"elf.png", {"not_an_image"}},
    {"exif-bomb.png", {"webp 8x8"}},
    {"external-href-file.svg", {"unsupported"}},
    {"external-href-http.svg", {"unsupported"}},
    {"frames-2000-4000x4000.gif", {"webp 1x1", "webp 300x300"}},
    {"iccp-bomb-100MB.png", {"webp 8x8", "damaged"}},
    {"iccp-garbage.png", {"webp 8x8"}},
    {"ifd-loop.tif", {"webp 4x4", "damaged"}},
    {"jpeg-named.png", {"webp 200x200"}},
    {"lie-100000x100000.tif", {"too_many_pixels", "damaged"}},
    {"lie-2147483647x1.png", {"damaged", "too_many_pixels"}},
    {"lie-50000x50000.bmp", {"too_many_pixels"}},
    {"lie-60000x60000.avif", {"damaged", "too_many_pixels"}},
    {"lie-65500x65500.jpg", {"too_many_pixels"}},
    {"lie-65535x65535.gif", {"too_many_pixels"}},
    {"lie-65535x65535.png", {"too_many_pixels"}},
    {"long-1x30000.png", {"webp 1x1"}},
    {"long-30000x1.png", {"webp 1x1"}},
    {"many-com-4.jpg", {"webp 200x200"}},
    {"mvg-delegate.png", {"unsupported"}},
    {"not-an-image.jpg", {"not_an_image"}},
    {"one-byte.jpg", {"not_an_image"}},
    {"one-pixel.png", {"webp 1x1"}},
    {"png-named.jpg", {"webp 8x8"}},
    {"png-no-iend.png", {"webp 8x8"}},
    {"polyglot-jpeg-html.jpg", {"webp 200x200"}},
    {"polyglot-jpeg-zip.jpg", {"webp 200x200"}},
    {"progressive-scan-bomb.jpg", {"damaged"}},
    {"ps-delegate.jpg", {"unsupported"}},
    {"riff-size-lie.webp", {"damaged"}},
    {"svg-100000x100000.svg", {"unsupported"}},
    {"svg-filter-cost.svg", {"unsupported"}},
    {"svg-gzip-bomb.svgz", {"unsupported"}},
    {"svg-nested-use.svg", {"unsupported"}},
    {"svg-script.svg", {"unsupported"}},
    {"truncated-half.jpg", {"truncated"}},
    {"truncated-header.jpg", {"truncated"}},
    {"truncated-idat.png", {"truncated", "damaged"}},
    {"truncated.gif", {"truncated"}},
    {"xxe-file.svg", {"unsupported"}},
    {"zero-byte.jpg", {"not_an_image"}},
    {"zero-width.png", {"damaged"}},
    {"ztxt-bomb-100MB.png", {"webp 8x8", "damaged"}},
    {"ztxt-many-200.png", {"webp 8x8", "damaged"}},
};

image::Job thumbnail()
{
    image::Job job;
    job.target = image::Format::webp;
    job.width = job.height = 300;
    job.fit = image::Fit::cover;
    job.limits.time_ms = kPatience;
    return job;
}

unsigned long ticks_of_all(const Program& program)
{
    unsigned long ticks = 0;
    for (const int pid : program.renders()) ticks += ticks_of(pid);
    return ticks;
}

}

BOOST_AUTO_TEST_SUITE(render_hostile)

BOOST_AUTO_TEST_CASE(every_hostile_file_has_the_outcome_it_should_and_harms_nobody)
{
    Program program;
    const std::string good = picture("srgb.jpg");
    const auto names = pictures_in("hostile");
    BOOST_TEST(names.size() == kExpected.size());
    for (const std::string& name : names) {
        const unsigned long before = ticks_of_all(program);
        const Answer answer = program.render(picture("hostile/" + name), thumbnail());
        const unsigned long ticks = ticks_of_all(program) - before;
        const auto expected = kExpected.find(name);
        BOOST_REQUIRE_MESSAGE(expected != kExpected.end(), name << " has no expectation");
        BOOST_TEST(std::ranges::count(expected->second, answer.text()) == 1, name << ": " << answer.text());
        BOOST_TEST(ticks < 1000, name << " took " << ticks / 100 << " s of the processor's time");
        // No byte of what came behind the picture goes on.
        BOOST_TEST((answer.file.find("<script") == std::string::npos), name);
        BOOST_TEST((answer.file.find("PK\3\4") == std::string::npos), name);
        BOOST_TEST(program.render(good, thumbnail()).text() == "webp 150x150", "after " << name);
    }
    const auto stats = program.stats();
    BOOST_TEST(stats.crashed == 0U);
#if !defined(__SANITIZE_ADDRESS__)  // it keeps what was freed for a while
    BOOST_TEST(stats.started == 1U);
    BOOST_TEST(stats.memory < 150ULL << 20);
#endif
}

BOOST_AUTO_TEST_CASE(half_a_picture_is_one_only_where_it_is_allowed)
{
    Program program;
    image::Job job = thumbnail();
    job.fit = image::Fit::inside;
    BOOST_TEST(program.render(picture("hostile/truncated-half.jpg"), job).text() == "truncated");
    job.allow_truncated = true;
    BOOST_TEST(program.render(picture("hostile/truncated-half.jpg"), job).text() == "webp 200x300");
    // Shrink-on-load reads the same end.
    job.width = job.height = 50;
    job.allow_truncated = false;
    BOOST_TEST(program.render(picture("hostile/truncated-half.jpg"), job).text() == "truncated");
    std::string webp = program.render(picture("srgb.jpg"), thumbnail()).file;
    webp.resize(webp.size() / 2);
    BOOST_TEST(program.render(webp, job).refused() != nullptr);
    std::string tiff = picture("grey16-12bit.tif");
    tiff.resize(tiff.size() / 2);
    BOOST_TEST(program.render(tiff, job).refused() != nullptr);
    std::string bmp = picture("palette.bmp");
    bmp.resize(bmp.size() / 2);
    BOOST_TEST(program.render(bmp, job).text() == "truncated");
    std::string gif = picture("anim.gif");
    gif.resize(gif.size() / 2);
    BOOST_TEST(program.render(gif, job).text() == "truncated");
    std::string png = picture("alpha.png");
    png.resize(png.size() / 2);
    BOOST_TEST(program.render(png, job).text() == "truncated");
}

BOOST_AUTO_TEST_CASE(limits_of_a_job_are_kept)
{
    Program program;
    const std::string source = picture("srgb.jpg");
    image::Job job = thumbnail();
    job.limits.source_bytes = source.size() - 1;
    BOOST_TEST(program.render(source, job).text() == "source_too_large");
    job = thumbnail();
    job.limits.pixels_in = 200 * 150 - 1;
    BOOST_TEST(program.render(source, job).text() == "too_many_pixels");
    job = thumbnail();
    job.limits.pixels_out = 100;
    BOOST_TEST(program.render(source, job).text() == "result_too_large");
    job = thumbnail();
    job.page = 1;
    BOOST_TEST(program.render(source, job).text() == "no_such_page");
}

#if !defined(__SANITIZE_ADDRESS__)  // its shadow memory has no bound
BOOST_AUTO_TEST_CASE(memory_is_bounded_by_a_refusal_and_the_next_job_is_done)
{
    Start start;
    start.memory = 64 << 20;
    Program program{start};
    image::Job job = thumbnail();
    job.enlarge = true;
    job.fit = image::Fit::inside;
    job.width = 12000;
    job.height = 0;
    job.limits.pixels_out = 200'000'000;
    job.target = image::Format::jpeg;
    const std::string reason = program.render(picture("srgb.jpg"), job).text();
    BOOST_TEST((reason == "out_of_memory" || reason == "crashed"), reason);
    BOOST_TEST(program.render(picture("srgb.jpg"), thumbnail()).text() == "webp 150x150");
}

#endif

BOOST_AUTO_TEST_SUITE_END()
