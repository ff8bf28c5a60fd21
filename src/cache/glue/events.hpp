#pragma once

#include <cstdint>
#include <string_view>

#include "cache/policy.hpp"
#include "http/accept_encoding.hpp"

namespace edge::cache {

/// How a request was answered: $edge_cache_status and the counters. none = the cache was not asked.
enum class Status : std::uint8_t { none, hit, miss, stale, updating, revalidated, expired, bypass, pass };

enum class Count : std::uint8_t {
    bytes_served,  ///< body bytes sent out of the zone
    bytes_stored,
    fill_started,
    fill_finished,
    fill_aborted,
    validated_304,
    validated_200,
    validation_failed,  ///< the origin answered with an error, or not at all
    invalidated,
    served_on_error,
    not_modified,     ///< 304 to a client, judged by us
    partial,          ///< 206 out of the zone
    gateway_timeout,  ///< only-if-cached
    refilled,         ///< edge_cache_refill: asked for again after a write
    collapsed,        ///< answered with what another request was asking for
    shadow_same,      ///< edge_cache_shadow: the stored answer would have been the origin's
    shadow_different,
    shadow_miss,  ///< nothing would have been sent from the zone
    purged_tags,  ///< named to be purged
    purged_urls,
    purged_prefixes,
    purged_all,
    purged_groups,
    purged_found,     ///< stored responses found dead
    dead_on_arrival,  ///< overtaken by a purge or a write while being stored
    redis_hit,        ///< found in Redis
    redis_miss,
    redis_failed,    ///< Redis was not to be asked, or did not answer in time
    redis_unusable,  ///< what it answered is no value of ours, or the zone has no room for it
    redis_stored,    ///< on its way there
    redis_dropped,   ///< not sent: Redis is not to be asked, or too much is under way
    redis_bytes_read,
    redis_bytes_written,
    encodings_useless,  ///< edge_cache_encode: the result was no smaller
    encodings_failed,   ///< or could not be made
    encodings_dropped,  ///< too many were waiting
    token_verified,     ///< edge_cache_private
    token_remembered,
    token_absent,  ///< from here on refused, in the order of jwt::Verdict
    token_too_large,
    token_malformed,
    token_algorithm,
    token_critical,
    token_type,
    token_key,
    token_signature,
    token_expired,
    token_not_yet,
    token_claim,
};

/// What the cache tells whoever counts. Called from the request path: must be quick and must not throw.
struct Observer {
    void (*answered)(Status status, Forward why) noexcept;
    void (*not_stored)(NotStored reason) noexcept;
    void (*counted)(Count what, std::uint64_t n) noexcept;
    void (*origin_answered)(std::uint64_t microseconds) noexcept;
    /// A body of `before` bytes was encoded, in a thread.
    void (*encoded)(http::Coding coding, std::uint64_t before, std::uint64_t after,
                    std::uint64_t microseconds) noexcept;
    /// A stored variant goes out, so much smaller than the response it was made from.
    void (*sent_encoded)(http::Coding coding, std::uint64_t saved) noexcept;
};

/// The value of $edge_cache_status; empty for none.
std::string_view status_name(Status status) noexcept;

/// Set once, by the module room, before the first request; no member is ever nullptr.
extern constinit Observer observer;

}
