#pragma once

#include <memory>

#include "cache/purge_log.hpp"
#include "cache/purge_table.hpp"
#include "cache/zone.hpp"
#include "nginx/ngx.hpp"

namespace edge::cache {

struct PurgeLink;

/// One `edge_zone`: its nginx shared memory and this process's view of the store in it.
struct ZoneBinding {
    ngx_str_t name;
    ZoneShape asked;  ///< size= and max_object= as configured
    ZoneShape shape;  ///< what the store was made with: the memory less nginx's own part of it
    ngx_shm_zone_t* shm;
    void* memory;  ///< set when nginx has mapped the zone
    /// The counts of its keys' uses (UseCounts), when a location asks for edge_cache_min_uses.
    ngx_shm_zone_t* uses = nullptr;
    std::unique_ptr<Zone> view;  ///< in workers only; nullptr in the master and under `nginx -t`
    ngx_shm_zone_t* purge_shm = nullptr;
    bool has_others =
        false;  ///< under keys that a write to a URL does not find: per user, pictures made of it
    PurgeTable purges = {};     ///< in workers only
    PurgeLink* link = nullptr;  ///< the Redis through which other hosts hear of its purges
    ngx_shm_zone_t* following_shm = nullptr;
    PurgeLog log = {};  ///< in workers only, of a zone with a link
    PurgeTable following =
        {};  ///< the same: what was purged, numbered as in the log; for values out of Redis

    /// The store, when this worker may use it.
    Zone* store() const noexcept { return view && view->attached() ? view.get() : nullptr; }
};

/// Adds the shared memory. `conf` is the cycle's; nullptr: not possible, and said so in the log.
ZoneBinding* add_zone(ngx_conf_t* cf, ngx_str_t name, ZoneShape asked);

/// In a worker that starts: takes a slot in the zone. A zone whose slots are all taken is not used, with a
/// warning.
void attach_zone(ZoneBinding& zone, ngx_log_t* log);
/// In a worker that ends. Requests cut short keep their pins: the others clear those of a process that has
/// gone.
void detach_zone(ZoneBinding& zone) noexcept;

}
