#include <algorithm>
#include <array>

#include "cache/policy.hpp"
#include "cache/policy_control.hpp"
#include "http/cache_control.hpp"
#include "http/etag.hpp"
#include "http/http_date.hpp"
#include "http/list.hpp"
#include "http/token.hpp"
#include "http/vary.hpp"

namespace edge::cache {
namespace {

using http::equal_fold;

// What a response that is to be judged consists of. After a 304 the age comes from other lines than the rest.
struct Judged {
    std::uint16_t status;
    http::Fields fields;
    http::Fields dated_by;  // whose Date and Age count
    Seconds request_time;
    Seconds response_time;
};

struct Lines {
    std::size_t count = 0;
    bool differ = false;
    std::string_view value;
};

Lines lines_of(http::Fields fields, std::string_view name)
{
    Lines lines;
    for (const http::Field& field : fields) {
        if (!equal_fold(field.name, name)) continue;
        if (lines.count++ == 0)
            lines.value = field.value;
        else
            lines.differ = lines.differ || field.value != lines.value;
    }
    return lines;
}

std::optional<Seconds> date_of(http::Fields fields, std::string_view name, Seconds now)
{
    const Lines lines = lines_of(fields, name);
    if (lines.count == 0 || lines.differ) return std::nullopt;
    return http::parse_http_date(lines.value, now);
}

// RFC 9110 section 6.6.1: without a usable Date the response was made when it arrived.
Seconds date_value(const Judged& response)
{
    return date_of(response.dated_by, "date", response.response_time).value_or(response.response_time);
}

// RFC 9111 section 5.1: the first member counts; if that is not a number there is no Age.
std::uint32_t age_value(http::Fields fields)
{
    for (const http::Field& field : fields) {
        if (!equal_fold(field.name, "age")) continue;
        http::ListCursor members{field.value};
        if (const auto first = members.next()) return http::parse_delta_seconds(*first).value_or(0);
    }
    return 0;
}

// Section 4.2.3.
std::uint32_t corrected_initial_age(const Judged& response)
{
    const Seconds apparent = response.response_time - date_value(response);
    const Seconds delay = std::max<Seconds>(0, response.response_time - response.request_time);
    const Seconds corrected = age_value(response.dated_by) + delay;
    return static_cast<std::uint32_t>(
        std::clamp<Seconds>(std::max(apparent, corrected), 0, http::kMaxDeltaSeconds));
}

// These are about the one request they answer, or RFC 6585 says that caches don't store them.
constexpr std::array<std::uint16_t, 9> kNeverStored = {206, 304, 407, 412, 416, 428, 429, 431, 511};

bool never_stored(std::uint16_t status)
{
    return status < 200 || status > 999 ||
           std::find(kNeverStored.begin(), kNeverStored.end(), status) != kNeverStored.end();
}

// RFC 9110 section 15.1, without 206.
constexpr std::array<std::uint16_t, 11> kHeuristicStatus = {200, 203, 204, 300, 301, 308,
                                                            404, 405, 410, 414, 501};

bool heuristically_cacheable(std::uint16_t status)
{
    return std::find(kHeuristicStatus.begin(), kHeuristicStatus.end(), status) != kHeuristicStatus.end();
}

// Section 5.2.2.3: the final codes of RFC 9110 whose demands on a cache we meet.
bool understood(std::uint16_t status)
{
    if (never_stored(status)) return false;
    return (status >= 200 && status <= 205) || (status >= 300 && status <= 303) || status == 307 ||
           status == 308 || (status >= 400 && status <= 417) || status == 421 || status == 422 ||
           status == 426 || (status >= 500 && status <= 505);
}

struct Freshness {
    enum class Source { origin, configured, heuristic, none };
    Source source = Source::none;
    std::uint32_t seconds = 0;
    bool doubtful = false;
    bool declined = false;  // edge_cache_valid says 0 for this status
};

std::uint32_t clamp_lifetime(Seconds seconds)
{
    return static_cast<std::uint32_t>(std::clamp<Seconds>(seconds, 0, http::kMaxDeltaSeconds));
}

// Section 5.3: what is not a date, "0" above all, lies in the past.
Freshness from_expires(const Lines& expires, const Judged& response)
{
    Freshness freshness{.source = Freshness::Source::origin};
    const auto time = http::parse_http_date(expires.value, response.response_time);
    if (time && !expires.differ) freshness.seconds = clamp_lifetime(*time - date_value(response));
    freshness.doubtful = expires.differ;
    return freshness;
}

// Section 4.2.2. A Date ahead of our clock must not make the response look older, and so longer-lived, than
// it is.
std::uint32_t heuristic_lifetime(const Judged& response, const PolicyConfig& config)
{
    const auto modified = date_of(response.fields, "last-modified", response.response_time);
    if (!modified) return 0;
    const Seconds made = std::min(date_value(response), response.response_time);
    if (made <= *modified) return 0;
    // The widest span, 10000 years, times this stays within 64 bits.
    const Seconds percent = std::min<Seconds>(config.heuristic_percent, 1000);
    const Seconds share = (made - *modified) * percent / 100;
    return static_cast<std::uint32_t>(std::min<Seconds>(share, config.heuristic_max));
}

// Section 4.2.1, then edge_cache_valid, then 4.2.2.
Freshness freshness_of(const ResponseControl& control, const Judged& response, const PolicyConfig& config)
{
    for (const Delta* given : {&control.s_maxage, &control.max_age})
        if (given->present)
            return {
                .source = Freshness::Source::origin, .seconds = given->value(), .doubtful = given->doubtful};
    if (!control.targeted && !config.ignore.expires) {
        const Lines expires = lines_of(response.fields, "expires");
        if (expires.count != 0) return from_expires(expires, response);
    }
    for (const ValidRule& rule : config.valid)
        if (rule.status == 0 || rule.status == response.status)
            return {.source = Freshness::Source::configured,
                    .seconds = rule.seconds,
                    .declined = rule.seconds == 0};
    if (heuristically_cacheable(response.status) || control.is_public) {
        const std::uint32_t seconds = heuristic_lifetime(response, config);
        if (seconds != 0) return {.source = Freshness::Source::heuristic, .seconds = seconds};
    }
    return {};
}

bool withholds(const ResponseControl& control, std::string_view name)
{
    return std::find(control.withheld.begin(), control.withheld.end(), name) != control.withheld.end();
}

bool has_validator(const Judged& response, const ResponseControl& control)
{
    const Lines etag = lines_of(response.fields, "etag");
    if (etag.count != 0 && !etag.differ && !withholds(control, "etag") && http::parse_entity_tag(etag.value))
        return true;
    return !withholds(control, "last-modified") &&
           date_of(response.fields, "last-modified", response.response_time).has_value();
}

// A message that strips what its own body needs is broken (RFC 9110 section 7.6.1).
bool connection_lists_essentials(http::Fields fields)
{
    for (const http::Field& field : fields) {
        if (!equal_fold(field.name, "connection")) continue;
        if (equal_fold(field.value, "keep-alive") || equal_fold(field.value, "close")) continue;
        http::ListCursor members{field.value};
        while (const auto member = members.next())
            for (std::string_view name : {"cache-control", "content-encoding", "content-type", "vary"})
                if (equal_fold(*member, name)) return true;
    }
    return false;
}

NotStored forbidden(const RequestFacts& request, const Judged& response, const ResponseControl& control)
{
    if (request.method != Method::get && request.method != Method::head) return NotStored::method;
    if (request.control.no_store) return NotStored::request_no_store;
    if (never_stored(response.status)) return NotStored::status;
    if (control.unreadable) return NotStored::malformed;
    if (control.must_understand && !understood(response.status)) return NotStored::status;
    if (control.no_store && !control.must_understand) return NotStored::response_no_store;
    if (control.for_one && !request.identified) return NotStored::response_private;
    if (connection_lists_essentials(response.fields)) return NotStored::malformed;
    return NotStored::stored;
}

// Whether it sets a cookie and the origin does not say that the rest is for everybody: by a directive for
// shared caches, or by naming the field that is not.
bool sets_cookie(const RequestFacts& request, const Judged& response, const ResponseControl& control,
                 const PolicyConfig& config)
{
    if (config.ignore.set_cookie || lines_of(response.fields, "set-cookie").count == 0) return false;
    // What is for all others says nothing of who has a session already.
    if (request.identified) return true;
    return !control.is_public && !control.s_maxage.valid() && !control.targeted &&
           !withholds(control, "set-cookie");
}

// An app that marks all it says as public marks its errors too, and what one user may not see depends on who
// has changed it.
NotStored error_of_one(const RequestFacts& request, std::uint16_t status, const PolicyConfig& config)
{
    if (!request.identified || status < 400) return NotStored::stored;
    if (status == 401 || status == 403) return NotStored::status;
    const bool named = std::any_of(config.valid.begin(), config.valid.end(), [status](const ValidRule& rule) {
        return rule.status == status && rule.seconds != 0;
    });
    return named ? NotStored::stored : NotStored::status;
}

NotStored personal(const RequestFacts& request, const Judged& response, const ResponseControl& control,
                   const Freshness& freshness, const PolicyConfig& config)
{
    const http::Vary vary = config.ignore.vary ? http::Vary{} : http::parse_vary(response.fields);
    if (vary.star) return NotStored::vary_star;
    if (request.has_authorization && !request.identified) {
        // An answer that depends on who asks is not one for a store whose key the client writes (I4).
        const bool depends =
            std::find(vary.names.begin(), vary.names.end(), "authorization") != vary.names.end();
        if (!control.authorization || depends) return NotStored::authorization;
    }
    if (sets_cookie(request, response, control, config)) return NotStored::set_cookie;
    const bool for_anybody =
        control.is_public || (freshness.source == Freshness::Source::origin && freshness.seconds != 0);
    if (request.has_cookie && !request.identified && !for_anybody) return NotStored::cookie;
    return NotStored::stored;
}

// The origin's window; where it gives none and leaves no doubt, the configured one.
std::uint32_t window_of(const Delta& given, std::optional<std::uint32_t> configured, bool doubtful)
{
    if (given.present) return given.value();
    return doubtful ? 0 : configured.value_or(0);
}

Lifetime lifetime_of(const Judged& response, const ResponseControl& control, const Freshness& freshness,
                     const PolicyConfig& config)
{
    Lifetime lifetime{};
    lifetime.response_time = response.response_time;
    lifetime.corrected_initial_age = corrected_initial_age(response);
    lifetime.freshness = freshness.seconds;
    if (control.must_revalidate || control.proxy_revalidate || control.s_maxage.present)
        lifetime.flags |= kMustRevalidate;
    if (control.no_cache) lifetime.flags |= kNoCache;
    if (freshness.source == Freshness::Source::heuristic) lifetime.flags |= kHeuristic;
    if (has_validator(response, control)) lifetime.flags |= kHasValidator;
    if ((lifetime.flags & (kMustRevalidate | kNoCache)) != 0) return lifetime;

    // A window after a lifetime of nothing would be a lifetime; only the origin may give that.
    const auto revalidate = freshness.seconds != 0 ? config.stale_while_revalidate : std::nullopt;
    lifetime.stale_while_revalidate =
        window_of(control.stale_while_revalidate, revalidate, freshness.doubtful);
    lifetime.stale_if_error = window_of(control.stale_if_error, config.stale_if_error, freshness.doubtful);
    if (control.stale_if_error.present || freshness.doubtful) lifetime.flags |= kNoStaleOnError;
    return lifetime;
}

// What an identified request may use it for ends with its time, whatever the origin and the configuration
// say.
bool of_any_use(const Lifetime& lifetime)
{
    if ((lifetime.flags & kHasValidator) != 0) return true;
    if ((lifetime.flags & kNoCache) != 0) return false;
    return lifetime.freshness != 0 || lifetime.stale_while_revalidate != 0 || lifetime.stale_if_error != 0;
}

StoreVerdict judge(const RequestFacts& request, const Judged& response, const PolicyConfig& config)
{
    const ResponseControl control = read_control(response.fields, config);
    if (const NotStored reason = forbidden(request, response, control); reason != NotStored::stored)
        return {.reason = reason};
    if (const NotStored reason = error_of_one(request, response.status, config); reason != NotStored::stored)
        return {.reason = reason};
    const Freshness freshness = freshness_of(control, response, config);
    if (const NotStored reason = personal(request, response, control, freshness, config);
        reason != NotStored::stored)
        return {.reason = reason};
    // Section 3: something has to say that it may be stored.
    if (freshness.source == Freshness::Source::none && !control.is_public &&
        !heuristically_cacheable(response.status))
        return {.reason = NotStored::status};
    if (freshness.declined) return {.reason = NotStored::no_freshness};
    Lifetime lifetime = lifetime_of(response, control, freshness, config);
    if (request.identified) limit_use(lifetime, request.longest_use);
    if (!of_any_use(lifetime))
        return {.reason = freshness.doubtful ? NotStored::malformed : NotStored::no_freshness};
    return {.reason = NotStored::stored, .lifetime = lifetime};
}

}

void limit_use(Lifetime& lifetime, std::uint32_t longest) noexcept
{
    const std::uint64_t end = std::uint64_t{lifetime.corrected_initial_age} + longest;
    lifetime.freshness = static_cast<std::uint32_t>(std::min<std::uint64_t>(lifetime.freshness, end));
    const std::uint64_t fresh_until = std::max(lifetime.freshness, lifetime.corrected_initial_age);
    const auto left = static_cast<std::uint32_t>(end - std::min(fresh_until, end));
    lifetime.stale_while_revalidate = std::min(lifetime.stale_while_revalidate, left);
    lifetime.stale_if_error = std::min(lifetime.stale_if_error, left);
    lifetime.flags |= kNoStaleOnError;
}

StoreVerdict may_store(const RequestFacts& request, const ResponseFacts& response, const PolicyConfig& config)
{
    return judge(request,
                 {.status = response.status,
                  .fields = response.fields,
                  .dated_by = response.fields,
                  .request_time = response.request_time,
                  .response_time = response.response_time},
                 config);
}

StoreVerdict may_update(const RequestFacts& request, std::uint16_t stored_status, http::Fields merged,
                        const ResponseFacts& received, const PolicyConfig& config)
{
    return judge(request,
                 {.status = stored_status,
                  .fields = merged,
                  .dated_by = received.fields,
                  .request_time = received.request_time,
                  .response_time = received.response_time},
                 config);
}

std::string_view reason_name(NotStored reason) noexcept
{
    switch (reason) {
        case NotStored::stored:
            return "stored";
        case NotStored::method:
            return "method";
        case NotStored::request_no_store:
            return "request-no-store";
        case NotStored::response_no_store:
            return "no-store";
        case NotStored::response_private:
            return "private";
        case NotStored::authorization:
            return "authorization";
        case NotStored::set_cookie:
            return "set-cookie";
        case NotStored::cookie:
            return "cookie";
        case NotStored::vary_star:
            return "vary";
        case NotStored::status:
            return "status";
        case NotStored::no_freshness:
            return "no-freshness";
        case NotStored::malformed:
            return "malformed";
        case NotStored::too_large:
            return "too-large";
        case NotStored::no_room:
            return "no-room";
        case NotStored::uses:
            return "uses";
        case NotStored::incomplete:
            return "incomplete";
        case NotStored::tags:
            return "tags";
        case NotStored::token:
            return "token";
        case NotStored::other:
            break;
    }
    return "other";
}

}
