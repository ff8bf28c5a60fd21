#include "encode/encoder.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <random>
#include <vector>

#include "encode/decode.hpp"

using namespace edge::encode;

namespace edge::http {

static std::ostream& operator<<(std::ostream& out, Coding coding)
{
    return out << coding_name(coding);
}

}

namespace {

constexpr Coding kAll[] = {Coding::br, Coding::gzip, Coding::zstd};

bool always() noexcept
{
    return true;
}

std::string json(std::size_t size)
{
    std::string text;
    std::mt19937 random{1};
    while (text.size() < size) {
        text.append("{\"id\":")
            .append(std::to_string(random() % 100000))
            .append(",\"name\":\"Spheroid ")
            .append(std::to_string(random() % 1000))
            .append("\"},");
    }
    text.resize(size);
    return text;
}

std::string noise(std::size_t size)
{
    std::string text(size, '\0');
    std::mt19937 random{2};
    for (char& c : text) c = static_cast<char>(random());
    return text;
}

/// `text` in pieces of up to `longest` bytes.
std::vector<std::span<const std::byte>> pieces(const std::string& text, std::size_t longest)
{
    std::vector<std::span<const std::byte>> list;
    for (std::size_t at = 0; at < text.size(); at += longest) {
        list.emplace_back(reinterpret_cast<const std::byte*>(text.data()) + at,
                          std::min(longest, text.size() - at));
    }
    return list;
}

Outcome run(Coding coding, int level, const std::string& text, std::size_t piece, std::uint64_t limit,
            Blocks& out, bool (*go_on)() noexcept = always)
{
    const auto body = pieces(text, piece);
    return encode(
        {.coding = coding, .level = level, .body = body, .size = text.size(), .limit = limit, .go_on = go_on},
        out);
}

}

BOOST_AUTO_TEST_SUITE(encoder)

BOOST_DATA_TEST_CASE(what_was_encoded_decodes_to_the_same, boost::unit_test::data::make(kAll), coding)
{
    const Levels levels = levels_of(coding);
    for (const std::size_t size : {1UL, 1000UL, 16384UL, 300000UL, 2000000UL}) {
        for (const std::size_t piece : {7UL, 4096UL, 1000000UL}) {
            if (size / piece > 100000) continue;
            const int level = size > 20000 ? levels.quick : levels.most;
            const std::string text = json(size);
            Blocks out;
            BOOST_TEST((run(coding, level, text, piece, 2 * size + 100, out) == Outcome::done));
            BOOST_TEST(out.size() != 0U);
            BOOST_TEST((decode(coding, text_of(out), size) == text));
            if (size >= 1000) BOOST_TEST(out.size() < size / 2);
        }
    }
}

BOOST_DATA_TEST_CASE(each_level_works, boost::unit_test::data::make(kAll), coding)
{
    const std::string text = json(5000);
    const Levels levels = levels_of(coding);
    for (int level = levels.least; level <= levels.most; ++level) {
        Blocks out;
        BOOST_TEST((run(coding, level, text, 5000, 5000, out) == Outcome::done));
        BOOST_TEST((decode(coding, text_of(out), text.size()) == text));
    }
}

BOOST_DATA_TEST_CASE(an_empty_body_has_an_encoding, boost::unit_test::data::make(kAll), coding)
{
    Blocks out;
    BOOST_TEST((run(coding, 1, "", 1, 100, out) == Outcome::done));
    BOOST_TEST((decode(coding, text_of(out), 0) == ""));
}

BOOST_DATA_TEST_CASE(what_does_not_become_smaller_is_given_up, boost::unit_test::data::make(kAll), coding)
{
    const std::string text = noise(200000);
    Blocks out;
    BOOST_TEST((run(coding, levels_of(coding).quick, text, 4096, text.size(), out) == Outcome::too_large));
    // Not before the limit, nor far past it.
    BOOST_TEST(out.size() >= text.size());
    BOOST_TEST(out.size() <= text.size() + Blocks::kBlockBytes);
}

BOOST_DATA_TEST_CASE(the_limit_itself_is_too_much, boost::unit_test::data::make(kAll), coding)
{
    const std::string text = json(3000);
    Blocks first, exact, less;
    BOOST_TEST((run(coding, 3, text, 3000, 3000, first) == Outcome::done));
    BOOST_TEST((run(coding, 3, text, 3000, first.size() + 1, exact) == Outcome::done));
    BOOST_TEST((run(coding, 3, text, 3000, first.size(), less) == Outcome::too_large));
}

BOOST_DATA_TEST_CASE(it_can_be_stopped, boost::unit_test::data::make(kAll), coding)
{
    static int calls;
    calls = 0;
    const std::string text = json(1000000);
    Blocks out;
    const auto outcome =
        run(coding, 1, text, text.size(), text.size(), out, []() noexcept { return ++calls <= 3; });
    BOOST_TEST((outcome == Outcome::stopped));
    BOOST_TEST(calls == 4);
}

BOOST_AUTO_TEST_CASE(identity_is_no_coding)
{
    Blocks out;
    BOOST_TEST((run(Coding::identity, 0, "abc", 3, 100, out) == Outcome::failed));
}

BOOST_AUTO_TEST_CASE(equal_bodies_have_equal_encodings)
{
    const std::string text = json(10000);
    for (const Coding coding : kAll) {
        Blocks a, b;
        run(coding, 4, text, 100, 10000, a);
        run(coding, 4, text, 10000, 10000, b);
        BOOST_TEST(text_of(a) == text_of(b));
    }
}

BOOST_AUTO_TEST_CASE(no_client_needs_a_larger_zstd_window_than_8_mb)  // RFC 9659
{
    const std::string text(20 * 1024 * 1024, 'x');
    Blocks out;
    BOOST_TEST((run(Coding::zstd, levels_of(Coding::zstd).most, text, text.size(), text.size(), out) ==
                Outcome::done));
    ZSTD_DCtx* context = ZSTD_createDCtx();
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 23);
    std::string got(text.size(), '\0');
    const std::string coded = text_of(out);
    ZSTD_outBuffer to{got.data(), got.size(), 0};
    ZSTD_inBuffer from{coded.data(), coded.size(), 0};
    std::size_t left = 1;
    while (left != 0 && !ZSTD_isError(left)) left = ZSTD_decompressStream(context, &to, &from);
    ZSTD_freeDCtx(context);
    BOOST_TEST(left == 0U);
    BOOST_TEST((got == text));
}

BOOST_AUTO_TEST_SUITE_END()
