#include <algorithm>
#include <array>

#include "cache/policy.hpp"
#include "fuzz/input.hpp"
#include "http/cache_control.hpp"
#include "http/list.hpp"
#include "http/token.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::cache;
using http::equal_fold;

namespace {

constexpr std::uint32_t kLargestAge = 0x7fffffffU;
constexpr std::uint32_t kStepSizes[] = {0, 1, 59, 3600, 86400, 0x7fffffff, 0xffffffff};

PolicyConfig take_config(Input& in)
{
    PolicyConfig config;
    const std::uint8_t bits = in.byte();
    config.ignore = {.cache_control = (bits & 1) != 0,
                     .expires = (bits & 2) != 0,
                     .set_cookie = (bits & 4) != 0,
                     .vary = (bits & 8) != 0,
                     .targeted = (bits & 16) != 0};
    config.ignore_client_cache_control = (bits & 32) != 0;
    config.ignore_client_pragma = (bits & 64) != 0;
    if ((bits & 128) != 0) {
        config.valid.push_back({in.number<std::uint16_t>(), in.number<std::uint32_t>()});
        if (in.flag()) config.stale_while_revalidate = in.number<std::uint32_t>();
        if (in.flag()) config.stale_if_error = in.number<std::uint32_t>();
        config.heuristic_percent = in.number<std::uint32_t>();
        config.heuristic_max = in.number<std::uint32_t>();
    }
    return config;
}

bool has(http::Fields fields, std::string_view name)
{
    return std::any_of(fields.begin(), fields.end(),
                       [name](const http::Field& field) { return equal_fold(field.name, name); });
}

/// Whether a line of `name` plainly says `directive`: between commas, with no quote on the line.
bool plainly_says(http::Fields fields, std::string_view name, std::string_view directive)
{
    for (const http::Field& field : fields) {
        if (!equal_fold(field.name, name) || field.value.find('"') != std::string_view::npos) continue;
        http::ListCursor members{field.value};
        while (const auto member = members.next())
            if (equal_fold(*member, directive)) return true;
    }
    return false;
}

/// Whether any of the fields that govern caches contains the word, in whatever way.
bool mentions(http::Fields fields, const PolicyConfig& config, std::string_view word)
{
    for (const http::Field& field : fields) {
        if (!equal_fold(field.name, "cache-control") && !equal_fold(field.name, config.targets.front()))
            continue;
        for (std::size_t i = 0; i + word.size() <= field.value.size(); ++i)
            if (equal_fold(field.value.substr(i, word.size()), word)) return true;
    }
    return false;
}

void the_store_decision(const RequestFacts& request, const ResponseFacts& response,
                        const PolicyConfig& config, const StoreVerdict& verdict)
{
    FUZZ_CHECK(verdict.reason != NotStored::too_large && verdict.reason != NotStored::no_room);
    FUZZ_CHECK(!reason_name(verdict.reason).empty());
    if (!verdict.store()) return;

    FUZZ_CHECK(request.method == Method::get || request.method == Method::head);
    FUZZ_CHECK(!request.control.no_store);
    FUZZ_CHECK(response.status >= 200 && response.status != 206 && response.status != 304);
    const bool targeted = !config.ignore.targeted && has(response.fields, config.targets.front());
    if (!targeted && !config.ignore.cache_control) {
        FUZZ_CHECK(!plainly_says(response.fields, "cache-control", "no-store") ||
                   mentions(response.fields, config, "must-understand"));
        FUZZ_CHECK(!plainly_says(response.fields, "cache-control", "private"));
    }
    if (!config.ignore.vary) FUZZ_CHECK(!plainly_says(response.fields, "vary", "*"));
    const bool is_public = mentions(response.fields, config, "public");
    const bool s_maxage = mentions(response.fields, config, "s-maxage");
    if (request.has_authorization)
        FUZZ_CHECK(is_public || s_maxage || mentions(response.fields, config, "must-revalidate"));
    if (has(response.fields, "set-cookie") && !config.ignore.set_cookie) {
        FUZZ_CHECK(is_public || s_maxage || targeted || mentions(response.fields, config, "set-cookie"));
    }
    if (request.has_cookie) {
        FUZZ_CHECK(is_public || mentions(response.fields, config, "max-age") || s_maxage ||
                   has(response.fields, "expires"));
    }
    const Lifetime& life = verdict.lifetime;
    FUZZ_CHECK(life.response_time == response.response_time);
    FUZZ_CHECK(life.corrected_initial_age <= http::kMaxDeltaSeconds);
    FUZZ_CHECK(life.freshness <= http::kMaxDeltaSeconds || !config.valid.empty());
    if ((life.flags & (kMustRevalidate | kNoCache)) != 0) {
        FUZZ_CHECK(life.stale_while_revalidate == 0 && life.stale_if_error == 0);
    }
    FUZZ_CHECK((life.flags & kHeuristic) == 0 || life.freshness <= config.heuristic_max);
}

void its_reuse(const RequestControl& request, const Lifetime& life, Seconds now, Seconds later,
               const PolicyConfig& config)
{
    const ReuseVerdict verdict = may_reuse(request, life, now, config);
    FUZZ_CHECK(verdict.age <= kLargestAge && verdict.age == current_age(life, now));
    FUZZ_CHECK(verdict.ttl == time_to_live(life, now));
    FUZZ_CHECK(verdict.age >= std::min(life.corrected_initial_age, kLargestAge));
    if (verdict.age < kLargestAge)
        FUZZ_CHECK(verdict.ttl == std::int64_t{life.freshness} - std::int64_t{verdict.age});
    const bool asks = verdict.reuse == Reuse::validate || verdict.reuse == Reuse::gateway_timeout;
    FUZZ_CHECK(asks == (verdict.forward != Forward::none));
    FUZZ_CHECK((verdict.reuse == Reuse::gateway_timeout) == (asks && request.only_if_cached));
    if (request.no_cache || (life.flags & kNoCache) != 0) FUZZ_CHECK(asks);
    if (verdict.reuse == Reuse::fresh) {
        FUZZ_CHECK(verdict.ttl > 0);
        if (request.max_age) FUZZ_CHECK(verdict.age <= *request.max_age);
        if (request.min_fresh) FUZZ_CHECK(verdict.ttl >= *request.min_fresh);
    } else if (!asks) {
        FUZZ_CHECK(verdict.ttl <= 0 && (life.flags & kMustRevalidate) == 0);
        if (verdict.reuse == Reuse::stale_allowed) FUZZ_CHECK(-verdict.ttl <= *request.max_stale);
        if (verdict.reuse == Reuse::stale_while_revalidate)
            FUZZ_CHECK(-verdict.ttl <= life.stale_while_revalidate);
    }
    // Nothing gets younger.
    const ReuseVerdict then = may_reuse(request, life, later, config);
    FUZZ_CHECK(then.age >= verdict.age && then.ttl <= verdict.ttl);
    FUZZ_CHECK(then.reuse != Reuse::fresh || verdict.reuse == Reuse::fresh);

    for (const std::uint16_t status : {0, 200, 404, 500, 501, 503}) {
        if (!may_serve_on_error(request, life, status, now, config)) continue;
        FUZZ_CHECK(status == 0 || status == 500 || status == 503);
        FUZZ_CHECK(!request.no_cache && (life.flags & kNoCache) == 0);
        FUZZ_CHECK(verdict.ttl > 0 || (life.flags & kMustRevalidate) == 0);
    }
}

bool same(const std::vector<http::Field>& a, const std::vector<http::Field>& b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const http::Field& x, const http::Field& y) {
        return x.name == y.name && x.value == y.value;
    });
}

/// What the store keeps of a response.
std::vector<http::Field> kept(std::vector<http::Field> fields, const PolicyConfig& config)
{
    const UnstoredFields unstored{fields, config};
    std::erase_if(fields, [&](const http::Field& field) { return unstored.contains(field.name); });
    return fields;
}

void its_renewal(const std::vector<http::Field>& stored, const std::vector<http::Field>& received,
                 const PolicyConfig& config)
{
    const auto merged = merge_304(stored, received, config);
    const UnstoredFields unstored{merged, config};
    const auto from = [](const std::vector<http::Field>& fields, const http::Field& field) {
        return std::any_of(fields.begin(), fields.end(), [&](const http::Field& other) {
            return other.name.data() == field.name.data() && other.value.data() == field.value.data();
        });
    };
    for (const http::Field& field : merged) {
        for (const std::string_view name : {"connection", "keep-alive", "proxy-authenticate", "set-cookie",
                                            "te", "trailer", "transfer-encoding", "upgrade", "age"}) {
            FUZZ_CHECK(!equal_fold(field.name, name));
        }
        FUZZ_CHECK(!unstored.contains(field.name));
        FUZZ_CHECK(!plainly_says(stored, "connection", field.name));
        const bool fresh = from(received, field);
        FUZZ_CHECK(fresh || from(stored, field));
        if (!fresh) continue;
        FUZZ_CHECK(!plainly_says(received, "connection", field.name));
        for (const std::string_view name : {"content-length", "content-encoding", "content-range"})
            FUZZ_CHECK(!equal_fold(field.name, name));
        // Never a mixture of old and new lines of one name.
        for (const http::Field& other : merged)
            if (equal_fold(other.name, field.name)) FUZZ_CHECK(from(received, other));
    }
    // Said once more to what is kept of it, it changes nothing.
    FUZZ_CHECK(same(merge_304(kept(stored, config), received, config),
                    merge_304(merge_304(kept(stored, config), received, config), received, config)));
    FUZZ_CHECK(selects_stored(stored, {}));
    if (!has(stored, "content-length")) FUZZ_CHECK(!head_contradicts(stored, 0, stored));
}

}

/// Settings and facts as bytes, then header lines of a request, of its response and of a later 304.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static constexpr std::array<std::uint16_t, 8> kStatus = {200, 301, 404, 500, 206, 304, 103, 0};
    static constexpr std::array<std::string_view, 4> kMethods = {"GET", "HEAD", "POST", "OPTIONS"};
    Input in{data, size};
    Copies copies;
    const PolicyConfig config = take_config(in);
    const std::uint8_t bits = in.byte();
    RequestFacts request;
    request.method = classify_method(kMethods[bits & 3]);
    request.has_authorization = (bits & 4) != 0;
    request.has_cookie = (bits & 8) != 0;
    const std::uint16_t status = kStatus[in.byte() % kStatus.size()];
    // Around the dates that the seeds speak of: 15 January 2026.
    const Seconds asked = 1768478400 + in.number<std::int16_t>();
    const Seconds answered = asked + in.number<std::int8_t>();
    const Seconds now = answered + kStepSizes[in.byte() % std::size(kStepSizes)];
    const Seconds later = now + kStepSizes[in.byte() % std::size(kStepSizes)];
    const auto request_fields = in.fields(copies);
    const auto stored = in.fields(copies);
    const auto received = in.fields(copies);

    request.control = parse_request_control(request_fields, config);
    if (!config.ignore_client_cache_control) {
        FUZZ_CHECK(!plainly_says(request_fields, "cache-control", "no-store") || request.control.no_store);
        FUZZ_CHECK(!plainly_says(request_fields, "cache-control", "no-cache") || request.control.no_cache);
    }
    const ResponseFacts response{
        .status = status == 0 ? static_cast<std::uint16_t>(100 + in.number<std::uint16_t>() % 900) : status,
        .fields = stored,
        .request_time = asked,
        .response_time = answered};
    const StoreVerdict verdict = may_store(request, response, config);
    the_store_decision(request, response, config, verdict);
    if (verdict.store()) its_reuse(request.control, verdict.lifetime, now, later, config);
    its_renewal(stored, received, config);

    const auto merged = merge_304(stored, received, config);
    const ResponseFacts validated{
        .status = 304, .fields = received, .request_time = now, .response_time = now};
    const StoreVerdict renewed = may_update(request, 200, merged, validated, config);
    if (renewed.store()) {
        const ResponseFacts as_if{.status = 200, .fields = merged, .request_time = now, .response_time = now};
        the_store_decision(request, as_if, config, renewed);
        its_reuse(request.control, renewed.lifetime, now, later + now, config);
    }
    return 0;
}
