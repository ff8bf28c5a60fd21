#pragma once

#include <optional>
#include <string>

#include "cache/glue/purge_link.hpp"
#include "cache/glue/request.hpp"
#include "cache/purge_table.hpp"

/// Tags and purges of client requests; what they mean is in cache/purge_table.hpp.
namespace edge::cache {

// purge_binding.cpp
/// Adds the shared memory of the zone's purge table. It has one size whatever the zone's is, so that it
/// outlives reloads that change the zone: old workers and new ones see the same purges. false: not possible,
/// and said so in the log.
bool add_purge_table(ngx_conf_t* cf, ZoneBinding& zone);

// purge_tags.cpp
/// The text by which a request's URL is purged: host[:port] path-and-query, as it stands in the key unless
/// that is one of the operator's own.
std::string purge_url(ngx_http_request_t& r, const LocConf& conf, std::string_view key);
/// The tags of the answer to `q`. `before`: those of the stored response a 304 renews; what the 304 does not
/// say stays. std::nullopt: too many.
std::optional<StoredTags> collect_tags(Request& q, http::Fields origin, const StoredTags* before = nullptr);
/// Takes the fields of edge_cache_tag_header out of what the client sees, and of what is stored.
void hide_tag_fields(Request& q);
/// An unsafe request was answered: its URL, and what else `targets` names by keys, were written to.
std::uint64_t purge_written(Request& q, std::string_view key);
/// The groups that an answer to an unsafe request invalidates (RFC 9875 section 3).
void purge_groups(Request& q);

// purge_check.cpp
/// Whether the stored object was purged. A dead one is removed; of a stale one `q.stale_since` is noted.
bool is_purged(Request& q, const Pin& object, const Stored& stored);
/// Whether a stored response that has tags may not be used because this host does not know what other hosts
/// have purged lately. Never in a location without redis=.
bool is_out_of_touch(const Request& q, const Stored& stored) noexcept;
/// The lifetime of the object found, as soft purges left it.
Lifetime lifetime_now(const Request& q, const Stored& stored) noexcept;
/// How far this host knows all purges now: for a value in Redis that is made of an answer asked for now.
ValuePosition position_now(const Request& q) noexcept;
/// What is to be thought of an object out of Redis whose value carries `at`.
Judgement judge_value(const Request& q, const ValuePosition& at, Purgeable object) noexcept;
/// The object out of Redis is complete: it can be found from now on. Its sequence was taken before Redis was
/// asked. false: a purge or a write overtook it.
bool arrive_promoted(Request& q, Fill fill);
/// The body of `q.fill` is complete: makes it `q.object`, which can be found, unless a purge or a write
/// overtook it. Whether it can.
bool arrive(Request& q);

// purge_handler.cpp
/// Answers a request that purges. NGX_DECLINED: it is none.
ngx_int_t on_purge(ngx_http_request_t& r, const LocConf& conf);

}
