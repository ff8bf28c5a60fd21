#include "cache/purge_request.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

namespace edge::cache {

namespace {

PurgeRequest accepted(std::string_view text)
{
    const PurgeRequestResult result = parse_purge_request(text);
    BOOST_REQUIRE_MESSAGE(result.request, result.reason);
    return *result.request;
}

struct Row {
    std::string_view text;
    unsigned status;
    std::string_view reason;  ///< a part of it
};
std::ostream& operator<<(std::ostream& out, const Row& row)
{
    return out << row.text.substr(0, 60);
}

const Row kRefused[] = {
    {"", 400, "not JSON: expected { at the beginning"},
    {"[]", 400, "expected {"},
    {"null", 400, "expected {"},
    {"{", 400, "a member name must be a string"},
    {"{}", 400, "nothing to purge"},
    {"{} {}", 400, "something after the object"},
    {R"({"soft":true})", 400, "nothing to purge"},
    {R"({"all":false})", 400, "all can only be true"},
    {R"({"all":1})", 400, "all must be true or false"},
    {R"({"all":"true"})", 400, "all must be true or false"},
    {R"({"all":true,})", 400, "a member name must be a string"},
    {R"({"all":true)", 400, "expected , between members"},
    {R"({"all":true}x)", 400, "something after the object"},
    {R"({all:true})", 400, "a member name must be a string"},
    {R"({"all" true})", 400, "expected : after a member name"},
    {R"({"all":true,"all":true})", 400, "all is given twice"},
    {R"({"all":true,"\u0061ll":true})", 400, "all is given twice"},
    {R"({"tag":["a"]})", 400, "unknown member tag, expected tags, urls, prefix, all or soft"},
    {"{\"a\\\"b\\u0001\":1}", 400, "unknown member a?b?, expected"},
    {R"({"Tags":["a"]})", 400, "unknown member Tags"},
    {R"({"tags":"a"})", 400, "tags must be a list of strings"},
    {R"({"tags":{}})", 400, "tags must be a list of strings"},
    {R"({"tags":[1]})", 400, "a member of tags must be a string"},
    {R"({"tags":[["a"]]})", 400, "a member of tags must be a string"},
    {R"({"tags":[null]})", 400, "a member of tags must be a string"},
    {R"({"tags":[]})", 400, "tags is an empty list"},
    {R"({"tags":[""]})", 400, "an empty string among tags"},
    {R"({"tags":["a",]})", 400, "a member of tags must be a string"},
    {R"({"tags":["a" "b"]})", 400, "expected , between members of a list"},
    {R"({"tags":["a"})", 400, "expected , between members of a list"},
    {R"({"tags":["a)", 400, "a string does not end"},
    {R"({"tags":["a\)", 400, "a bad escape"},
    {R"({"tags":["\x"]})", 400, "a bad escape"},
    {R"({"tags":["\u12"]})", 400, "a bad escape"},
    {R"({"tags":["\ud800"]})", 400, "half a surrogate pair"},
    {R"({"tags":["\ud800\u0041"]})", 400, "half a surrogate pair"},
    {R"({"tags":["\udc00"]})", 400, "half a surrogate pair"},
    {"{\"tags\":[\"a\nb\"]}", 400, "a control character"},
    {"{\"tags\":[\"\xff\"]}", 400, "not UTF-8"},
    {"{\"tags\":[\"\xc0\xaf\"]}", 400, "not UTF-8"},
    {"{\"tags\":[\"\xed\xa0\x80\"]}", 400, "not UTF-8"},
    {"{\"tags\":[\"\xf4\x90\x80\x80\"]}", 400, "not UTF-8"},
    {"{\"tags\":[\"\xe2\x82\"]}", 400, "not UTF-8"},
    {"\xef\xbb\xbf{\"all\":true}", 400, "expected {"},
    {R"({"urls":["a/b"]})", 400, "a member of urls must begin with /, http:// or https://"},
    {R"({"urls":["ftp://a/"]})", 400, "must begin with /, http:// or https://"},
    {R"({"urls":["/a b"]})", 400, "white space"},
    {R"({"prefix":["/a"]})", 400, "prefix must be a string"},
    {R"({"prefix":""})", 400, "prefix must begin with"},
    {R"({"prefix":"x/"})", 400, "prefix must begin with"},
    {R"({"prefix":"/x/","soft":"yes"})", 400, "soft must be true or false"},
};

}

BOOST_AUTO_TEST_SUITE(purge_request)

BOOST_AUTO_TEST_CASE(all_members_are_understood_in_any_order)
{
    const PurgeRequest request = accepted(
        " {\"soft\" : true,\r\n\"urls\":[\"/a\",\t\"https://h/b?c\"] , \"prefix\":\"/x/\",\"tags\":[ \"t 1\" "
        "] , \"all\":true } ");
    BOOST_TEST(request.soft);
    BOOST_TEST(request.all);
    BOOST_TEST(request.prefix == "/x/");
    BOOST_TEST((request.urls == std::vector<std::string>{"/a", "https://h/b?c"}));
    BOOST_TEST((request.tags == std::vector<std::string>{"t 1"}));
    BOOST_TEST(!accepted(R"({"all":true})").soft);
    BOOST_TEST(!accepted(R"({"all":true,"soft":false})").soft);
}

BOOST_AUTO_TEST_CASE(escapes_and_characters_beyond_ascii_are_resolved)
{
    const PurgeRequest request =
        accepted(R"({"tags":["\"\\\/\b\f\n\r\t","\u00fc\u20AC\ud83d\ude00","ü€😀","\u0000"]})");
    BOOST_TEST(request.tags[0] == "\"\\/\b\f\n\r\t");
    BOOST_TEST(request.tags[1] == request.tags[2]);
    BOOST_TEST(request.tags[3] == std::string(1, '\0'));
}

BOOST_DATA_TEST_CASE(what_is_not_quite_right_is_refused_with_a_reason, kRefused, row)
{
    const PurgeRequestResult result = parse_purge_request(row.text);
    BOOST_TEST(!result.request);
    BOOST_TEST(result.status == row.status);
    BOOST_TEST(result.reason.find(row.reason) != std::string::npos, result.reason);
    BOOST_TEST(result.reason.find_first_of("\"\\\n") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(size_and_count_are_limited)
{
    const auto list = [](std::size_t n) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i) text.append(i != 0 ? "," : "").append("\"/t\"");
        return "[" + text + "]";
    };
    const std::size_t most = PurgeRequest::kMaxItems;
    BOOST_TEST(accepted("{\"tags\":" + list(most) + "}").tags.size() == most);
    BOOST_TEST(parse_purge_request("{\"tags\":" + list(most + 1) + "}").status == 413u);
    BOOST_TEST(parse_purge_request("{\"tags\":" + list(most) + ",\"urls\":" + list(1) + "}").status == 413u);
    std::string large = R"({"all":true})";
    large.resize(PurgeRequest::kMaxBytes, ' ');
    BOOST_TEST(accepted(large).all);
    BOOST_TEST(parse_purge_request(large + " ").status == 413u);
    const std::string deep(100'000, '[');
    BOOST_TEST(parse_purge_request("{\"tags\":" + deep).status == 400u);
}

BOOST_AUTO_TEST_CASE(a_name_of_any_bytes_becomes_a_json_string)
{
    BOOST_TEST(plain_json_string("a\"\\\n\xff") == "\"a\\\"\\\\??\"");
}

BOOST_AUTO_TEST_SUITE_END()

}
