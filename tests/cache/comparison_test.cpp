#include "cache/comparison.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace edge;
using namespace edge::cache;

BOOST_AUTO_TEST_SUITE(comparison)

namespace {

using Headers = std::vector<http::Field>;

BodyComparison::Bytes bytes(std::string_view text)
{
    return std::as_bytes(std::span{text.data(), text.size()});
}

BodyComparison stored(const std::vector<std::string_view>& pieces)
{
    std::vector<BodyComparison::Bytes> all;
    for (const std::string_view piece : pieces) all.push_back(bytes(piece));
    return BodyComparison{all};
}

}

BOOST_AUTO_TEST_CASE(the_same_bytes_in_any_pieces_are_the_same)
{
    const std::string text = "0123456789abcdef";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        for (std::size_t step = 1; step <= text.size(); ++step) {
            const std::string_view all{text};
            BodyComparison body = stored({all.substr(0, cut), all.substr(cut)});
            for (std::size_t at = 0; at < all.size(); at += step) {
                BOOST_TEST(!body.complete());
                BOOST_TEST(body.take(bytes(all.substr(at, step))));
            }
            BOOST_TEST(body.complete());
        }
    }
}

BOOST_AUTO_TEST_CASE(one_byte_makes_the_difference)
{
    for (std::size_t at = 0; at < 6; ++at) {
        std::string other = "abcdef";
        other[at] = 'x';
        BodyComparison body = stored({"abc", "def"});
        BOOST_TEST(!body.take(bytes(other)));
        BOOST_TEST(!body.complete());
        BOOST_TEST(!body.take(bytes("abcdef")));
        BOOST_TEST(!body.complete());
    }
}

BOOST_AUTO_TEST_CASE(too_little_and_too_much_differ)
{
    BodyComparison less = stored({"abc"});
    BOOST_TEST(less.take(bytes("ab")));
    BOOST_TEST(!less.complete());

    BodyComparison more = stored({"abc"});
    BOOST_TEST(more.take(bytes("abc")));
    BOOST_TEST(more.complete());
    BOOST_TEST(!more.take(bytes("d")));
    BOOST_TEST(!more.complete());
}

BOOST_AUTO_TEST_CASE(nothing_is_the_same_as_nothing)
{
    BOOST_TEST(stored({}).complete());
    BOOST_TEST(stored({""}).complete());
    BOOST_TEST(!stored({"a"}).complete());
    BodyComparison body = stored({});
    BOOST_TEST(body.take(bytes("")));
    BOOST_TEST(body.complete());
    BOOST_TEST(!body.take(bytes("a")));
}

BOOST_AUTO_TEST_CASE(heads_differ_in_what_changes_how_a_body_is_taken)
{
    const Headers html = {{"Content-Type", "text/html"}, {"ETag", "\"a\""}, {"Date", "x"}};
    const Headers later = {{"date", "y"}, {"content-type", "text/html"}, {"ETag", "\"b\""}};
    const Headers plain = {{"Content-Type", "text/plain"}};
    const Headers zipped = {{"Content-Type", "text/html"}, {"Content-Encoding", "gzip"}};
    const Headers moved = {{"Content-Type", "text/html"}, {"Location", "/a"}};
    const Headers moved_on = {{"Content-Type", "text/html"}, {"Location", "/b"}};
    BOOST_TEST((compare_heads(200, html, 200, later) == Difference::none));
    BOOST_TEST((compare_heads(200, html, 404, later) == Difference::status));
    BOOST_TEST((compare_heads(200, html, 200, plain) == Difference::field));
    BOOST_TEST((compare_heads(200, html, 200, zipped) == Difference::field));
    BOOST_TEST((compare_heads(200, zipped, 200, html) == Difference::field));
    BOOST_TEST((compare_heads(301, moved, 301, moved_on) == Difference::field));
}

BOOST_AUTO_TEST_SUITE_END()
