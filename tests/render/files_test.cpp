#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "render/bmp.hpp"
#include "render/levels.hpp"
#include "render/sniff.hpp"
#include "render/webp_container.hpp"

using namespace edge::render;
using namespace std::string_literals;
using edge::image::Format;

namespace {

std::span<const std::byte> bytes_of(const std::string& text)
{
    return std::as_bytes(std::span{text});
}

std::string u32(std::uint32_t value)
{
    std::string text;
    for (int i = 0; i < 4; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
}

std::string chunk(const std::string& name, const std::string& data)
{
    return name + u32(static_cast<std::uint32_t>(data.size())) + data + (data.size() % 2 == 1 ? "\0"s : "");
}

std::string webp(const std::string& chunks)
{
    return "RIFF" + u32(static_cast<std::uint32_t>(chunks.size() + 4)) + "WEBP" + chunks;
}

std::string stripped(std::string file)
{
    file.resize(strip_webp(std::as_writable_bytes(std::span{file})));
    return file;
}

// BITMAPINFOHEADER and what follows it.
std::string bmp(std::int32_t width, std::int32_t height, unsigned bits, unsigned compression,
                unsigned colours, const std::string& palette, const std::string& pixels)
{
    const std::string header = u32(40) + u32(static_cast<std::uint32_t>(width)) +
                               u32(static_cast<std::uint32_t>(height)) + u32(1 | bits << 16) +
                               u32(compression) + u32(0) + u32(0) + u32(0) + u32(colours) + u32(0) + palette;
    return "BM" + u32(0) + u32(0) + u32(static_cast<std::uint32_t>(14 + header.size())) + header + pixels;
}

// The samples as letters; "!" and a number for what is refused.
std::string decoded(const std::string& file)
{
    const auto info = read_bmp_info(bytes_of(file));
    if (const auto* error = std::get_if<BmpError>(&info))
        return "!" + std::to_string(static_cast<int>(*error));
    const auto pixels = decode_bmp(bytes_of(file), std::get<BmpInfo>(info));
    return std::string{pixels.samples.begin(), pixels.samples.end()} + (pixels.complete ? "" : "…");
}

// Colours 0 and up: "abc", "def", …, stored blue first.
const std::string kPalette = "cba\0fed\0ihg\0lkj\0"s;

}

BOOST_AUTO_TEST_SUITE(render_files)

BOOST_AUTO_TEST_CASE(a_source_is_what_its_bytes_say)
{
    const auto format = [](const std::string& text) { return sniff(bytes_of(text)).format; };
    const auto known = [](const std::string& text) { return sniff(bytes_of(text)).known; };
    BOOST_TEST((format("\xff\xd8\xff\xe0") == Format::jpeg));
    BOOST_TEST((format("\x89PNG\r\n\x1a\n") == Format::png));
    BOOST_TEST((format("GIF89a") == Format::gif));
    BOOST_TEST((format("RIFF....WEBPVP8 ") == Format::webp));
    BOOST_TEST((format("II*\0"s) == Format::tiff));
    BOOST_TEST((format("MM\0*"s) == Format::tiff));
    BOOST_TEST((format("BM") == Format::bmp));
    BOOST_TEST((format("\0\0\0\x1c"
                       "ftypavif\0\0\0\0mif1"s) == Format::avif));
    BOOST_TEST((format("\0\0\0\x1c"
                       "ftypmif1\0\0\0\0avif"s) == Format::avif));
    BOOST_TEST((format("\0\0\0\x18"
                       "ftypheic\0\0\0\0mif1"s) == Format::heic));
    BOOST_TEST((format("\0\0\0\x18"
                       "ftypisom\0\0\0\0mp42"s) == Format::none));
    // A brand behind the box is none.
    BOOST_TEST((format("\0\0\0\x10"
                       "ftypisom\0\0\0\0avif"s) == Format::none));
    for (const auto& other :
         {"%PDF-1.4"s, "<svg xmlns='x'>"s, "\xef\xbb\xbf <?xml?><svg>"s, "%!PS"s, "\x1f\x8b"s}) {
        BOOST_TEST((format(other) == Format::none));
        BOOST_TEST(known(other));
    }
    for (const auto& other : {""s, "x"s, "hello <svg"s, "<html>"s,
                              "\x7f"
                              "ELF"s})
        BOOST_TEST(!known(other));
}

BOOST_AUTO_TEST_CASE(scans_are_counted_up_to_a_bound)
{
    std::string file = "\xff\xd8";
    for (int n = 0; n < 300; ++n) file += "\xff\xda..\xff";
    BOOST_TEST(count_jpeg_scans(bytes_of(file), 1000) == 300U);
    BOOST_TEST(count_jpeg_scans(bytes_of(file), 101) == 101U);
    BOOST_TEST(count_jpeg_scans(bytes_of("\xff\xda"s), 9) == 1U);
    BOOST_TEST(count_jpeg_scans(bytes_of("\xff"s), 9) == 0U);
    BOOST_TEST(count_jpeg_scans({}, 9) == 0U);
}

BOOST_AUTO_TEST_CASE(a_gif_is_whole_when_its_last_block_is)
{
    const std::string header =
        "GIF89a"
        "\1\0\1\0\x80\0\0"
        "rgbrgb"s;
    const std::string extension = "\x21\xf9\4....\0"s;
    const std::string image = ",........\0\2\1x\3xyz\0"s;
    const auto whole = [](const std::string& file) { return is_whole_gif(bytes_of(file)); };
    BOOST_TEST(whole(header + extension + image + ";"));
    BOOST_TEST(whole(header + image + image));
    BOOST_TEST(whole(header + image + ";trailing"));
    const std::string all = header + image;
    for (std::size_t n = 0; n < all.size(); ++n) {
        if (n == header.size()) continue;
        BOOST_TEST(!whole(all.substr(0, n)), "cut to " << n);
    }
}

BOOST_AUTO_TEST_CASE(the_header_of_a_png_is_what_its_checksum_says)
{
    // One pixel of 8 bits with alpha, as any encoder begins it.
    const std::string header = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\6\0\0\0\x1f\x15\xc4\x89"s;
    const auto sound = [](const std::string& file) { return is_sound_png_header(bytes_of(file)); };
    BOOST_TEST(sound(header));
    BOOST_TEST(sound(header + "and more"));
    for (std::size_t at = 12; at < header.size(); ++at) {
        std::string changed = header;
        changed[at] = static_cast<char>(changed[at] ^ 4);
        BOOST_TEST(!sound(changed), "changed at " << at);
        BOOST_TEST(sound(changed.substr(0, header.size() - 1)),
                   "changed at " << at << ", and without an end");
    }
}

BOOST_AUTO_TEST_CASE(metadata_leaves_a_webp_and_the_header_with_it)
{
    const std::string pixels = chunk("VP8 ", "12345");
    const auto extended = [](char flags) { return chunk("VP8X", flags + "........."s); };
    BOOST_TEST(stripped(webp(extended(0x0c) + pixels + chunk("EXIF", "abc") + chunk("XMP ", "xy"))) ==
               webp(pixels));
    BOOST_TEST(stripped(webp(extended(0x18) + chunk("ALPH", "1") + pixels + chunk("EXIF", "abc"))) ==
               webp(extended(0x10) + chunk("ALPH", "1") + pixels));
    BOOST_TEST(stripped(webp(pixels)) == webp(pixels));
    const std::string cut = webp(extended(8) + pixels + chunk("EXIF", "abc")).substr(0, 50);
    BOOST_TEST(stripped(cut) == cut);
    BOOST_TEST(stripped("RIFF") == "RIFF");
}

BOOST_AUTO_TEST_CASE(bitmaps_of_all_kinds)
{
    // Bottom row first; rows of four bytes.
    BOOST_TEST(decoded(bmp(1, 2, 24, 0, 0, "", "cba\0fed\0"s)) == "defabc");
    BOOST_TEST(decoded(bmp(1, -2, 24, 0, 0, "", "cba\0fed\0"s)) == "abcdef");
    BOOST_TEST(decoded(bmp(1, 1, 32, 0, 0, "", "cbax")) == "abc");
    BOOST_TEST(decoded(bmp(3, 1, 8, 0, 4, kPalette, "\0\2\3\0"s)) == "abcghijkl");
    BOOST_TEST(decoded(bmp(3, 1, 4, 0, 4, kPalette, "\x02\x30\0\0"s)) == "abcghijkl");
    BOOST_TEST(decoded(bmp(3, 1, 1, 0, 2, kPalette.substr(0, 8), "\x40\0\0\0"s)) == "abcdefabc");
    // 5 bits each: white, and the darkest blue above black.
    BOOST_TEST(decoded(bmp(2, 1, 16, 0, 0, "", "\xff\x7f\x01\0"s)) == "\xff\xff\xff\0\0\x08"s);
    // Masks of 5, 6 and 5 bits.
    BOOST_TEST(decoded(bmp(1, 1, 16, 3, 0, u32(0xf800) + u32(0x7e0) + u32(0x1f), "\xe0\x07\0\0"s)) ==
               "\0\xff\0"s);
    // An alpha mask.
    BOOST_TEST(decoded(bmp(1, 1, 32, 6, 0, u32(0xff0000) + u32(0xff00) + u32(0xff) + u32(0xff000000),
                           "cbax")) == "abcx");
    // An index that the palette does not have is black.
    BOOST_TEST(decoded(bmp(1, 1, 8, 0, 4, kPalette, "\x09\0\0\0"s)) == "\0\0\0"s);
}

BOOST_AUTO_TEST_CASE(run_lengths_stay_within_the_picture)
{
    const auto rle8 = [](int width, int height, const std::string& data) {
        return decoded(bmp(width, height, 8, 1, 4, kPalette, data));
    };
    BOOST_TEST(rle8(3, 1, "\3\1\0\1"s) == "defdefdef");
    BOOST_TEST(rle8(3, 1, "\0\3\0\1\2\0\0\1"s) == "abcdefghi");
    BOOST_TEST(rle8(2, 2, "\1\1\0\0\1\2\0\1"s) == "ghiabcdefabc");
    BOOST_TEST(rle8(2, 2, "\0\2\1\1\1\1\0\1"s) == "abcdefabcabc");
    // Longer than the row, further than the picture, and without an end.
    BOOST_TEST(rle8(2, 1, "\xff\1\0\1"s) == "defdef");
    BOOST_TEST(rle8(2, 1, "\0\2\xff\xff\5\1\0\1"s) == "abcabc");
    BOOST_TEST(rle8(2, 1, "\1\1"s) == "defabc…");
    BOOST_TEST(rle8(2, 1, "\0\7\1"s).ends_with("…"));
    BOOST_TEST(decoded(bmp(3, 1, 4, 2, 4, kPalette, "\3\x12\0\1"s)) == "defghidef");
}

BOOST_AUTO_TEST_CASE(bitmaps_that_lie_are_refused)
{
    BOOST_TEST(decoded("") == "!0");
    BOOST_TEST(decoded("BM") == "!3");
    BOOST_TEST(decoded(bmp(0, 1, 24, 0, 0, "", "")) == "!2");
    BOOST_TEST(decoded(bmp(-1, 1, 24, 0, 0, "", "")) == "!2");
    BOOST_TEST(decoded(bmp(1, INT32_MIN, 24, 0, 0, "", "")) == "!2");
    BOOST_TEST(decoded(bmp(1, 1, 7, 0, 0, "", "")) == "!2");
    BOOST_TEST(decoded(bmp(1, -1, 8, 1, 0, kPalette, "")) == "!2");
    BOOST_TEST(decoded(bmp(1, 1, 24, 4, 0, "", "")) == "!1");
    // Masks that overlap, and one with a hole.
    BOOST_TEST(decoded(bmp(1, 1, 32, 3, 0, u32(0xff) + u32(0xff) + u32(0xff00), "cbax")) == "!2");
    BOOST_TEST(decoded(bmp(1, 1, 32, 3, 0, u32(5) + u32(0xff00) + u32(0xff0000), "cbax")) == "!2");
    BOOST_TEST(decoded(bmp(1, 2, 24, 0, 0, "", "cba\0fe"s)) == "\0\0\0abc…"s);
}

BOOST_AUTO_TEST_CASE(levels_come_from_nearly_all_of_the_data)
{
    std::vector<std::uint16_t> twelve;
    for (int n = 0; n < 40960; ++n) twelve.push_back(static_cast<std::uint16_t>(n % 4096));
    // Hot pixels of a camera.
    for (int n = 0; n < 10; ++n) twelve.push_back(65535);
    const Levels found = levels_of(std::span<const std::uint16_t>{twelve}, true);
    BOOST_TEST(found.low <= 10);
    BOOST_TEST(found.high >= 4085);
    BOOST_TEST(found.high <= 4096);
    for (auto& sample : twelve) sample = static_cast<std::uint16_t>(sample * 16);
    BOOST_TEST(levels_of(std::span<const std::uint16_t>{twelve}, true).high == 65535);
    BOOST_TEST(levels_of(std::span<const std::uint16_t>{twelve}, true).low == 0);
    BOOST_TEST(levels_of(std::span<const std::uint16_t>{twelve}, false).high < 65535);
    const std::vector<std::uint16_t> flat(100, 7);
    BOOST_TEST(levels_of(std::span<const std::uint16_t>{flat}, false).high == 65535);
    BOOST_TEST(levels_of(std::span<const std::uint16_t>{}, false).high == 65535);
}

BOOST_AUTO_TEST_CASE(levels_of_floats_do_not_mind_what_is_not_a_number)
{
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float infinite = std::numeric_limits<float>::infinity();
    std::vector<float> values;
    for (int n = 0; n < 10000; ++n) values.push_back(-1 + 2 * static_cast<float>(n) / 10000);
    values.insert(values.end(), {nan, infinite, -infinite});
    // Far away from all others.
    values.push_back(1e30F);
    const Levels found = levels_of(values);
    BOOST_TEST(std::abs(found.low - -1) < 0.02);
    BOOST_TEST(found.high > found.low);
    BOOST_TEST(std::isfinite(found.high));
    replace_not_finite(values, 5);
    BOOST_TEST(values[10000] == 5);
    BOOST_TEST(values[10002] == 5);
    for (const std::vector<float>& odd :
         {std::vector<float>{}, {nan}, {0}, {1, 1}, {-5}, {3.4e38F, -3.4e38F}, {1e38F}, {3.4e38F}}) {
        const Levels levels = levels_of(odd);
        BOOST_TEST(levels.high > levels.low);
        BOOST_TEST(std::isfinite(levels.low));
    }
}

BOOST_AUTO_TEST_SUITE_END()
