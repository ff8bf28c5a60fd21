#pragma once

#include <cstdint>

#include "cache/glue/request.hpp"
#include "redis/glue/redis_conf.hpp"

/// The second level: what other hosts, and this one before, have stored in Redis. What is found there is
/// copied into the zone, mostly when it is sent; what is stored in the zone is sent there behind the answer.
/// Redis never is a reason for an error, nor for a wait longer than its time-out (redis/glue/client.hpp).
namespace edge::cache {

/// What edge_cache says of Redis; in the cycle's pool.
struct RedisRule {
    ngx_str_t name{};
    const redis::Settings* settings = nullptr;  ///< after resolve_redis()
    std::uint64_t max = 1024 * 1024;            ///< bytes of the largest body that goes there
    std::uint32_t part = 256 * 1024;            ///< bytes of a body that is not cut into parts
    ngx_uint_t min_uses = 1;                    ///< of its key on this host before it goes there
};

// redis_level_conf.cpp
/// A further argument of edge_cache. false: it is none of ours, said in the log.
bool take_redis_argument(ngx_conf_t* cf, LocConf& conf, const ngx_str_t& argument);
/// At the end of the arguments. false: something is missing, said in the log.
bool check_redis_arguments(ngx_conf_t* cf, const LocConf& conf);
/// In merge_loc_conf: the name becomes settings, and the zone's purges go that way. false: there is none of
/// that name, or the zone has another, said in the log.
bool resolve_redis(ngx_conf_t* cf, const Known& known, LocConf& conf);

// redis_lookup.cpp
/// Instead of forward(): asks Redis first, where the location has one that may have an answer. NGX_AGAIN: the
/// phase handler is called again, and goes to after_redis().
ngx_int_t ask_redis(Request& q);
/// The same once more, for what another host may have stored meanwhile. NGX_DECLINED: it can't be asked.
ngx_int_t ask_redis_again(Request& q);
/// The phase handler again, when Redis has answered or will not.
ngx_int_t after_redis(Request& q);
/// `q.passing` has been sent, as far as its client takes it: into the zone. Without room there, nothing
/// happens.
void keep_passing(Request& q) noexcept;

// redis_store.cpp
/// `q.object` was just stored or renewed as `meta` says: to Redis, behind the answer.
/// false: it does not go there.
bool store_in_redis(Request& q, std::span<const std::byte> meta);
/// What is no longer to be used is not found in Redis either, soon.
void forget_in_redis(Request& q);
/// The number of a vary record that other hosts will use too.
std::uint64_t shared_number();

}
