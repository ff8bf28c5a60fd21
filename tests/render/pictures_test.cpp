#include <boost/test/unit_test.hpp>
#include <cmath>

#include "render/pixels.hpp"
#include "render/program.hpp"

using namespace edge;
using namespace edge::render::test;
using image::Format;
using image::Job;

namespace {

Job job_for(Format target, std::uint32_t width = 0, std::uint32_t height = 0)
{
    Job job;
    job.target = target;
    job.width = width;
    job.height = height;
    job.quality.jpeg = 95;
    job.limits.time_ms = kPatience;
    return job;
}

// One program for all of them.
struct Pictures {
    static Program& program()
    {
        static std::unique_ptr<Program>& one = instance();
        if (!one) one = std::make_unique<Program>();
        return *one;
    }
    static std::unique_ptr<Program>& instance()
    {
        static std::unique_ptr<Program> one;
        return one;
    }
    static Answer render(const std::string& name, const Job& job)
    {
        return program().render(picture(name), job);
    }
    static Pixels pixels(const std::string& name, const Job& job, bool all_frames = false)
    {
        const Answer answer = render(name, job);
        BOOST_REQUIRE_MESSAGE(answer.done() != nullptr, name << ": " << answer.text());
        return decode(answer.file, all_frames);
    }
};

struct EndOfPictures {
    ~EndOfPictures() { Pictures::instance().reset(); }
};

}

BOOST_TEST_GLOBAL_FIXTURE(EndOfPictures);

BOOST_FIXTURE_TEST_SUITE(render_pictures, Pictures)

BOOST_AUTO_TEST_CASE(pictures_stored_any_way_round_come_out_upright)
{
    const Pixels first = pixels("exif/orient-1.jpg", job_for(Format::jpeg));
    BOOST_TEST(first.width == 200U);
    BOOST_TEST(first.height == 300U);
    const Pixels first_small = pixels("exif/orient-1.jpg", job_for(Format::png, 40, 100));
    for (int n = 2; n <= 8; ++n) {
        const std::string name = "exif/orient-" + std::to_string(n) + ".jpg";
        const Pixels whole = pixels(name, job_for(Format::jpeg));
        BOOST_TEST(difference(whole, first) < 3, name << " is off by " << difference(whole, first));
        BOOST_TEST(!whole.has_field("exif-"));
        Job cut = job_for(Format::jpeg, 60, 30);
        cut.fit = image::Fit::cover;
        cut.gravity = image::Gravity::north;
        Job cut_first = cut;
        BOOST_TEST(difference(pixels(name, cut), pixels("exif/orient-1.jpg", cut_first)) < 4, name);
        BOOST_TEST(difference(pixels(name, job_for(Format::png, 40, 100)), first_small) < 3, name);
    }
}

BOOST_AUTO_TEST_CASE(a_wide_gamut_becomes_srgb)
{
    const Pixels expected = pixels("srgb.jpg", job_for(Format::png));
    const Pixels p3 = pixels("p3-icc.jpg", job_for(Format::png));
    BOOST_TEST(difference(p3, expected) < 4);
    // Better than its samples taken as they are.
    BOOST_TEST(difference(p3, expected) < difference(decode(picture("p3-icc.jpg")), expected));
    BOOST_TEST(!p3.has_field("icc"));
}

BOOST_AUTO_TEST_CASE(inverted_cmyk_is_neither_negative_nor_without_colour)
{
    const Pixels expected = pixels("srgb.jpg", job_for(Format::png, 100));
    const Pixels cmyk = pixels("cmyk-noicc.jpg", job_for(Format::png, 100));
    BOOST_TEST(cmyk.bands == 3U);
    BOOST_TEST(difference(cmyk, expected) < 25);
    // Sky at the top, grass at the bottom.
    BOOST_TEST(cmyk.mean(2) > 50);
}

BOOST_AUTO_TEST_CASE(twelve_bits_in_sixteen_are_not_black)
{
    const Pixels automatic = pixels("grey16-12bit.tif", job_for(Format::png));
    BOOST_TEST(automatic.spread(0) > 180);
    BOOST_TEST(automatic.mean(0) > 30);
    Job job = job_for(Format::png);
    job.range = image::Range::type;
    BOOST_TEST(pixels("grey16-12bit.tif", job).mean(0) < 12);
    job.range = image::Range::fixed;
    job.range_low = 0;
    job.range_high = 4095;
    const Pixels fixed = pixels("grey16-12bit.tif", job);
    BOOST_TEST(fixed.mean(0) > 20);
    BOOST_TEST(fixed.mean(0) < 200);
    // The same grey at every size.
    const Pixels small = pixels("grey16-12bit.tif", job_for(Format::png, 50));
    BOOST_TEST(std::abs(small.mean(0) - automatic.mean(0)) < 2);
}

BOOST_AUTO_TEST_CASE(floats_are_seen_and_sixteen_bits_of_colour_keep_theirs)
{
    BOOST_TEST(pixels("float32.tif", job_for(Format::png)).spread(0) > 180);
    const Pixels chess = pixels("rgb16-chess.png", job_for(Format::png));
    BOOST_TEST(chess.bands == 3U);
    BOOST_TEST(chess.spread(0) > 250);
}

BOOST_AUTO_TEST_CASE(alpha_stays_where_it_can_and_is_filled_where_it_is_to_be)
{
    const Pixels source = decode(picture("alpha.png"));
    BOOST_TEST(difference(pixels("alpha.png", job_for(Format::png)), source) < 1);
    Job webp = job_for(Format::webp);
    webp.quality.webp_lossless = true;
    BOOST_TEST(pixels("alpha.png", webp).bands == 4U);
    BOOST_TEST(pixels("alpha.png", job_for(Format::avif)).bands == 4U);
    const Pixels white = pixels("alpha.png", job_for(Format::jpeg));
    BOOST_TEST(white.bands == 3U);
    BOOST_TEST(int{white.samples[0]} > 250);
    Job red = job_for(Format::webp);
    red.has_background = true;
    red.background = {255, 0, 0};
    const Pixels on_red = pixels("alpha.png", red);
    BOOST_TEST(on_red.bands == 3U);
    BOOST_TEST(int{on_red.samples[0]} > 240);
    BOOST_TEST(int{on_red.samples[1]} < 15);
    // Without a wish: PNG for what has alpha, JPEG for a photo.
    BOOST_TEST(render("alpha.png", job_for(Format::compatible)).text() == "png 150x113");
    BOOST_TEST(render("srgb.jpg", job_for(Format::compatible)).text() == "jpeg 200x150");
    BOOST_TEST(render("grey16-12bit.tif", job_for(Format::compatible, 100)).text() == "jpeg 100x100");
    BOOST_TEST(render("palette-trns-3x5.png", job_for(Format::webp)).text() == "webp 5x3");
}

BOOST_AUTO_TEST_CASE(what_is_contained_is_padded_transparent_or_in_the_colour_asked_for)
{
    Job job = job_for(Format::png, 100, 100);
    job.fit = image::Fit::contain;
    const Pixels padded = pixels("srgb.jpg", job);
    BOOST_TEST(padded.width == 100U);
    BOOST_TEST(padded.height == 100U);
    BOOST_TEST(padded.bands == 4U);
    BOOST_TEST(int{padded.samples[3]} == 0);
    job.has_background = true;
    job.background = {10, 200, 30};
    const Pixels green = pixels("srgb.jpg", job);
    BOOST_TEST(green.bands == 3U);
    BOOST_TEST(int{green.samples[0]} == 10);
    BOOST_TEST(int{green.samples[1]} == 200);
    job.target = Format::jpeg;
    job.has_background = false;
    job.background = {255, 255, 255};
    BOOST_TEST(int{pixels("srgb.jpg", job).samples[0]} > 250);
    // Grey on colour.
    job.has_background = true;
    job.background = {250, 0, 0};
    const Pixels grey = pixels("float32.tif", job);
    BOOST_TEST(grey.bands == 1U);
    job.height = 50;
    const Pixels wide = pixels("float32.tif", job);
    BOOST_TEST(wide.bands == 3U);
    BOOST_TEST(int{wide.samples[0]} > 230);
    BOOST_TEST(int{wide.samples[1]} < 20);
}

BOOST_AUTO_TEST_CASE(animations_stay_animated_within_the_limits)
{
    const Pixels source = decode(picture("anim.gif"), true);
    BOOST_TEST(source.pages == 24U);
    Job job = job_for(Format::webp);
    job.quality.webp_lossless = true;
    const Answer answer = render("anim.gif", job);
    BOOST_TEST(answer.done()->frames == 24U);
    const Pixels all = decode(answer.file, true);
    BOOST_TEST(all.pages == 24U);
    BOOST_TEST(all.has_field("delay"));
    BOOST_TEST(all.height == 24U * 25);
    Job cut = job_for(Format::webp, 10, 10);
    cut.fit = image::Fit::cover;
    BOOST_TEST(render("anim.gif", cut).text() == "webp 10x10");
    BOOST_TEST(pixels("anim.gif", cut, true).pages == 24U);
    Job few = job;
    few.limits.frames = 23;
    BOOST_TEST(render("anim.gif", few).done()->frames == 1U);
    few = job;
    few.limits.pixels_in = 14 * 25 * 23;
    BOOST_TEST(render("anim.gif", few).done()->frames == 1U);
    BOOST_TEST(render("anim.gif", job_for(Format::jpeg)).done()->frames == 1U);
    Job page = job;
    page.has_page = true;
    page.page = 23;
    BOOST_TEST(render("anim.gif", page).done()->frames == 1U);
    page.page = 24;
    BOOST_TEST(render("anim.gif", page).text() == "no_such_page");
}

BOOST_AUTO_TEST_CASE(each_page_of_a_tiff_can_be_had)
{
    const Job first = job_for(Format::png);
    const Answer answer = render("zstack-8p-grey16.tif", first);
    BOOST_TEST(answer.text() == "png 64x64");
    BOOST_TEST(answer.done()->frames == 1U);
    std::vector<Pixels> pages;
    for (std::uint16_t n = 0; n < 8; ++n) {
        Job job = first;
        job.has_page = true;
        job.page = n;
        pages.push_back(pixels("zstack-8p-grey16.tif", job));
        for (std::uint16_t other = 0; other < n; ++other)
            BOOST_TEST(difference(pages[n], pages[other]) > 0.1, n << " is " << other);
    }
    BOOST_TEST(difference(decode(answer.file), pages[0]) == 0);
    Job none = first;
    none.has_page = true;
    none.page = 8;
    BOOST_TEST(render("zstack-8p-grey16.tif", none).text() == "no_such_page");
}

BOOST_AUTO_TEST_CASE(no_position_leaves_and_the_copyright_only_on_request)
{
    const Pixels source = decode(picture("gps-copyright.jpg"));
    BOOST_REQUIRE(source.has_field("exif-ifd3-GPSLatitude"));
    for (const Format target : {Format::jpeg, Format::webp, Format::avif, Format::png}) {
        const Answer plain = render("gps-copyright.jpg", job_for(target, 100));
        const Pixels stripped = decode(plain.file);
        BOOST_TEST(!stripped.has_field("exif-"));
        BOOST_TEST((plain.file.find("CC-BY-4.0") == std::string::npos));
        if (target == Format::png) continue;
        Job job = job_for(target, 100);
        job.keep_copyright = true;
        const Answer kept = render("gps-copyright.jpg", job);
        const Pixels with = decode(kept.file);
        BOOST_TEST(with.has_field("exif-ifd0-Copyright"));
        BOOST_TEST((kept.file.find("CC-BY-4.0") != std::string::npos));
        BOOST_TEST(!with.has_field("exif-ifd3"));
        BOOST_TEST(!with.has_field("exif-ifd0-Make"));
        BOOST_TEST(!with.has_field("xmp"));
    }
}

BOOST_AUTO_TEST_CASE(the_original_is_the_answer_where_it_is_smaller_and_as_large)
{
    Job job = job_for(Format::jpeg);
    job.prefer_original = true;
    job.quality.jpeg = 100;
    BOOST_TEST(render("srgb.jpg", job).text() == "original");
    job.quality.jpeg = 30;
    BOOST_TEST(render("srgb.jpg", job).text() == "jpeg 200x150");
    job.quality.jpeg = 100;
    job.width = 150;
    BOOST_TEST(render("srgb.jpg", job).text() == "jpeg 150x113");
    // It would tell where it was taken.
    job.width = 0;
    BOOST_TEST(render("gps-copyright.jpg", job).text() == "jpeg 240x180");
    // No browser shows it.
    BOOST_TEST(render("grey16-12bit.tif", job).text() == "jpeg 300x300");
}

BOOST_AUTO_TEST_CASE(jpegs_are_progressive_unless_told_otherwise)
{
    BOOST_TEST(pixels("srgb.jpg", job_for(Format::jpeg)).interlaced);
    Job job = job_for(Format::jpeg);
    job.progressive = false;
    BOOST_TEST(!pixels("srgb.jpg", job).interlaced);
}

BOOST_AUTO_TEST_CASE(bitmaps_are_decoded)
{
    const Pixels cat = pixels("palette.bmp", job_for(Format::png));
    BOOST_TEST(cat.width == 451U);
    BOOST_TEST(cat.height == 300U);
    BOOST_TEST(cat.spread(1) > 100);
}

BOOST_AUTO_TEST_CASE(attention_finds_something_else_than_the_middle)
{
    Job job = job_for(Format::png, 60, 150);
    job.fit = image::Fit::cover;
    const Pixels center = pixels("srgb.jpg", job);
    job.gravity = image::Gravity::attention;
    const Pixels found = pixels("srgb.jpg", job);
    BOOST_TEST(found.width == 60U);
    BOOST_TEST(difference(found, center) > 1);
}

BOOST_AUTO_TEST_SUITE_END()
