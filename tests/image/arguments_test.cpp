#include "image/arguments.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

using namespace edge::image;

namespace {

const ArgumentRules kPlain;
const ArgumentRules kPrefixed{.prefix = "e_", .widths = {}};
const ArgumentRules kWidths{.prefix = "", .widths = {320, 640}};

Arguments good(std::string_view query, const ArgumentRules& rules = kPlain)
{
    const auto parsed = parse_arguments(query, rules);
    const auto* wrong = std::get_if<std::string>(&parsed);
    BOOST_REQUIRE_MESSAGE(wrong == nullptr, query << ": " << (wrong != nullptr ? *wrong : ""));
    return std::get<Arguments>(parsed);
}

struct Bad {
    const char* query;
    const char* reason;
};
std::ostream& operator<<(std::ostream& out, const Bad& bad)
{
    return out << bad.query;
}

constexpr Bad kBad[] = {
    {"w=0", "w: expected 1 to 16384"},
    {"w=", "w: expected 1 to 16384"},
    {"w", "w: expected 1 to 16384"},
    {"w=16385", "w: expected 1 to 16384"},
    {"w=0300", "w: expected 1 to 16384"},
    {"w=+300", "w: expected 1 to 16384"},
    {"w=3e2", "w: expected 1 to 16384"},
    {"w=99999999999999999999", "w: expected 1 to 16384"},
    {"w=%33", "w: expected 1 to 16384"},
    {"h=-1", "h: expected 1 to 16384"},
    {"w=1&w=1", "w: given twice"},
    {"a=1&q=0", "q: expected 1 to 100"},
    {"q=101", "q: expected 1 to 100"},
    {"dpr=0.2", "dpr: expected 0.25 to 4 with at most two decimals"},
    {"dpr=4.01", "dpr: expected 0.25 to 4 with at most two decimals"},
    {"dpr=1.", "dpr: expected 0.25 to 4 with at most two decimals"},
    {"dpr=.5", "dpr: expected 0.25 to 4 with at most two decimals"},
    {"dpr=1.555", "dpr: expected 0.25 to 4 with at most two decimals"},
    {"dpr=1.x", "dpr: expected 0.25 to 4 with at most two decimals"},
    {"fit=Cover", "fit: expected inside, cover, contain, outside or fill"},
    {"fm=gif", "fm: expected avif, webp, jpeg, png or original"},
    {"page=-1", "page: expected 0 to 9999"},
    {"bg=ff", "bg: expected three or six hexadecimal digits"},
    {"bg=%23ffffff", "bg: expected three or six hexadecimal digits"},
    {"bg=ggg", "bg: expected three or six hexadecimal digits"},
    {"preset=", "preset: expected the name of a preset"},
    {"preset=a/b", "preset: expected the name of a preset"},
    {"sig=", "sig: expected a signature"},
    {"exp=soon", "exp: expected seconds since 1970"},
};

}

BOOST_AUTO_TEST_SUITE(image_arguments)

BOOST_AUTO_TEST_CASE(every_argument_is_read)
{
    const Arguments a =
        good("w=300&h=200&dpr=1.5&fit=cover&gravity=northwest&q=70&fm=jpg&page=3&bg=f0A&exp=17&sig=ab");
    BOOST_TEST(a.any);
    BOOST_TEST(a.changes());
    BOOST_TEST(a.width.value() == 300U);
    BOOST_TEST(a.height.value() == 200U);
    BOOST_TEST(a.dpr.value() == 150U);
    BOOST_CHECK(a.fit == Fit::cover);
    BOOST_CHECK(a.gravity == Gravity::northwest);
    BOOST_TEST(a.quality.value() == 70);
    BOOST_CHECK(a.format == Format::jpeg);
    BOOST_TEST(a.page.value() == 3);
    BOOST_CHECK((a.background == std::array<std::uint8_t, 3>{0xff, 0x00, 0xaa}));
    BOOST_TEST(a.expires.value() == 17U);
    BOOST_TEST(a.signature == "ab");
}

BOOST_AUTO_TEST_CASE(six_digits_of_colour_and_decimals_of_dpr)
{
    BOOST_CHECK((good("bg=0102fe").background == std::array<std::uint8_t, 3>{1, 2, 0xfe}));
    BOOST_TEST(good("dpr=0.25").dpr.value() == 25);
    BOOST_TEST(good("dpr=2.5").dpr.value() == 250);
    BOOST_TEST(good("dpr=4").dpr.value() == 400);
}

BOOST_AUTO_TEST_CASE(a_query_without_ours_is_never_refused)
{
    for (const char* query : {"", "&", "width=9999999&W=0", "v=1&&=x", "e_w=0", "?", "w300"}) {
        BOOST_TEST(!good(query).any);
        BOOST_TEST(!good(query).changes());
    }
    BOOST_TEST(!good("w=oops&page=two&q=search+words", kPrefixed).any);
}

BOOST_AUTO_TEST_CASE(a_prefix_stands_before_every_name)
{
    const Arguments a = good("w=oops&e_w=300&e_preset=sm", kPrefixed);
    BOOST_TEST(a.width.value() == 300U);
    BOOST_TEST(a.preset == "sm");
    const auto bad = parse_arguments("e_h=x", kPrefixed);
    BOOST_TEST(std::get<std::string>(bad) == "e_h: expected 1 to 16384");
}

BOOST_DATA_TEST_CASE(a_bad_value_is_refused_with_its_reason, boost::unit_test::data::make(kBad))
{
    const auto parsed = parse_arguments(sample.query, kPlain);
    BOOST_REQUIRE(std::holds_alternative<std::string>(parsed));
    BOOST_TEST(std::get<std::string>(parsed) == sample.reason);
}

BOOST_AUTO_TEST_CASE(the_origin_sees_the_other_arguments_only)
{
    BOOST_TEST(strip_arguments("w=3&v=1&preset=sm", kPlain) == "v=1");
    BOOST_TEST(strip_arguments("v=1&w=3", kPlain) == "v=1");
    BOOST_TEST(strip_arguments("b=2&&a=1&h=1&c", kPlain) == "b=2&&a=1&c");
    BOOST_TEST(strip_arguments("w=3", kPlain) == "");
    BOOST_TEST(strip_arguments("b=2&&a=1&", kPlain) == "b=2&&a=1&");
    BOOST_TEST(strip_arguments("", kPlain) == "");
    BOOST_TEST(strip_arguments("w=3&e_w=4", kPrefixed) == "w=3");
    BOOST_TEST(strip_signature("w=3&sig=0&exp=4&v=1", kPlain) == "w=3&exp=4&v=1");
    BOOST_TEST(strip_signature("w=3", kPlain) == "w=3");
}

BOOST_AUTO_TEST_CASE(without_a_signature_presets_and_listed_sizes_only)
{
    for (const char* query : {"preset=sm", "preset=sm&page=3&fm=webp&dpr=2", "w=320",
                              "w=320&h=640&fit=cover&gravity=north", "preset=sm&w=640", "dpr=3"}) {
        BOOST_TEST(refuse_unsigned(good(query, kWidths), kWidths) == "", query);
    }
    BOOST_TEST(refuse_unsigned(good("w=321"), kWidths) == "w: this size needs a signature or a preset");
    BOOST_TEST(refuse_unsigned(good("h=1"), kWidths) == "h: this size needs a signature or a preset");
    BOOST_TEST(refuse_unsigned(good("preset=sm&q=1"), kWidths) == "q: needs a signature");
    BOOST_TEST(refuse_unsigned(good("preset=sm&bg=fff"), kWidths) == "bg: needs a signature");
    BOOST_TEST(refuse_unsigned(good("preset=sm&dpr=1.01"), kWidths) ==
               "dpr: other than 1, 2 or 3 needs a signature");
    BOOST_TEST(refuse_unsigned(good("e_w=5", kPrefixed), kPrefixed) ==
               "e_w: this size needs a signature or a preset");
}

BOOST_AUTO_TEST_CASE(a_preset_fills_the_job_and_arguments_override_it)
{
    const Presets presets;
    const Quality usual = quality_like_jpeg(85);
    const auto job = [&](std::string_view query) {
        return std::get<Job>(make_job(good(query), presets, usual));
    };
    const Job sm = job("preset=sm");
    BOOST_TEST(sm.width == 150U);
    BOOST_TEST(sm.height == 150U);
    BOOST_CHECK(sm.fit == Fit::cover);
    BOOST_TEST(sm.quality.jpeg == 80);
    BOOST_TEST(job("w=10").quality.jpeg == 85);
    BOOST_CHECK(job("w=10").fit == Fit::inside);
    const Job other = job("preset=lg&h=100&fit=contain&gravity=east&q=50&dpr=2&page=4&bg=123456");
    BOOST_TEST(other.width == 600U);
    BOOST_TEST(other.height == 100U);
    BOOST_CHECK(other.fit == Fit::contain);
    BOOST_CHECK(other.gravity == Gravity::east);
    BOOST_TEST(other.quality.jpeg == 50);
    BOOST_TEST(other.dpr == 200);
    BOOST_TEST(other.page == 4);
    BOOST_TEST(other.has_page);
    BOOST_TEST(other.has_background);
    BOOST_TEST(other.background[1] == 0x34);
    BOOST_TEST(std::get<std::string>(make_job(good("preset=huge"), presets, usual)) ==
               "preset: expected one of lg, md, sm, xl");
}

BOOST_AUTO_TEST_CASE(what_is_asked_for_in_two_ways_is_one_and_what_differs_is_two)
{
    const Presets presets;
    const auto text = [&](std::string_view query) {
        return describe(std::get<Job>(make_job(good(query), presets, quality_like_jpeg(80))));
    };
    BOOST_TEST(text("h=300&w=300&fit=cover") == text("preset=md"));
    BOOST_TEST(text("w=300&dpr=1&gravity=center") == text("dpr=1.0&w=300"));
    const char* all[] = {"",       "w=3",    "h=3",    "w=33",      "dpr=2",         "fit=fill",
                         "page=0", "page=1", "bg=000", "bg=000001", "gravity=south", "q=79"};
    for (const char* a : all) {
        for (const char* b : all) BOOST_TEST((a == b) == (text(a) == text(b)), a << " against " << b);
    }
}

BOOST_AUTO_TEST_SUITE_END()
