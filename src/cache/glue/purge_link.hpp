#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "cache/glue/zone_binding.hpp"
#include "cache/purge_table.hpp"
#include "redis/glue/settings.hpp"

/// Zones whose purges reach all hosts that share a Redis: edge_cache ZONE redis=NAME.
namespace edge::cache {

class PurgeFeed;

/// One edge_redis that some zone is linked with, and the log of purges in it. In the cycle's pool.
struct PurgeLink {
    const redis::Settings* redis;
    ngx_shm_zone_t* shm;  ///< a PurgeLog
    std::vector<ZoneBinding*> zones;
    PurgeFeed* feed = nullptr;  ///< in workers only
};
using PurgeLinks = std::vector<PurgeLink*>;

/// A location uses `zone` with `redis`, as said at `place`. false: another one uses it with another Redis, or
/// there is no memory; said in the log.
bool link_zone(ngx_conf_t* cf, PurgeLinks& links, ZoneBinding& zone, const redis::Settings& redis,
               const ngx_str_t& place);

/// In a worker that starts, after attach_zone and start_clients. `slot`: where it can be woken.
void start_links(const PurgeLinks& links, unsigned slot);
/// In a worker that ends, before stop_clients.
void stop_links(const PurgeLinks& links) noexcept;

/// What became of a purge.
struct Purged {
    std::uint64_t sequence = 0;  ///< PurgeTable's, on this host
    std::uint64_t ticket = 0;    ///< PurgeLog's; 0: no other host is concerned
};
/// Purges here at once, and on the other hosts by way of the log. `sync`: somebody will wait for that. Throws
/// std::bad_alloc.
Purged purge_zone(ZoneBinding& zone, const PurgeTable::Order& order, bool sync = false);
/// A write was answered: PurgeTable::note_write here, and for the other hosts a purge of `url` and `key`.
Purged note_write(ZoneBinding& zone, std::uint64_t key, std::uint64_t url, bool sync);

/// Ms of the clock by which hosts keep in touch: it counts on while the machine sleeps.
std::uint64_t touch_clock() noexcept;

}
