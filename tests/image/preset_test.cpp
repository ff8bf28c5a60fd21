#include "image/preset.hpp"

#include <boost/test/unit_test.hpp>

using namespace edge::image;

namespace {

using Words = std::vector<std::string_view>;

std::string preset_error(std::string_view name, const Words& words)
{
    return std::get<std::string>(parse_preset(name, words));
}

}

BOOST_AUTO_TEST_SUITE(image_preset)

BOOST_AUTO_TEST_CASE(four_sizes_and_three_qualities_come_ready)
{
    const Presets presets;
    BOOST_TEST(presets.names() == "lg, md, sm, xl");
    BOOST_TEST(presets.quality_names() == "balanced, scientific, thumbnail");
    BOOST_TEST(presets.find("xl")->width == 1200U);
    BOOST_TEST(presets.find("xl")->height == 1200U);
    BOOST_CHECK(presets.find("xl")->fit == Fit::cover);
    BOOST_TEST(presets.find("xs") == nullptr);
    BOOST_TEST(presets.quality("scientific")->jpeg == 95);
    BOOST_TEST(presets.quality("balanced")->jpeg == 85);
    BOOST_TEST(presets.quality("thumbnail")->jpeg == 80);
}

BOOST_AUTO_TEST_CASE(qualities_of_the_formats_rise_together)
{
    for (int jpeg = 2; jpeg <= 100; ++jpeg) {
        const Quality low = quality_like_jpeg(static_cast<std::uint8_t>(jpeg - 1));
        const Quality high = quality_like_jpeg(static_cast<std::uint8_t>(jpeg));
        BOOST_TEST(high.jpeg == jpeg);
        BOOST_TEST(high.webp >= low.webp);
        BOOST_TEST(high.avif >= low.avif);
    }
    BOOST_TEST(quality_like_jpeg(1).avif == 1);
    BOOST_TEST(quality_like_jpeg(100).avif == 100);
    BOOST_TEST(quality_like_jpeg(80).webp == 84);
    BOOST_TEST(quality_like_jpeg(80).avif == 57);
}

BOOST_AUTO_TEST_CASE(a_preset_is_a_size_a_fit_a_gravity_and_a_quality_in_any_order)
{
    const Presets presets;
    const auto preset =
        std::get<Preset>(parse_preset("hero", Words{"scientific", "cover", "1600x900", "attention"}));
    BOOST_TEST(preset.name == "hero");
    BOOST_TEST(preset.width == 1600U);
    BOOST_TEST(preset.height == 900U);
    BOOST_CHECK(preset.fit == Fit::cover);
    BOOST_CHECK(preset.gravity == Gravity::attention);
    BOOST_TEST(preset.quality == "scientific");
    BOOST_TEST(std::get<Preset>(parse_preset("a", Words{"300x"})).height == 0U);
    BOOST_TEST(std::get<Preset>(parse_preset("a", Words{"x200"})).height == 200U);
}

BOOST_AUTO_TEST_CASE(a_later_one_replaces_an_earlier_one_of_its_name)
{
    Presets presets;
    presets.add(std::get<Preset>(parse_preset("sm", Words{"200x200"})));
    BOOST_TEST(presets.find("sm")->width == 200U);
    BOOST_TEST(presets.names() == "lg, md, sm, xl");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_preset_is_said)
{
    BOOST_TEST(preset_error("a b", {"1x1"}).starts_with("the name \"a b\""));
    BOOST_TEST(preset_error("a", {"1x1", "2x2"}) == "\"2x2\" says a second time what was said");
    BOOST_TEST(preset_error("a", {"cover"}).starts_with("expected a size"));
    for (const std::string_view word : {"0x1", "1X1", "99999x1", "1x1x1", "a/b"})
        BOOST_TEST(preset_error("a", {word}).starts_with("unexpected \""), word);
}

BOOST_AUTO_TEST_CASE(a_quality_follows_from_jpeg_where_nothing_else_is_said)
{
    const auto quality =
        std::get<NamedQuality>(parse_quality("print", Words{"avif=70", "jpeg=80", "webp_effort=6"}));
    BOOST_TEST(quality.quality.jpeg == 80);
    BOOST_TEST(quality.quality.webp == 84);
    BOOST_TEST(quality.quality.avif == 70);
    BOOST_TEST(quality.quality.webp_effort == 6);
    for (const std::string_view word : {"jpeg=0", "jpeg=101", "avif_effort=10", "gif=1", "80"})
        BOOST_TEST(std::holds_alternative<std::string>(parse_quality("a", Words{word})), word);
    BOOST_TEST(std::holds_alternative<std::string>(parse_quality("a", Words{"webp=3"})));
    BOOST_TEST(std::holds_alternative<std::string>(parse_quality("a", Words{"jpeg=3", "jpeg=4"})));
}

BOOST_AUTO_TEST_CASE(the_effort_of_avif_follows_from_the_size_unless_it_is_said)
{
    const Quality usual = quality_like_jpeg(80);
    BOOST_TEST(avif_effort(usual, 1200 * 900) == 3);
    BOOST_TEST(avif_effort(usual, 2'000'000) == 3);
    BOOST_TEST(avif_effort(usual, 2'000'001) == 1);
    const auto said = std::get<NamedQuality>(parse_quality("slow", Words{"jpeg=80", "avif_effort=6"}));
    BOOST_TEST(avif_effort(said.quality, 100) == 6);
    BOOST_TEST(avif_effort(said.quality, 20'000'000) == 6);
}

BOOST_AUTO_TEST_SUITE_END()
