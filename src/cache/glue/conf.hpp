#pragma once

#include <cstddef>
#include <vector>

#include "cache/glue/purge_link.hpp"
#include "cache/glue/zone_binding.hpp"
#include "cache/policy.hpp"
#include "http/query.hpp"
#include "nginx/ngx.hpp"
#include "redis/glue/redis_conf.hpp"

namespace edge::cache {

struct EncodeRule;
struct Invalidation;
struct PrivateRule;
struct RedisRule;

/// The cache's settings with C++ members, built by the directives of one location and inherited whole from
/// the enclosing one where a location says nothing.
struct Settings {
    PolicyConfig policy;
    std::vector<ZoneBinding*> purge_zones;  ///< edge_purge: the zones it acts on
};

/// The cache's part of a location's configuration; plain, so that nginx can zero it. Fields a directive has
/// not set keep NGX_CONF_UNSET… until merge().
struct LocConf {
    ngx_str_t zone_name;            ///< data nullptr = not said; "off" = no caching
    ngx_str_t zone_place;           ///< file:line where it was said
    ZoneBinding* zone;              ///< after merge(): nullptr = no caching here
    RedisRule* redis;               ///< edge_cache redis=; nullptr = not said
    ngx_http_complex_value_t* key;  ///< edge_cache_key; nullptr = scheme, host, port and URI
    const http::QueryRules* args;   ///< edge_cache_args, for the default key; nullptr = not said
    ngx_array_t* bypass;            ///< edge_cache_bypass: ngx_http_complex_value_t; empty = off
    ngx_array_t* no_store;          ///< edge_no_cache
    ngx_uint_t head;                ///< edge_cache_methods: HEAD is answered too
    ngx_array_t* valid;             ///< edge_cache_valid: ValidRule
    ngx_uint_t ignore_headers;      ///< IgnoreHeader bits
    ngx_uint_t ignore_client;       ///< IgnoreClient bits
    ngx_array_t* vary;              ///< edge_cache_vary: ngx_str_t, lower case
    time_t while_revalidate;        ///< edge_cache_stale; negative after merge = no default
    time_t if_error;
    ngx_uint_t refresh_ahead;         ///< its last part in percent; 0 = off
    ngx_flag_t collapse;              ///< edge_cache_collapse
    ngx_uint_t collapse_across;       ///< Across
    ngx_msec_t collapse_wait;         ///< the longest wait for another request's header
    ngx_int_t min_uses;               ///< edge_cache_min_uses
    ngx_flag_t shadow;                ///< edge_cache_shadow
    const Settings* settings;         ///< made by merge()
    ngx_array_t* tags;                ///< edge_cache_tag: ngx_http_complex_value_t; empty = off
    ngx_array_t* tag_headers;         ///< edge_cache_tag_header: ngx_str_t; empty = off
    ngx_uint_t purge;                 ///< edge_purge stands here; not inherited by locations
    ngx_array_t* purge_zones;         ///< ngx_str_t, as named
    ngx_str_t purge_place;            ///< file:line where it was said
    const PrivateRule* private_rule;  ///< edge_cache_private; nullptr = not said
    const EncodeRule* encode;         ///< edge_cache_encode; nullptr = not said
    Invalidation* invalidation;       ///< edge_cache_invalidate; nullptr = not said
    ngx_array_t* refill;              ///< edge_cache_refill: ngx_http_complex_value_t; empty = off
    ngx_flag_t derives;  ///< answers here may be made of others of the same URL; set by the module room
};

enum Across : ngx_uint_t { kAcrossZone, kAcrossRedis };

enum IgnoreHeader : ngx_uint_t {
    kIgnoreCacheControl = 1,
    kIgnoreExpires = 2,
    kIgnoreSetCookie = 4,
    kIgnoreVary = 8,
    kIgnoreTargeted = 16,
    kIgnoreHeadersNone = 1 << 16,  ///< set explicitly to nothing
};

enum IgnoreClient : ngx_uint_t {
    kIgnoreClientCacheControl = 1,
    kIgnoreClientPragma = 2,
    kIgnoreClientIfNoneMatch = 4,
    kIgnoreClientIfModifiedSince = 8,
    kIgnoreClientNone = 1 << 16,
};

/// All zones of a cycle, for lookup by name, the workers' start and the status page.
using Zones = std::vector<ZoneBinding*>;

/// What a configuration has at http level.
struct Known {
    const Zones& zones;
    const redis::AllSettings& redises;
    PurgeLinks& links;
};

/// Where this room's part lies in the module's location configuration; defined by the module room, which puts
/// the parts together.
extern const std::size_t kLocConfOffset;

inline LocConf& loc_conf(ngx_http_request_t& r) noexcept
{
    auto* whole = static_cast<char*>(ngx_http_get_module_loc_conf((&r), ngx_http_edge_module));
    return *reinterpret_cast<LocConf*>(whole + kLocConfOffset);
}

void init_loc_conf(LocConf& conf) noexcept;
/// Takes what `conf` does not say from `parent`, resolves the zone's name and builds the settings. An
/// NGX_CONF_ERROR is already logged with file and line.
char* merge_loc_conf(ngx_conf_t* cf, const Known& known, const LocConf& parent, LocConf& conf);

/// Warns where one block has both edge_cache_args and a key of its own. `own`: not merged yet.
void check_args(ngx_conf_t* cf, const LocConf& own);

// Directive setters; `conf` is the LocConf.
char* set_cache(ngx_conf_t* cf, LocConf& conf);
char* set_cache_key(ngx_conf_t* cf, LocConf& conf);
char* set_cache_args(ngx_conf_t* cf, LocConf& conf);
char* set_cache_valid(ngx_conf_t* cf, LocConf& conf);
char* set_cache_methods(ngx_conf_t* cf, LocConf& conf);
char* set_cache_bypass(ngx_conf_t* cf, LocConf& conf);
char* set_no_cache(ngx_conf_t* cf, LocConf& conf);
char* set_ignore_headers(ngx_conf_t* cf, LocConf& conf);
char* set_ignore_client(ngx_conf_t* cf, LocConf& conf);
char* set_cache_vary(ngx_conf_t* cf, LocConf& conf);
char* set_cache_stale(ngx_conf_t* cf, LocConf& conf);
char* set_cache_collapse(ngx_conf_t* cf, LocConf& conf);
char* set_cache_min_uses(ngx_conf_t* cf, LocConf& conf);
char* set_cache_shadow(ngx_conf_t* cf, LocConf& conf);
char* set_cache_tag(ngx_conf_t* cf, LocConf& conf);
char* set_cache_tag_header(ngx_conf_t* cf, LocConf& conf);
char* set_cache_invalidate(ngx_conf_t* cf, LocConf& conf);
char* set_cache_refill(ngx_conf_t* cf, LocConf& conf);
char* set_purge(ngx_conf_t* cf, LocConf& conf);
/// The part of merge_loc_conf in purge_conf.cpp; false: an error, logged.
bool merge_purge(ngx_conf_t* cf, const Zones& zones, const LocConf& parent, LocConf& conf,
                 Settings& settings);
/// across=redis needs one. false: there is none, said in the log.
bool check_across(ngx_conf_t* cf, const LocConf& conf);
/// edge_zone, at http level: adds to `zones`.
char* set_zone(ngx_conf_t* cf, Zones& zones);

}
