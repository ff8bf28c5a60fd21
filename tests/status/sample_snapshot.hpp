#pragma once

#include "status/report.hpp"

namespace edge::status::test {

/// A page on which no two numbers are alike: counter i is 1000 + i; two zones, the second with a hostile
/// name.
inline Snapshot sample_snapshot()
{
    Snapshot page;
    page.program = ProgramReport{.version = "1.2.3",
                                 .server_version = "1.22.1",
                                 .workers = 4,
                                 .pid = 4711,
                                 .started_at = 1'700'000'100,
                                 .now = 1'700'000'160};
    page.totals.since = 1'700'000'050;
    page.totals.generation = 9;
    for (std::size_t i = 0; i < kCounters.size(); ++i) page.totals.counters[i] = 1000 + i;
    Histogram& hit = page.totals[Timer::hit];
    hit.count[buckets::of(20)] = 50;
    hit.count[buckets::of(30)] = 46;
    hit.count[buckets::of(2'000)] = 4;
    hit.sum = 10'380;
    page.zones.push_back(ZoneReport{.name = "main",
                                    .capacity_bytes = 2001,
                                    .used_bytes = 2002,
                                    .dead_bytes = 2003,
                                    .objects = 2004,
                                    .objects_limit = 2005,
                                    .evictions = 2006,
                                    .evicted_bytes = 2007,
                                    .refused = 2008,
                                    .recoveries = 2009,
                                    .purge_sequence = 2010,
                                    .purge_floor = 2011,
                                    .purge_soft_floor = 2012,
                                    .purge_tags = 2013,
                                    .purge_tags_limit = 2014,
                                    .purge_prefixes = 2015,
                                    .purge_overflows = 2016});
    page.zones.push_back(ZoneReport{.name = "we\"i\\r\nd\xff", .capacity_bytes = UINT64_MAX});
    NodeTotals node{.name = "10.0.0.5:6379",
                    .gauges = {3001, 3002, 3003},
                    .counters = {3004, 3005, 3006, 3007, 3008, 3009},
                    .round_trip = {}};
    node.round_trip.count[buckets::of(400)] = 10;
    node.round_trip.sum = 4010;
    page.nodes.push_back(node);
    node.name = "uni\"x:";
    page.nodes.push_back(node);
    return page;
}

}
