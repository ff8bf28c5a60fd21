#include "image/negotiate.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

using namespace edge::image;

namespace {

constexpr Formats kBoth{Format::avif, Format::webp};
constexpr Formats kWebp{Format::webp, Format::none};
constexpr Formats kWebpFirst{Format::webp, Format::avif};
constexpr Formats kOff{Format::none, Format::none};

std::string outcome(std::string_view accept, const Formats& formats = kBoth)
{
    const std::string_view lines[] = {accept};
    return describe(negotiate(lines, formats, std::nullopt));
}

struct Row {
    const char* accept;
    const char* outcome;
};
std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.accept;
}

constexpr Row kRows[] = {
    // Browsers as they are.
    {"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "avif,webp"},
    {"image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "avif,webp"},
    {"image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5", "webp"},
    {"image/webp,*/*", "webp"},
    {"image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5", "original"},
    // Wildcards name no format.
    {"*/*", "original"},
    {"image/*", "original"},
    {"", "original"},
    // Weights (RFC 9110 section 12.5.1).
    {"image/avif;q=0, image/webp", "webp"},
    {"image/avif;q=0.000,image/webp;q=0.0", "original"},
    {"image/avif;q=0.5, image/webp;q=0.9", "webp,avif"},
    {"image/avif;q=0.9, image/webp;q=0.9", "avif,webp"},
    {"image/webp;q=0.5, image/*", "original"},
    {"image/webp;q=0.5, */*", "original"},
    {"image/webp;q=0.5, image/*;q=0.5", "webp"},
    {"image/webp;q=0.5, image/*;q=0.1, */*", "webp"},
    {"image/avif;q=0.001", "avif"},
    // Form.
    {"IMAGE/WEBP", "webp"},
    {" image/webp ; Q=0.7 ", "webp"},
    {"image/webp;level=1;q=0", "original"},
    {"image/webp;q=1.001", "original"},
    {"image/webp;q=2", "original"},
    {"image/webp;q=", "original"},
    {"image/webp;q=0.1234", "original"},
    {"image/webp;q=x", "original"},
    {"image/webpx, ximage/avif, image/avi", "original"},
    {",,, image/webp,,", "webp"},
    {"text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8", "avif,webp"},
};

}

BOOST_AUTO_TEST_SUITE(image_negotiate)

BOOST_DATA_TEST_CASE(accept_decides, boost::unit_test::data::make(kRows))
{
    BOOST_TEST(outcome(sample.accept) == sample.outcome);
}

BOOST_AUTO_TEST_CASE(the_location_says_which_formats_there_are_and_which_comes_first)
{
    BOOST_TEST(outcome("image/avif,image/webp", kWebp) == "webp");
    BOOST_TEST(outcome("image/avif,image/webp", kWebpFirst) == "webp,avif");
    BOOST_TEST(outcome("image/avif,image/webp;q=0.9", kWebpFirst) == "avif,webp");
    BOOST_TEST(outcome("image/avif,image/webp", kOff) == "original");
    BOOST_TEST(!negotiate({}, kOff, std::nullopt).by_accept);
    BOOST_TEST(negotiate({}, kBoth, std::nullopt).by_accept);
}

BOOST_AUTO_TEST_CASE(lines_of_accept_count_together)
{
    const std::string_view lines[] = {"image/avif;q=0.3", "image/webp;q=0.4"};
    BOOST_TEST(describe(negotiate(lines, kBoth, std::nullopt)) == "webp,avif");
}

BOOST_AUTO_TEST_CASE(fm_overrides_accept)
{
    const std::string_view lines[] = {"image/avif"};
    const Outcome jpeg = negotiate(lines, kBoth, Format::jpeg);
    BOOST_TEST(describe(jpeg) == "=jpeg");
    BOOST_TEST(!jpeg.by_accept);
    const Outcome original = negotiate(lines, kBoth, Format::none);
    BOOST_TEST(describe(original) == "=original");
    BOOST_TEST(original.original());
}

BOOST_AUTO_TEST_CASE(a_navigation_is_recognised)
{
    const std::string_view page[] = {"text/html,image/avif,*/*;q=0.8"};
    const std::string_view image[] = {"image/avif,text/html;q=0"};
    BOOST_TEST(negotiate(page, kBoth, std::nullopt).is_page);
    BOOST_TEST(!negotiate(image, kBoth, std::nullopt).is_page);
}

BOOST_AUTO_TEST_CASE(what_may_move_becomes_webp_where_that_is_accepted)
{
    const std::string_view both[] = {"image/avif,image/webp"};
    const std::string_view avif[] = {"image/avif"};
    const Outcome any = negotiate(both, kBoth, std::nullopt);
    BOOST_CHECK(choose_target(any, Format::jpeg) == Format::avif);
    BOOST_CHECK(choose_target(any, Format::gif) == Format::webp);
    BOOST_CHECK(choose_target(any, Format::webp) == Format::webp);
    BOOST_CHECK(choose_target(negotiate(avif, kBoth, std::nullopt), Format::gif) == Format::avif);
    BOOST_CHECK(choose_target(negotiate(both, kBoth, Format::avif), Format::gif) == Format::avif);
    BOOST_CHECK(choose_target(negotiate({}, kBoth, std::nullopt), Format::tiff) == Format::compatible);
}

BOOST_AUTO_TEST_CASE(the_source_goes_out_only_to_those_who_show_it)
{
    const std::string_view webp[] = {"image/webp"};
    const Outcome outcome = negotiate(webp, kBoth, std::nullopt);
    BOOST_TEST(may_send_source(outcome, Format::jpeg));
    BOOST_TEST(may_send_source(outcome, Format::webp));
    BOOST_TEST(!may_send_source(outcome, Format::avif));
    BOOST_TEST(!may_send_source(outcome, Format::tiff));
    BOOST_TEST(!may_send_source(outcome, Format::none));
    BOOST_TEST(!may_send_source(negotiate({}, kBoth, Format::png), Format::jpeg));
    BOOST_TEST(may_send_source(negotiate({}, kBoth, Format::png), Format::png));
}

BOOST_AUTO_TEST_CASE(formats_are_known_by_their_first_bytes)
{
    using namespace std::string_view_literals;
    BOOST_CHECK(sniff("\xff\xd8\xff\xe0 and more"sv) == Format::jpeg);
    BOOST_CHECK(sniff("\x89PNG\r\n\x1a\n"sv) == Format::png);
    BOOST_CHECK(sniff("GIF89a"sv) == Format::gif);
    BOOST_CHECK(sniff("II*\0"sv) == Format::tiff);
    BOOST_CHECK(sniff("MM\0*"sv) == Format::tiff);
    BOOST_CHECK(sniff("RIFF\0\0\0\0WEBPVP8 "sv) == Format::webp);
    BOOST_CHECK(sniff("\0\0\0\x1c"
                      "ftypavif"sv) == Format::avif);
    BOOST_CHECK(sniff("BM0123456789abcdef"sv) == Format::bmp);
    for (const std::string_view other :
         {""sv, "B"sv, "BMW"sv, "<svg"sv, "RIFF\0\0\0\0WAVE"sv, "\xff\xd8"sv, "%PDF-1.4 and so on"sv})
        BOOST_CHECK(sniff(other) == Format::none);
}

BOOST_AUTO_TEST_SUITE_END()
