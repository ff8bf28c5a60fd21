#include "websocket/utf8.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace edge::websocket {

namespace {

// Byte by byte: how many were taken before it failed; all of them and one more if it is only incomplete.
std::size_t taken(std::string_view text)
{
    Utf8 utf8;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (!utf8.feed(as_bytes(text.substr(i, 1)))) return i;
    return utf8.complete() ? text.size() : text.size() + 1;
}

// A decoder written from the other end: code points to bytes.
std::string encode(std::uint32_t c)
{
    const auto rest = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), rest(0)};
    if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), rest(6), rest(0)};
    return {static_cast<char>(0xF0 | c >> 18), rest(12), rest(6), rest(0)};
}

}

BOOST_AUTO_TEST_SUITE(websocket_utf8)

BOOST_AUTO_TEST_CASE(every_code_point_is_valid_but_surrogates_and_what_lies_above_10ffff)
{
    std::size_t wrong = 0;
    for (std::uint32_t c = 0; c < 0x120000; ++c) {
        const bool valid = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        if (is_utf8(as_bytes(encode(c))) != valid) ++wrong;
    }
    BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(invalid_text_fails_at_the_first_byte_that_nothing_can_mend)
{
    using namespace std::string_literals;
    struct Row {
        std::string text;
        std::size_t taken;
    };
    const std::vector<Row> rows{
        {"\x80", 0},
        {"a\xBF", 1},
        {"\xC0\xAF", 0},          // overlong
        {"\xC1\xBF", 0},          // overlong
        {"\xE0\x9F\xBF", 1},      // overlong
        {"\xED\xA0\x80", 1},      // surrogate
        {"\xF0\x8F\xBF\xBF", 1},  // overlong
        {"\xF4\x90\x80\x80", 1},  // above U+10FFFF
        {"\xF5\x80\x80\x80", 0},
        {"\xFE", 0},
        {"\xFF", 0},
        {"\xC3(", 1},
        {"\xE2\x82(", 2},
        {"\xF0\x9F\x98(", 3},
        {"12345678\xC3\xA4"
         "12345678\xFF",
         18},
        {"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80", 12},  // Autobahn 6.4.1
    };
    for (const Row& row : rows) {
        BOOST_TEST(taken(row.text) == row.taken);
        Utf8 utf8;
        BOOST_TEST(!utf8.feed(as_bytes(row.text)));
        BOOST_TEST(!utf8.feed(as_bytes("a")));  // it stays so
        utf8.reset();
        BOOST_TEST(utf8.feed(as_bytes("a")));
    }
}

BOOST_AUTO_TEST_CASE(text_that_ends_within_a_character_is_incomplete_not_invalid)
{
    for (const std::string_view text : {"\xC3", "\xE2\x82", "\xF0\x9F\x98", "ab\xF4"}) {
        BOOST_TEST(taken(text) == text.size() + 1);
        BOOST_TEST(!is_utf8(as_bytes(text)));
    }
    BOOST_TEST(is_utf8({}));
}

BOOST_AUTO_TEST_CASE(the_verdict_does_not_depend_on_where_the_text_is_cut)
{
    const std::string good =
        "plain ascii of some length, h\xC3\xA4lt \xE2\x82\xAC und \xF0\x9F\x98\x80, mehr ascii danach";
    for (std::size_t bad = 0; bad <= good.size(); ++bad) {
        std::string text = good;
        if (bad < good.size()) text[bad] = '\xFF';
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            Utf8 utf8;
            const bool first = utf8.feed(as_bytes(text).first(cut));
            const bool all = utf8.feed(as_bytes(text).subspan(cut)) && utf8.complete();
            if (first != (cut <= bad) || all != (bad == good.size()))
                BOOST_ERROR("bad byte at " << bad << ", cut at " << cut);
        }
    }
    BOOST_TEST(is_utf8(as_bytes(good)));
}

BOOST_AUTO_TEST_SUITE_END()

}
