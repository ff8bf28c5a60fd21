#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/field.hpp"

/// The decisions of a shared cache, written from RFC 9111 section by section. Everything here is a pure
/// function of its arguments: no clock, no log, no nginx.
///
/// Units: every time is Unix time in seconds, every age and lifetime a count of seconds.
/// Errors: none; malformed input has a defined, conservative meaning (RFC 9111 section 4.2.1).
namespace edge::cache {

using Seconds = std::int64_t;

/// What the request method means to a cache (RFC 9110 section 9.2, RFC 9111 section 4.4).
enum class Method : std::uint8_t {
    get,
    head,
    safe_other,  ///< OPTIONS, TRACE, PROPFIND and other methods registered as safe: never stored, invalidates
                 ///< nothing
    unsafe,      ///< POST, PUT, PATCH, DELETE and every unknown method: a non-error answer invalidates
};

Method classify_method(std::string_view method) noexcept;

/// Which origin header fields configuration tells us to act as if absent (edge_cache_ignore_headers).
struct IgnoredFields {
    bool cache_control = false;  ///< Cache-Control, Pragma
    bool expires = false;
    bool set_cookie =
        false;  ///< Set-Cookie no longer forbids storing; the field itself is still never stored
    bool vary = false;
    bool targeted = false;  ///< CDN-Cache-Control and the configured target
};

/// edge_cache_valid: freshness for one status where the origin gives none. status 0 = any.
struct ValidRule {
    std::uint16_t status;
    std::uint32_t seconds;
};

/// The configuration the policy depends on. Defaults are those of a location that says only `edge_cache
/// zone;`.
struct PolicyConfig {
    std::vector<ValidRule> valid = {};
    std::vector<std::string> targets = {
        "cdn-cache-control"};  ///< RFC 9213 target fields, strongest first, lower case
    IgnoredFields ignore = {};
    std::optional<std::uint32_t> stale_while_revalidate =
        {};  ///< default where the origin gives none (RFC 5861)
    std::optional<std::uint32_t> stale_if_error = {};
    std::uint32_t heuristic_percent = 10;     ///< of (Date - Last-Modified), RFC 9111 section 4.2.2; 0 = off
    std::uint32_t heuristic_max = 24 * 3600;  ///< seconds
    /// Seconds a response that was fresh once may answer past that when the origin can't be reached at all
    /// and neither it nor `stale_if_error` says anything (RFC 9111 section 4.2.4, "disconnected"); 0 = never.
    std::uint32_t stale_if_unreachable = 3600;
    bool ignore_client_cache_control = false;  ///< edge_cache_ignore_client Cache-Control
    bool ignore_client_pragma = false;
};

/// The request's own directives (RFC 9111 section 5.2.1, Pragma 5.4), parsed once a request.
struct RequestControl {
    std::optional<std::uint32_t> max_age = {};
    std::optional<std::uint32_t> min_fresh = {};
    std::optional<std::uint32_t> max_stale = {};  ///< UINT32_MAX when given without a value
    std::optional<std::uint32_t> stale_if_error = {};
    bool no_cache = false;
    bool no_store = false;
    bool only_if_cached = false;
};

/// What the store decision has to know of a request.
struct RequestFacts {
    Method method = Method::get;
    bool has_authorization = false;
    /// It carries a cookie that may stand for a session: only what the origin itself calls fresh or public is
    /// stored then; heuristics, edge_cache_valid and a bare validator do not do.
    bool has_cookie = false;
    bool has_range = false;  ///< the request that goes to the origin carries Range
    RequestControl control = {};
    /// edge_cache_private: what is stored is found by this very user only, verified. `private` is then no
    /// obstacle, nor are credentials and what varies by them. 401 and 403 are never stored, errors only where
    /// edge_cache_valid names their status.
    bool identified = false;
    /// Seconds that an answer to an identified request may be used from now, stale or not.
    std::uint32_t longest_use = 0;
};

/// `fields`: the request's header lines; only Cache-Control and Pragma are read.
RequestControl parse_request_control(http::Fields fields, const PolicyConfig& config);

/// The part of a stored response that freshness depends on. Plain and fixed-width: it is kept in shared
/// memory.
struct Lifetime {
    std::int64_t response_time;           ///< when the answer (or the validating 304) arrived
    std::uint32_t corrected_initial_age;  ///< RFC 9111 section 4.2.3
    std::uint32_t freshness;              ///< freshness lifetime, section 4.2.1/4.2.2
    std::uint32_t stale_while_revalidate;
    std::uint32_t stale_if_error;
    std::uint32_t flags;  ///< LifetimeFlag
};

enum LifetimeFlag : std::uint32_t {
    kMustRevalidate =
        1,  ///< must-revalidate, proxy-revalidate or s-maxage: never stale (5.2.2.2, 5.2.2.8, 5.2.2.10)
    kNoCache = 2,          ///< unqualified no-cache: validate before every use (5.2.2.4)
    kHeuristic = 4,        ///< the lifetime is a guess
    kHasValidator = 8,     ///< an ETag or Last-Modified is stored
    kNoStaleOnError = 16,  ///< the origin gave a stale-if-error, be it 0, or an expiry that leaves doubt
};

/// Bounds it to `longest` seconds of use from when it came, stale or not.
void limit_use(Lifetime& lifetime, std::uint32_t longest) noexcept;
/// Age in seconds at `now` (section 4.2.3), never negative, at most 2^31 - 1.
std::uint32_t current_age(const Lifetime& lifetime, Seconds now) noexcept;
/// Seconds of freshness left at `now`; negative when stale.
std::int64_t time_to_live(const Lifetime& lifetime, Seconds now) noexcept;

/// The response as the origin sent it.
struct ResponseFacts {
    std::uint16_t status = 200;
    http::Fields fields = {};   ///< all of the origin's lines, nothing hidden
    Seconds request_time = 0;   ///< when our request left
    Seconds response_time = 0;  ///< when the header arrived
};

enum class NotStored : std::uint8_t {
    stored,             ///< it may be stored
    method,             ///< not GET or HEAD
    request_no_store,   ///< section 5.2.1.5
    response_no_store,  ///< 5.2.2.5
    response_private,   ///< 5.2.2.7
    authorization,      ///< section 3.5
    set_cookie,
    cookie,        ///< the request had one, and the origin does not say that the answer is anybody's
    vary_star,     ///< section 4.1
    status,        ///< status not understood, 206, 304, or without freshness not cacheable by default
    no_freshness,  ///< nothing says how long, and nothing to validate it with
    malformed,     ///< contradictory or broken in a way that leaves doubt (I4)
    too_large,     ///< decided by the store
    no_room,       ///< decided by the store
    uses,          ///< decided by the store: the key is not asked for often enough yet
    incomplete,    ///< the body was cut short, or its end cannot be told (RFC 9111 section 3.3)
    tags,          ///< it has more than can be kept to purge it by
    token,         ///< edge_cache_private: nobody knows whose it is
    other,
};

/// A short token for logs, counters and Cache-Status `detail`.
std::string_view reason_name(NotStored reason) noexcept;

struct StoreVerdict {
    NotStored reason = NotStored::other;
    Lifetime lifetime{};
    bool store() const noexcept { return reason == NotStored::stored; }
};

/// Whether the response may be stored and for how long it is fresh (RFC 9111 section 3, 3.5, 4.2, 5.2, 5.3;
/// RFC 5861; RFC 9213).
StoreVerdict may_store(const RequestFacts& request, const ResponseFacts& response,
                       const PolicyConfig& config);

/// The same for a stored response with this status after a 304: `merged` is what merge_304 made, `received`
/// the 304 itself, whose Date, Age and times alone tell how old the response now is (RFC 9111 section 4.3.4).
/// When it may not be stored any longer (a 304 can bring no-store), it is to be removed; but for
/// `authorization` and `cookie` it may stay as it was: what this client was told about it is not for others.
StoreVerdict may_update(const RequestFacts& request, std::uint16_t stored_status, http::Fields merged,
                        const ResponseFacts& received, const PolicyConfig& config);

enum class Reuse : std::uint8_t {
    fresh,                   ///< send it
    stale_allowed,           ///< stale, but the client's max-stale allows it: send it
    stale_while_revalidate,  ///< stale inside the window: send it, revalidate behind it
    validate,                ///< ask the origin with the stored validators (or in full when there are none)
    gateway_timeout,         ///< only-if-cached and not usable: 504 (5.2.1.7)
};

/// Why a stored response could not be used as it is: Cache-Status `fwd` (RFC 9211 section 2.2).
enum class Forward : std::uint8_t {
    none,
    uri_miss,
    vary_miss,
    stale,
    request,
    bypass,
    method,
    partial,
    miss
};
std::string_view forward_name(Forward forward) noexcept;

struct ReuseVerdict {
    Reuse reuse;
    Forward forward;    ///< none when it is sent without asking
    std::uint32_t age;  ///< seconds, for the Age field
    std::int64_t ttl;   ///< seconds, for Cache-Status ttl; negative when stale
};

/// What to do with a stored response that matches the request (RFC 9111 section 4.2.4, 5.2.1; RFC 5861).
ReuseVerdict may_reuse(const RequestControl& request, const Lifetime& stored, Seconds now,
                       const PolicyConfig& config) noexcept;

/// Whether a stale stored response may answer instead of an error: a 500, 502, 503 or 504 from the origin, or
/// no answer at all (RFC 5861 section 4, RFC 9111 section 4.2.4). `status` 0 = the origin could not be
/// reached.
bool may_serve_on_error(const RequestControl& request, const Lifetime& stored, std::uint16_t status,
                        Seconds now, const PolicyConfig& config) noexcept;

/// Field names (lower case) that are not kept with a stored response: hop-by-hop fields, those Connection
/// lists (RFC 9110 section 7.6.1), Set-Cookie, the ones named by no-cache="…" and private="…", and the fields
/// the cache makes itself (Age, Cache-Status is appended to, not replaced).
class UnstoredFields {
public:
    explicit UnstoredFields(http::Fields response, const PolicyConfig& config);
    bool contains(std::string_view name) const noexcept;  ///< any case

private:
    std::vector<std::string> named_;
};

/// RFC 9111 section 3.2 for a 304: the stored lines with those of the 304 replacing lines of the same name.
/// Content-Length, Content-Encoding, Content-Range, Transfer-Encoding, hop-by-hop fields and the like stay as
/// stored. Views of the result point into both inputs.
std::vector<http::Field> merge_304(http::Fields stored, http::Fields received, const PolicyConfig& config);

/// Section 4.3.4: whether a 304 that came for a request with our validators selects this stored response. A
/// 304 with a strong ETag that is not the stored one, or with another Last-Modified, does not.
bool selects_stored(http::Fields stored, http::Fields received_304);

/// Section 4.3.5: whether the answer to a HEAD shows that the stored GET answer is out of date (another
/// length, ETag or Last-Modified); such a response is no longer used.
bool head_contradicts(http::Fields stored, std::uint64_t stored_length, http::Fields head);

/// Whether an answer with this status to an unsafe request invalidates (section 4.4: non-error, 2xx or 3xx).
bool invalidates(Method method, std::uint16_t status) noexcept;

/// Section 4.4: a Location or Content-Location value resolved against the request's own URI, if it has the
/// same origin. `base` and the result: scheme "://" authority path-and-query, no fragment, scheme and host in
/// lower case, the default port dropped. std::nullopt: another origin or not a reference we understand.
std::optional<std::string> same_origin_target(std::string_view base, std::string_view reference);

/// How the client's conditional fields (RFC 9110 section 13.2.2) judge a selected response.
enum class Precondition : std::uint8_t { send, not_modified, failed };

/// `if_none_match` wins over `if_modified_since` (13.1.3). Values are the joined field lines, nullopt =
/// absent. `etag`, `last_modified` and `date` are the response's own field values; `date` stands in where
/// there is no Last-Modified (RFC 9111 section 4.3.2). `now` places two-digit years only; 0 = about the
/// response's own dates. Only GET and HEAD ask. If-Match and If-Unmodified-Since are left to the origin: a
/// request that carries them is not answered from the cache.
Precondition evaluate_precondition(std::optional<std::string_view> if_none_match,
                                   std::optional<std::string_view> if_modified_since,
                                   std::optional<std::string_view> etag,
                                   std::optional<std::string_view> last_modified,
                                   std::optional<std::string_view> date = std::nullopt,
                                   Seconds now = 0) noexcept;

/// RFC 9110 section 13.1.5: whether Range may be honoured. `if_range` nullopt = true.
bool range_applies(std::optional<std::string_view> if_range, std::optional<std::string_view> etag,
                   std::optional<std::string_view> last_modified,
                   std::optional<std::string_view> date) noexcept;

}
