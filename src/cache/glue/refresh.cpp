#include <algorithm>
#include <charconv>

#include "cache/glue/request.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"

namespace edge::cache {

namespace {

/// How long one process alone may renew an object. Also the pause after an attempt that failed.
constexpr std::uint32_t kLease = 10;

/// A lifetime must be this long, in seconds, for its last part to be worth a thought.
constexpr std::uint32_t kShortest = 2;
/// Asked for so often since it came, as the zone counts for eviction (0 to 3).
constexpr unsigned kHot = 2;

std::uint64_t mix(std::uint64_t x) noexcept
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdU;
    return x ^ x >> 33;
}

/// The length of the whole, from "bytes 0-1023/146515" (RFC 9110 section 14.4); -1: not said.
std::int64_t complete_length(http::Fields fields) noexcept
{
    for (const http::Field& field : fields) {
        if (!ngx::equals_ignoring_case(field.name, "Content-Range")) continue;
        const std::size_t slash = field.value.find('/');
        if (slash == std::string_view::npos) return -1;
        const std::string_view digits = field.value.substr(slash + 1);
        std::int64_t length = -1;
        const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), length);
        return result.ec == std::errc{} && result.ptr == digits.data() + digits.size() ? length : -1;
    }
    return -1;
}

}

bool refresh_is_due(const Request& q, const Lifetime& lifetime, std::int64_t ttl) noexcept
{
    const auto percent = static_cast<std::uint64_t>(q.conf->refresh_ahead);
    if (percent == 0 || lifetime.freshness < kShortest) return false;
    // Between half of the configured part and all of it; at least the last second.
    const std::uint64_t part = std::uint64_t{lifetime.freshness} * percent * 10;
    const std::uint64_t jitter =
        mix(q.selected.low ^ static_cast<std::uint64_t>(lifetime.response_time)) % 512;
    const std::uint64_t window = std::max<std::uint64_t>(part * (512 + jitter) / 1024 / 1000, 1);
    return ttl <= static_cast<std::int64_t>(window) && q.object.uses() >= kHot;
}

void fetch_whole(Request& q)
{
    const auto origin = origin_fields(q.r);
    const std::int64_t length = complete_length(origin);
    if (length < 0 || static_cast<std::uint64_t>(length) > q.conf->zone->shape.max_object) return;
    RequestFacts facts = q.facts;
    facts.has_range = false;
    const StoreVerdict verdict = may_store(
        facts,
        {.status = NGX_HTTP_OK, .fields = origin, .request_time = q.asked_at, .response_time = ngx_time()},
        q.conf->settings->policy);
    if (!verdict.store() || time_to_live(verdict.lifetime, ngx_time()) <= 0) return;
    static_cast<void>(ngx::start_detached(q.r, {[](void*) noexcept {}, nullptr}));
}

Refresh start_refresh(Request& q)
{
    if (!q.zone->claim_update(q.object, ngx_time(), kLease)) return Refresh::under_way;
    const ngx::DetachedTask task{[](void*) noexcept {}, nullptr};
    return ngx::start_detached(q.r, task) ? Refresh::under_way : Refresh::impossible;
}

}
