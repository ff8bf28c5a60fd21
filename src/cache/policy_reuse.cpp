#include <algorithm>
#include <limits>

#include "cache/policy.hpp"
#include "http/cache_control.hpp"
#include "http/token.hpp"

namespace edge::cache {
namespace {

using http::equal_fold;

constexpr std::uint32_t kLargestAge = 0x7fffffffU;

// The age before it is cut to what an Age field can say. A clock that was set back ages nothing.
std::int64_t exact_age(const Lifetime& lifetime, Seconds now)
{
    const std::int64_t resident = now > lifetime.response_time ? now - lifetime.response_time : 0;
    return lifetime.corrected_initial_age + std::min<std::int64_t>(resident, http::kMaxDeltaSeconds);
}

std::optional<std::uint32_t> seconds_of(const http::Directive& directive)
{
    if (directive.malformed) return std::nullopt;
    return http::parse_delta_seconds(directive.argument);
}

template <class Choose>
void restrict(std::optional<std::uint32_t>& to, std::uint32_t seconds, Choose stricter)
{
    to = to ? stricter(*to, seconds) : seconds;
}

// Of several or malformed directives the reading that asks most of the cache counts.
void read_request_line(std::string_view line, RequestControl& control)
{
    const auto least = [](std::uint32_t a, std::uint32_t b) { return std::min(a, b); };
    const auto most = [](std::uint32_t a, std::uint32_t b) { return std::max(a, b); };
    http::DirectiveCursor cursor{line};
    while (const auto directive = cursor.next()) {
        const std::string_view name = directive->name;
        const auto seconds = seconds_of(*directive);
        if (equal_fold(name, "no-cache"))
            control.no_cache = true;
        else if (equal_fold(name, "no-store"))
            control.no_store = true;
        else if (equal_fold(name, "only-if-cached"))
            control.only_if_cached = true;
        else if (equal_fold(name, "max-age"))
            restrict(control.max_age, seconds.value_or(0), least);
        else if (equal_fold(name, "min-fresh"))
            restrict(control.min_fresh, seconds.value_or(http::kMaxDeltaSeconds), most);
        else if (equal_fold(name, "max-stale") && !directive->has_argument && !directive->malformed)
            restrict(control.max_stale, std::numeric_limits<std::uint32_t>::max(), least);
        else if (equal_fold(name, "max-stale"))
            restrict(control.max_stale, seconds.value_or(0), least);
        else if (equal_fold(name, "stale-if-error"))
            restrict(control.stale_if_error, seconds.value_or(0), least);
    }
    if (cursor.unterminated()) control.no_cache = true;
}

bool says_no_cache(std::string_view pragma)
{
    http::DirectiveCursor cursor{pragma};
    while (const auto directive = cursor.next())
        if (equal_fold(directive->name, "no-cache")) return true;
    return false;
}

// Section 5.2.1.1: zero means a reload, also within the second in which the response was made.
bool young_enough(const RequestControl& request, std::int64_t age)
{
    return !request.max_age || (*request.max_age != 0 && age <= *request.max_age);
}

bool fresh_enough(const RequestControl& request, std::int64_t ttl)
{
    return !request.min_fresh || ttl >= *request.min_fresh;
}

// How a stale response may be sent, if it may.
Reuse reuse_stale(const RequestControl& request, const Lifetime& stored, std::int64_t ttl)
{
    if ((stored.flags & kMustRevalidate) != 0 || request.min_fresh) return Reuse::validate;
    // A max-age alone says that nothing stale is wanted (5.2.1.1).
    const bool unasked = !request.max_age || request.max_stale;
    if (unasked && stored.stale_while_revalidate != 0 && -ttl <= stored.stale_while_revalidate)
        return Reuse::stale_while_revalidate;
    return request.max_stale && -ttl <= *request.max_stale ? Reuse::stale_allowed : Reuse::validate;
}

}

Method classify_method(std::string_view method) noexcept
{
    if (method == "GET") return Method::get;
    if (method == "HEAD") return Method::head;
    for (std::string_view safe : {"OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY", "PRI"})
        if (method == safe) return Method::safe_other;
    return Method::unsafe;
}

RequestControl parse_request_control(http::Fields fields, const PolicyConfig& config)
{
    RequestControl control;
    bool has_cache_control = false;
    bool pragma_no_cache = false;
    for (const http::Field& field : fields) {
        if (!config.ignore_client_cache_control && equal_fold(field.name, "cache-control")) {
            has_cache_control = true;
            read_request_line(field.value, control);
        } else if (!config.ignore_client_pragma && equal_fold(field.name, "pragma")) {
            pragma_no_cache = pragma_no_cache || says_no_cache(field.value);
        }
    }
    if (pragma_no_cache && !has_cache_control) control.no_cache = true;
    return control;
}

std::uint32_t current_age(const Lifetime& lifetime, Seconds now) noexcept
{
    return static_cast<std::uint32_t>(std::min<std::int64_t>(exact_age(lifetime, now), kLargestAge));
}

std::int64_t time_to_live(const Lifetime& lifetime, Seconds now) noexcept
{
    return static_cast<std::int64_t>(lifetime.freshness) - exact_age(lifetime, now);
}

std::string_view forward_name(Forward forward) noexcept
{
    switch (forward) {
        case Forward::none:
            break;
        case Forward::uri_miss:
            return "uri-miss";
        case Forward::vary_miss:
            return "vary-miss";
        case Forward::stale:
            return "stale";
        case Forward::request:
            return "request";
        case Forward::bypass:
            return "bypass";
        case Forward::method:
            return "method";
        case Forward::partial:
            return "partial";
        case Forward::miss:
            return "miss";
    }
    return "";
}

ReuseVerdict may_reuse(const RequestControl& request, const Lifetime& stored, Seconds now,
                       const PolicyConfig&) noexcept
{
    const std::int64_t ttl = time_to_live(stored, now);
    ReuseVerdict verdict{
        .reuse = Reuse::validate, .forward = Forward::none, .age = current_age(stored, now), .ttl = ttl};
    if (!request.no_cache && (stored.flags & kNoCache) == 0 && young_enough(request, verdict.age)) {
        if (ttl <= 0)
            verdict.reuse = reuse_stale(request, stored, ttl);
        else if (fresh_enough(request, ttl))
            verdict.reuse = Reuse::fresh;
    }
    if (verdict.reuse != Reuse::validate) return verdict;
    verdict.forward = ttl <= 0 || (stored.flags & kNoCache) != 0 ? Forward::stale : Forward::request;
    if (request.only_if_cached) verdict.reuse = Reuse::gateway_timeout;
    return verdict;
}

bool may_serve_on_error(const RequestControl& request, const Lifetime& stored, std::uint16_t status,
                        Seconds now, const PolicyConfig& config) noexcept
{
    const bool is_error = status == 0 || status == 500 || (status >= 502 && status <= 504);
    if (!is_error || request.no_cache || (stored.flags & kNoCache) != 0) return false;
    const std::int64_t ttl = time_to_live(stored, now);
    if (ttl > 0) return true;
    if ((stored.flags & kMustRevalidate) != 0) return false;
    const std::int64_t explicitly = std::max(stored.stale_if_error, request.stale_if_error.value_or(0));
    if (explicitly != 0 && -ttl <= explicitly) return true;
    // A word from the origin or the operator, even that it is over now, leaves nothing to assume.
    const bool unsaid = !config.stale_if_error && (stored.flags & kNoStaleOnError) == 0;
    return status == 0 && unsaid && stored.freshness != 0 && -ttl <= config.stale_if_unreachable;
}

}
