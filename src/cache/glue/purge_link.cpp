#include "cache/glue/purge_link.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <random>
#include <string>

#include "cache/glue/held_answer.hpp"
#include "cache/glue/purge_feed.hpp"
#include "cache/purge_log.hpp"
#include "nginx/pool.hpp"
#include "nginx/shared_table.hpp"
#include "nginx/str.hpp"
#include "nginx/wakeup.hpp"

namespace edge::cache {

namespace {

std::uint64_t random_number()
{
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

constexpr ngx::SharedTable kLog{PurgeLog::bytes_needed,
                                [](void* memory) { PurgeLog::format(memory, random_number()); },
                                PurgeLog::usable};
constexpr ngx::SharedTable kFollowing{PurgeTable::bytes_needed,
                                      [](void* memory) {
                                          PurgeTable::format(memory, random_number());
                                          PurgeTable{memory}.bar();
                                      },
                                      PurgeTable::usable};

PurgeLink* find_link(const PurgeLinks& links, const redis::Settings& redis) noexcept
{
    const auto found = std::find_if(links.begin(), links.end(),
                                    [&](const PurgeLink* link) { return link->redis == &redis; });
    return found != links.end() ? *found : nullptr;
}

const PurgeLinks* running = nullptr;

void on_wake() noexcept
{
    if (running == nullptr) return;
    for (const PurgeLink* link : *running) {
        if (link->feed != nullptr) link->feed->woken();
    }
}

/// Into the log, before anything is carried out here.
std::uint64_t push(ZoneBinding& zone, const PurgeTable::Order& order, bool sync)
{
    PurgeEntry entry;
    entry.zone = ngx::view(zone.name);
    entry.tags.assign(order.tags.begin(), order.tags.end());
    entry.prefixes.assign(order.prefixes.begin(), order.prefixes.end());
    entry.all = order.all;
    entry.soft = order.soft;
    entry.sync = sync;
    entry.time = order.now;
    const std::uint64_t ticket = zone.log.push(std::move(entry));
    ngx::wake(zone.log.leader());
    return ticket;
}

}

bool link_zone(ngx_conf_t* cf, PurgeLinks& links, ZoneBinding& zone, const redis::Settings& redis,
               const ngx_str_t& place)
{
    PurgeLink* link = find_link(links, redis);
    if (zone.link != nullptr && zone.link != link) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "edge_cache: zone \"%V\" is used with two Redis, \"%s\" and \"%s\"; a zone's purges go "
                      "through one, expected another edge_zone for the other; in %V",
                      &zone.name, zone.link->redis->name.c_str(), redis.name.c_str(), &place);
        return false;
    }
    if (zone.link != nullptr) return true;
    if (link == nullptr) {
        ngx_shm_zone_t* shm = ngx::add_shared_table(cf, "edge_log:" + redis.name, kLog);
        if (shm == nullptr) return false;
        link = &ngx::make<PurgeLink>(cf->pool, PurgeLink{.redis = &redis, .shm = shm, .zones = {}});
        links.push_back(link);
    }
    zone.following_shm =
        ngx::add_shared_table(cf, "edge_following:" + std::string{ngx::view(zone.name)}, kFollowing);
    zone.link = link;
    link->zones.push_back(&zone);
    return zone.following_shm != nullptr;
}

void start_links(const PurgeLinks& links, unsigned slot)
{
    if (links.empty()) return;
    for (PurgeLink* link : links) {
        const PurgeLog log{ngx::table_memory(link->shm)};
        for (ZoneBinding* zone : link->zones) {
            zone->log = log;
            zone->following = PurgeTable{ngx::table_memory(zone->following_shm)};
        }
        link->feed = new PurgeFeed{*link, log, slot};
        link->feed->start();
    }
    running = &links;
    start_holding(slot);
    ngx::listen_for_wakeups(on_wake);
}

void stop_links(const PurgeLinks& links) noexcept
{
    running = nullptr;
    for (PurgeLink* link : links) {
        delete link->feed;
        link->feed = nullptr;
    }
}

Purged purge_zone(ZoneBinding& zone, const PurgeTable::Order& order, bool sync)
{
    Purged done;
    if (zone.log) done.ticket = push(zone, order, sync);
    done.sequence = zone.purges.purge(order);
    return done;
}

Purged note_write(ZoneBinding& zone, std::uint64_t key, std::uint64_t url, bool sync)
{
    Purged done;
    if (zone.log) {
        const std::array<std::uint64_t, 2> tags{key, url};
        done.ticket =
            push(zone, {.tags = tags, .prefixes = {}, .all = false, .soft = false, .now = ngx_time()}, sync);
    }
    done.sequence = zone.purges.note_write(key);
    return done;
}

std::uint64_t touch_clock() noexcept
{
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

}
