#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "cache/policy_case.hpp"

using namespace policy_case;
using Why = NotStored;

namespace {

struct StoredRow {
    const char* section;
    Headers response;
    Why expected;
    std::uint16_t status = 200;
    RequestFacts request = {};
    PolicyConfig config = {};
};

std::ostream& operator<<(std::ostream& out, const StoredRow& row)
{
    out << row.section << ", " << row.status;
    print(out, row.response);
    return out;
}

const RequestFacts kHead = {.method = Method::head};
const RequestFacts kOptions = {.method = Method::safe_other};
const RequestFacts kPost = {.method = Method::unsafe};
const RequestFacts kAuthorized = {.has_authorization = true};
const RequestFacts kCookie = {.has_cookie = true};
const RequestFacts kRange = {.has_range = true};
const RequestFacts kNoStore = {.control = {.no_store = true}};

const std::vector<StoredRow> kStored = {
    // Section 3: method, status, and what says that storing is all right.
    {"9111 3", {{"Cache-Control", "max-age=60"}}, Why::stored},
    {"9111 3", {{"Cache-Control", "max-age=60"}}, Why::stored, 200, kHead},
    {"9111 3 safe methods we don't cache", {{"Cache-Control", "max-age=60"}}, Why::method, 200, kOptions},
    {"9111 3 unsafe methods", {{"Cache-Control", "max-age=60"}}, Why::method, 200, kPost},
    {"9111 3 nothing said", {}, Why::no_freshness},
    {"9111 3 nothing said but an ETag to ask with", {{"ETag", "\"a\""}}, Why::stored},
    {"9111 3 nothing said but a weak ETag", {{"ETag", "W/\"a\""}}, Why::stored},
    {"9110 8.8.3 not an entity tag", {{"ETag", "a"}}, Why::no_freshness},
    {"9110 8.8.3 two tags", {{"ETag", "\"a\""}, {"ETag", "\"b\""}}, Why::no_freshness},
    {"9111 3 nothing said, not cacheable by default", {{"ETag", "\"a\""}}, Why::status, 403},
    {"9111 3 explicit freshness", {{"Cache-Control", "max-age=60"}}, Why::stored, 403},
    {"9111 3 explicit freshness by Expires", {{"Expires", at(60)}}, Why::stored, 403},
    {"9111 3 s-maxage", {{"Cache-Control", "s-maxage=60"}}, Why::stored, 403},
    {"9111 3 unknown status", {{"Cache-Control", "max-age=60"}}, Why::stored, 599},
    {"9111 3 unknown status", {{"Cache-Control", "max-age=60"}}, Why::stored, 299},
    {"9111 3 server errors too", {{"Cache-Control", "max-age=60"}}, Why::stored, 503},
    {"9111 3 partial content", {{"Cache-Control", "max-age=60"}}, Why::status, 206},
    {"9111 3 not modified", {{"Cache-Control", "max-age=60"}}, Why::status, 304},
    {"9111 3 not final", {{"Cache-Control", "max-age=60"}}, Why::status, 103},
    {"9111 3 not final", {{"Cache-Control", "max-age=60"}}, Why::status, 199},
    {"no status at all", {{"Cache-Control", "max-age=60"}}, Why::status, 0},
    {"9110 15.5.13 answers the request's conditions", {{"Cache-Control", "max-age=60"}}, Why::status, 412},
    {"9110 15.5.17 answers the request's Range", {{"Cache-Control", "max-age=60"}}, Why::status, 416},
    {"6585 3", {{"Cache-Control", "max-age=60"}}, Why::status, 428},
    {"6585 4", {{"Cache-Control", "max-age=60"}}, Why::status, 429},
    {"6585 5", {{"Cache-Control", "max-age=60"}}, Why::status, 431},
    {"6585 6", {{"Cache-Control", "max-age=60"}}, Why::status, 511},
    {"9111 3.3 a whole answer to a Range request",
     {{"Cache-Control", "max-age=60"}},
     Why::stored,
     200,
     kRange},
    {"9111 4.2 expired on arrival, no validator", {{"Cache-Control", "max-age=0"}}, Why::no_freshness},
    {"9111 4.3 expired on arrival, validator",
     {{"Cache-Control", "max-age=0"}, {"ETag", "\"a\""}},
     Why::stored},
    {"9111 4.2.4 old on arrival may be asked for stale",
     {{"Cache-Control", "max-age=60"}, {"Age", "90"}},
     Why::stored},
    {"5861 3 expired on arrival, window",
     {{"Cache-Control", "max-age=0, stale-while-revalidate=9"}},
     Why::stored},

    // 5.2.1.5 and 5.2.2: directives.
    {"9111 5.2.1.5", {{"Cache-Control", "max-age=60"}}, Why::request_no_store, 200, kNoStore},
    {"9111 5.2.2.5", {{"Cache-Control", "no-store"}, {"ETag", "\"a\""}}, Why::response_no_store},
    {"9111 5.2.2.5 case", {{"Cache-Control", "max-age=60, No-StOrE"}}, Why::response_no_store},
    {"9111 5.2.2.5 other line",
     {{"Cache-Control", "max-age=60"}, {"cache-control", "no-store"}},
     Why::response_no_store},
    {"9111 5.2.2.5 argument", {{"Cache-Control", "max-age=60, no-store=1"}}, Why::response_no_store},
    {"9111 5.2.2.5 wrong separator",
     {{"Cache-Control", "public, max-age=60; no-store"}},
     Why::response_no_store},
    {"9111 5.2 in quotes it is text", {{"Cache-Control", "x=\"no-store\", max-age=60"}}, Why::stored},
    {"9111 5.2 a quote without end hides directives",
     {{"Cache-Control", "max-age=60, x=\"no-store"}},
     Why::malformed},
    {"9111 5.2.2.7", {{"Cache-Control", "private, max-age=60"}}, Why::response_private},
    {"9111 5.2.2.7 over public", {{"Cache-Control", "public, private"}}, Why::response_private},
    {"9111 5.2.2.7 qualified", {{"Cache-Control", "private=\"x-user\", max-age=60"}}, Why::stored},
    {"9111 5.2.2.7 qualified, token form", {{"Cache-Control", "private=x-user, max-age=60"}}, Why::stored},
    {"9111 5.2.2.7 both forms",
     {{"Cache-Control", "private=\"a\", private, max-age=60"}},
     Why::response_private},
    {"9111 5.2.2.7 no names", {{"Cache-Control", "private=\"\", max-age=60"}}, Why::response_private},
    {"9111 5.2.2.7 not names", {{"Cache-Control", "private=\"a b\", max-age=60"}}, Why::response_private},
    {"9111 5.2.2.7 a name one can't do without",
     {{"Cache-Control", "private=\"Vary\", max-age=60"}},
     Why::response_private},
    {"9111 5.2.2.7 malformed", {{"Cache-Control", "private =\"a\", max-age=60"}}, Why::response_private},
    {"9111 5.2.2.4 without validator", {{"Cache-Control", "no-cache, max-age=60"}}, Why::no_freshness},
    {"9111 5.2.2.4 validator", {{"Cache-Control", "no-cache"}, {"ETag", "\"a\""}}, Why::stored},
    {"9111 5.2.2.3 understood", {{"Cache-Control", "max-age=60, no-store, must-understand"}}, Why::stored},
    {"9111 5.2.2.3 not understood",
     {{"Cache-Control", "max-age=60, no-store, must-understand"}},
     Why::status,
     599},
    {"9111 5.2.2.3 not understood", {{"Cache-Control", "max-age=60, must-understand"}}, Why::status, 299},
    {"9111 5.2.2.3 malformed",
     {{"Cache-Control", "max-age=60, no-store, must-understand=1"}},
     Why::response_no_store},
    {"9111 5.2.2.9 unknown status",
     {{"Cache-Control", "public"}, {"Last-Modified", at(-9000)}},
     Why::stored,
     599},
    {"9111 5.2.2.9 malformed",
     {{"Cache-Control", "public=1"}, {"Last-Modified", at(-9000)}},
     Why::status,
     599},
    {"9111 5.4 Pragma alone", {{"Pragma", "no-cache"}, {"Expires", at(60)}}, Why::no_freshness},
    {"9111 5.4 Pragma beside Cache-Control",
     {{"Pragma", "no-cache"}, {"Cache-Control", "max-age=60"}},
     Why::stored},

    // 3.5: Authorization.
    {"9111 3.5", {{"Cache-Control", "max-age=60"}}, Why::authorization, 200, kAuthorized},
    {"9111 3.5", {{"Expires", at(60)}}, Why::authorization, 200, kAuthorized},
    {"9111 3.5", {{"ETag", "\"a\""}}, Why::authorization, 200, kAuthorized},
    {"9111 3.5 public", {{"Cache-Control", "max-age=60, public"}}, Why::stored, 200, kAuthorized},
    {"9111 3.5 must-revalidate",
     {{"Cache-Control", "max-age=60, must-revalidate"}},
     Why::stored,
     200,
     kAuthorized},
    {"9111 3.5 s-maxage", {{"Cache-Control", "s-maxage=60"}}, Why::stored, 200, kAuthorized},
    {"9111 3.5 s-maxage invalid",
     {{"Cache-Control", "s-maxage=x, max-age=60"}},
     Why::authorization,
     200,
     kAuthorized},
    {"9111 3.5 proxy-revalidate is not one",
     {{"Cache-Control", "max-age=60, proxy-revalidate"}},
     Why::authorization,
     200,
     kAuthorized},
    {"9111 3.5 malformed", {{"Cache-Control", "max-age=60, public x"}}, Why::authorization, 200, kAuthorized},
    {"9111 3.5 a private one all the same",
     {{"Cache-Control", "private, must-revalidate"}},
     Why::response_private,
     200,
     kAuthorized},
    {"I4 varies on who asks",
     {{"Cache-Control", "public, max-age=60"}, {"Vary", "Authorization"}},
     Why::authorization,
     200,
     kAuthorized},
    {"I4 varies on who asks, nobody in particular",
     {{"Cache-Control", "max-age=60"}, {"Vary", "Authorization"}},
     Why::stored},
    {"9111 3.5 edge_cache_valid does not do", {}, Why::authorization, 200, kAuthorized, {.valid = {{0, 60}}}},

    // Cookies.
    {"I4 Set-Cookie", {{"Cache-Control", "max-age=60"}, {"Set-Cookie", "a=b"}}, Why::set_cookie},
    {"I4 Set-Cookie, validator only", {{"ETag", "\"a\""}, {"Set-Cookie", "a=b"}}, Why::set_cookie},
    {"I4 Set-Cookie and public",
     {{"Cache-Control", "public, max-age=60"}, {"Set-Cookie", "a=b"}},
     Why::stored},
    {"I4 Set-Cookie and s-maxage", {{"Cache-Control", "s-maxage=60"}, {"Set-Cookie", "a=b"}}, Why::stored},
    {"I4 Set-Cookie and targeted", {{"CDN-Cache-Control", "max-age=60"}, {"Set-Cookie", "a=b"}}, Why::stored},
    {"I4 Set-Cookie named as private",
     {{"Cache-Control", "max-age=60, private=\"set-cookie\""}, {"Set-Cookie", "a=b"}},
     Why::stored},
    {"I4 Set-Cookie ignored",
     {{"Cache-Control", "max-age=60"}, {"Set-Cookie", "a=b"}},
     Why::stored,
     200,
     {},
     {.ignore = {.set_cookie = true}}},
    {"I4 request cookie, explicit freshness", {{"Cache-Control", "max-age=60"}}, Why::stored, 200, kCookie},
    {"I4 request cookie, Expires", {{"Expires", at(60)}}, Why::stored, 200, kCookie},
    {"I4 request cookie, public",
     {{"Cache-Control", "public"}, {"ETag", "\"a\""}},
     Why::stored,
     200,
     kCookie},
    {"I4 request cookie, heuristic", {{"Last-Modified", at(-9000)}}, Why::cookie, 200, kCookie},
    {"I4 request cookie, validator only", {{"ETag", "\"a\""}}, Why::cookie, 200, kCookie},
    {"I4 request cookie, no-cache",
     {{"Cache-Control", "no-cache"}, {"ETag", "\"a\""}},
     Why::cookie,
     200,
     kCookie},
    {"I4 request cookie, max-age=0",
     {{"Cache-Control", "max-age=0"}, {"ETag", "\"a\""}},
     Why::cookie,
     200,
     kCookie},
    {"I4 request cookie, edge_cache_valid", {}, Why::cookie, 200, kCookie, {.valid = {{0, 60}}}},

    // 4.1: Vary.
    {"9111 4.1", {{"Cache-Control", "max-age=60"}, {"Vary", "Foo"}}, Why::stored},
    {"9111 4.1 *", {{"Cache-Control", "max-age=60"}, {"Vary", "*"}}, Why::vary_star},
    {"9111 4.1 * somewhere",
     {{"Cache-Control", "max-age=60"}, {"Vary", "Foo"}, {"Vary", "Bar, *"}},
     Why::vary_star},
    {"9111 4.1 not names", {{"Cache-Control", "max-age=60"}, {"Vary", "Foo Bar"}}, Why::vary_star},
    {"configured",
     {{"Cache-Control", "max-age=60"}, {"Vary", "*"}},
     Why::stored,
     200,
     {},
     {.ignore = {.vary = true}}},

    // 4.2.1: doubt about freshness.
    {"9111 4.2.1 invalid", {{"Cache-Control", "max-age=abc"}}, Why::malformed},
    {"9111 4.2.1 invalid, not replaced by Expires",
     {{"Cache-Control", "max-age=abc"}, {"Expires", at(60)}},
     Why::malformed},
    {"9111 4.2.1 conflicting", {{"Cache-Control", "max-age=60, max-age=30"}}, Why::malformed},
    {"9111 4.2.1 conflicting, to be validated",
     {{"Cache-Control", "max-age=60, max-age=30"}, {"ETag", "\"a\""}},
     Why::stored},
    {"9111 4.2.1 the same twice", {{"Cache-Control", "max-age=60, max-age=60"}}, Why::stored},
    {"9110 7.6.1 Connection takes what the body needs",
     {{"Cache-Control", "max-age=60"}, {"Connection", "close, content-encoding"}},
     Why::malformed},
    {"9110 7.6.1 Connection", {{"Cache-Control", "max-age=60"}, {"Connection", "close, x"}}, Why::stored},

    // RFC 9213.
    {"9213 2.2 over no-store",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60"}},
     Why::stored},
    {"9213 2.2 no-store",
     {{"Cache-Control", "max-age=60"}, {"CDN-Cache-Control", "no-store"}},
     Why::response_no_store},
    {"9213 2.2 private",
     {{"Cache-Control", "max-age=60"}, {"CDN-Cache-Control", "private"}},
     Why::response_private},
    {"9213 2.2 no-cache",
     {{"Cache-Control", "max-age=60"}, {"CDN-Cache-Control", "no-cache"}},
     Why::no_freshness},
    {"9213 2.2 Expires does not exist",
     {{"Expires", at(60)}, {"CDN-Cache-Control", "public"}},
     Why::no_freshness},
    {"9213 2.1 not a dictionary",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60, &&&&&"}},
     Why::response_no_store},
    {"9213 2.1 wrong type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=\"60\""}},
     Why::response_no_store},
    {"9213 2.1 wrong type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60.5"}},
     Why::response_no_store},
    {"9213 2.1 wrong type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age"}},
     Why::response_no_store},
    {"9213 2.1 wrong type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=(60)"}},
     Why::response_no_store},
    {"9213 2.1 wrong type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60, public=1"}},
     Why::response_no_store},
    {"9213 2.1 wrong type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60, private=1"}},
     Why::response_no_store},
    {"9213 2.1 wrong type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60, no-store=?0"}},
     Why::response_no_store},
    {"9213 2.1 case",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "Max-Age=60"}},
     Why::response_no_store},
    {"9213 2.1 empty", {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", ""}}, Why::response_no_store},
    {"9213 2.1 parameters are ignored",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60;x=1"}},
     Why::stored},
    {"9213 2.1 unknown directives of any type",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "x=(1 2), y=\"z\", max-age=60"}},
     Why::stored},
    {"9213 2.1 lines join",
     {{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=60"}, {"cdn-cache-control", "public"}},
     Why::stored},
    {"9213 2.1 qualified private", {{"CDN-Cache-Control", "private=\"a, b\", max-age=60"}}, Why::stored},
    {"9213 2.1 qualified private as token", {{"CDN-Cache-Control", "private=a, max-age=60"}}, Why::stored},
    {"9213 2.1 qualified private, not names",
     {{"CDN-Cache-Control", "private=\"a b\", max-age=60"}},
     Why::response_private},
    {"9213 2.1 negative", {{"CDN-Cache-Control", "max-age=-1"}}, Why::malformed},
    {"9213 and 9111 3.5", {{"CDN-Cache-Control", "max-age=60"}}, Why::authorization, 200, kAuthorized},
    {"9213 and 9111 3.5", {{"CDN-Cache-Control", "max-age=60, public"}}, Why::stored, 200, kAuthorized},
    {"9213 2.2 the first target wins",
     {{"My-CC", "no-store"}, {"CDN-Cache-Control", "max-age=60"}},
     Why::response_no_store,
     200,
     {},
     {.targets = {"my-cc", "cdn-cache-control"}}},
    {"9213 2.2 the next when it is invalid",
     {{"My-CC", "no store"}, {"CDN-Cache-Control", "max-age=60"}},
     Why::stored,
     200,
     {},
     {.targets = {"my-cc", "cdn-cache-control"}}},
    {"9213 2.2 a field that is no target",
     {{"My-CC", "no-store"}, {"Cache-Control", "max-age=60"}},
     Why::stored},

    // Configuration.
    {"ignore Cache-Control",
     {{"Cache-Control", "no-store"}, {"Expires", at(60)}},
     Why::stored,
     200,
     {},
     {.ignore = {.cache_control = true}}},
    {"ignore Cache-Control: Pragma too",
     {{"Pragma", "no-cache"}, {"Expires", at(60)}},
     Why::stored,
     200,
     {},
     {.ignore = {.cache_control = true}}},
    {"ignore Cache-Control, not 3.5",
     {{"Cache-Control", "public, max-age=60"}},
     Why::authorization,
     200,
     kAuthorized,
     {.ignore = {.cache_control = true}}},
    {"ignore Expires", {{"Expires", at(60)}}, Why::no_freshness, 200, {}, {.ignore = {.expires = true}}},
    {"ignore targeted",
     {{"CDN-Cache-Control", "no-store"}, {"Cache-Control", "max-age=60"}},
     Why::stored,
     200,
     {},
     {.ignore = {.targeted = true}}},
    {"valid for this status", {}, Why::stored, 404, {}, {.valid = {{404, 60}}}},
    {"valid for another status", {}, Why::no_freshness, 404, {}, {.valid = {{200, 60}}}},
    {"valid any, not cacheable by default", {}, Why::stored, 403, {}, {.valid = {{0, 60}}}},
    {"valid 0 declines", {{"ETag", "\"a\""}}, Why::no_freshness, 200, {}, {.valid = {{200, 0}}}},
    {"valid 0 only where the origin is silent",
     {{"Cache-Control", "max-age=60"}},
     Why::stored,
     200,
     {},
     {.valid = {{0, 0}}}},
    {"valid any never means 206", {}, Why::status, 206, {}, {.valid = {{0, 60}}}},
    {"valid does not undo no-store",
     {{"Cache-Control", "no-store"}},
     Why::response_no_store,
     200,
     {},
     {.valid = {{0, 60}}}},
    {"a stale window for a response without freshness",
     {},
     Why::no_freshness,
     200,
     {},
     {.stale_while_revalidate = 60}},
};

}

BOOST_DATA_TEST_CASE(a_response_is_stored_or_not_for_a_reason, boost::unit_test::data::make(kStored), row)
{
    ResponseFacts response = answer(row.response, row.status);
    const StoreVerdict verdict = may_store(row.request, response, row.config);
    BOOST_TEST(verdict.reason == row.expected);
    BOOST_TEST(verdict.store() == (row.expected == Why::stored));
}

BOOST_AUTO_TEST_CASE(the_status_codes_cacheable_by_default_are_those_of_rfc_9110_15_1)
{
    const Headers tagged = {{"ETag", "\"a\""}};
    std::vector<int> stored;
    for (int status = 0; status < 1100; ++status)
        if (may_store({}, answer(tagged, static_cast<std::uint16_t>(status)), {}).store())
            stored.push_back(status);
    const std::vector<int> expected = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};
    BOOST_TEST(stored == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_reason_has_a_name_of_its_own)
{
    std::vector<std::string_view> names;
    for (int reason = 0; reason <= static_cast<int>(NotStored::other); ++reason) {
        const auto name = reason_name(static_cast<NotStored>(reason));
        BOOST_TEST(!name.empty());
        BOOST_TEST((std::find(names.begin(), names.end(), name) == names.end()));
        names.push_back(name);
    }
}
