#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "status/metrics.hpp"
#include "status/report.hpp"

namespace edge::status {

/// One number of a ZoneReport and its names.
struct ZoneFigure {
    std::uint64_t ZoneReport::*value;
    Kind kind;
    std::string_view json_key;
    std::string_view name;  ///< in Prometheus
    std::string_view help;
};

inline constexpr auto kZoneFigures = std::to_array<ZoneFigure>({
    {&ZoneReport::capacity_bytes, Kind::gauge, "capacity_bytes", "edge_cache_zone_capacity_bytes",
     "Bytes that stored responses can occupy."},
    {&ZoneReport::used_bytes, Kind::gauge, "used_bytes", "edge_cache_zone_used_bytes",
     "Bytes occupied, in whole allocation units."},
    {&ZoneReport::dead_bytes, Kind::gauge, "dead_bytes", "edge_cache_zone_dead_bytes",
     "Bytes occupied by removed responses that are still being sent."},
    {&ZoneReport::objects, Kind::gauge, "objects", "edge_cache_zone_objects", "Responses that can be found."},
    {&ZoneReport::objects_limit, Kind::gauge, "objects_limit", "edge_cache_zone_objects_limit",
     "Responses that can be indexed at most."},
    {&ZoneReport::evictions, Kind::counter, "evictions", "edge_cache_zone_evictions_total",
     "Responses evicted to make room."},
    {&ZoneReport::evicted_bytes, Kind::counter, "evicted_bytes", "edge_cache_zone_evicted_bytes_total",
     "Bytes freed by evictions."},
    {&ZoneReport::refused, Kind::counter, "refused", "edge_cache_zone_refused_total",
     "Responses not stored because no room could be made."},
    {&ZoneReport::recoveries, Kind::counter, "recoveries", "edge_cache_zone_recoveries_total",
     "Shards rebuilt after a process died while changing them."},
    {&ZoneReport::purge_sequence, Kind::counter, "purge_sequence", "edge_cache_zone_purge_sequence_total",
     "Number of the last purge or write."},
    {&ZoneReport::purge_floor, Kind::gauge, "purge_floor", "edge_cache_zone_purge_floor",
     "Responses asked for before the purge of this number are dead, whatever their tags."},
    {&ZoneReport::purge_soft_floor, Kind::gauge, "purge_soft_floor", "edge_cache_zone_purge_soft_floor",
     "Responses asked for before the purge of this number are stale, whatever their tags."},
    {&ZoneReport::purge_tags, Kind::gauge, "purge_tags", "edge_cache_zone_purge_tags",
     "Purged tags remembered."},
    {&ZoneReport::purge_tags_limit, Kind::gauge, "purge_tags_limit", "edge_cache_zone_purge_tags_limit",
     "Purged tags that can be remembered."},
    {&ZoneReport::purge_prefixes, Kind::gauge, "purge_prefixes", "edge_cache_zone_purge_prefixes",
     "Purged prefixes remembered."},
    {&ZoneReport::purge_overflows, Kind::counter, "purge_overflows", "edge_cache_zone_purge_overflows_total",
     "Purges forgotten to make room, each by raising a floor."},
});

}
