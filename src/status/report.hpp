#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "status/counters.hpp"
#include "status/memory_use.hpp"

/// The status page as values, and as the two texts it is served in.
namespace edge::status {

/// One zone's figures. Totals count since the zone was made.
struct ZoneReport {
    std::string_view name;  ///< any bytes, as configured
    std::uint64_t capacity_bytes = 0;
    std::uint64_t used_bytes = 0;
    std::uint64_t dead_bytes = 0;  ///< part of used_bytes: removed, but still being sent
    std::uint64_t objects = 0;
    std::uint64_t objects_limit = 0;  ///< most objects the zone can index
    std::uint64_t evictions = 0;
    std::uint64_t evicted_bytes = 0;
    std::uint64_t refused = 0;           ///< fills that found no room
    std::uint64_t recoveries = 0;        ///< shards rebuilt after a process died in them
    std::uint64_t purge_sequence = 0;    ///< number of the last purge or write
    std::uint64_t purge_floor = 0;       ///< responses asked for before this number are dead
    std::uint64_t purge_soft_floor = 0;  ///< and before this one stale
    std::uint64_t purge_tags = 0;        ///< purged tags remembered
    std::uint64_t purge_tags_limit = 0;
    std::uint64_t purge_prefixes = 0;   ///< purged prefixes remembered
    std::uint64_t purge_overflows = 0;  ///< purges forgotten to make room, each by raising a floor
};

/// The log of purges that a Redis carries between hosts, as seen from this one. Totals count since nginx was
/// started.
struct LogReport {
    std::string_view redis;  ///< name of the edge_redis, any bytes
    std::uint64_t in_touch = 0;
    std::uint64_t epoch = 0;
    std::uint64_t position = 0;
    std::uint64_t lag = 0;
    std::uint64_t floor = 0;
    std::uint64_t hosts = 0;
    std::uint64_t queued = 0;
    std::uint64_t applied = 0;
    std::uint64_t epochs = 0;
    std::uint64_t gaps = 0;
    std::uint64_t overflows = 0;
    std::uint64_t failures = 0;
    std::uint64_t awaited = 0;
    std::uint64_t given_up = 0;
    std::uint64_t refused = 0;
};

/// The program that answers. Times are Unix times in seconds.
struct ProgramReport {
    std::string_view version;
    std::string_view server_version;
    unsigned workers = 0;         ///< worker processes configured
    std::int64_t pid = 0;         ///< of the process that answers
    std::int64_t started_at = 0;  ///< when nginx, not this configuration, started; 0 = Totals::since
    std::int64_t now = 0;
};

/// Everything a page shows. Views have to live only until the text is made.
struct Snapshot {
    ProgramReport program;
    Totals totals;
    std::vector<ZoneReport> zones;  ///< names are unique
    std::vector<NodeTotals> nodes;  ///< the same
    std::vector<LogReport> logs;    ///< the same
    MemoryUse memory;               ///< only where a page shows it
    bool websockets = false;        ///< some location has edge_websocket
};

/// Of the requests whose answer was looked for in the cache (all but BYPASS and PASS), the share answered
/// with a stored body: HIT, STALE, UPDATING and REVALIDATED. 0…1; std::nullopt without such requests.
std::optional<double> hit_ratio(const Totals& totals) noexcept;
/// Of all requests in locations with edge_cache, the share that did not wait for the origin: HIT, STALE,
/// UPDATING.
std::optional<double> offload_ratio(const Totals& totals) noexcept;

/// Of the payload bytes that were compressed for WebSocket clients, the share that was sent; std::nullopt
/// without any.
std::optional<double> compression_ratio(const Totals& totals) noexcept;

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

// clang-format off
/// Appends the page as one JSON object and a newline. Names are stable; new ones may be added anywhere.
///
///     {"edge": {"version", "nginx_version": strings,
///               "workers", "pid", "generation", "started_at", "counting_since", "now",
///               "uptime_s": integers},
///      "cache": {"hit_ratio", "offload_ratio": 0…1 with four decimals, or null without requests,
///                "requests": {"hit", "miss", "stale", "updating", "revalidated", "expired", "bypass",
///                            "pass"},
///                "forwards": {"uri_miss", "vary_miss", "stale", …}, "not_stored": {"method", …},
///                "bytes": {"served", "stored"}, "fills": {"started", "finished", "aborted", "active"},
///                "revalidations": {"not_modified", "replaced", "error"}, "invalidations",
///                "purges": {"tags", "urls", "prefixes", "all", "groups"}, "purged": {"found", "on_arrival"},
///                "encodings": {"br", "gzip", "zstd", "useless", "failed", "dropped"},
///                "encoding_bytes": {"before", "after", "saved"}, "sent_encoded": {"br", "gzip", "zstd"},
///                "stale_if_error", "refills", "collapsed", "shadow": {"same", "different", "miss"},
///                "answers": {"partial", "not_modified", "only_if_cached"}},
///      "websocket": {"connections": {"opened", "active"}, "memory_bytes", "messages": {"client", "upstream"},
///                    "bytes": {"from_client", "to_upstream", "from_upstream", "to_client"},
///                    "batches": {"first", "messages", "bytes", …}, "batch_sizes": {"1", "2", "3-4", …, "65+"},
///                    "compressed": {"to_client", "from_client"}, "compression": {"to_client_before", …},
///                    "compression_ratio": as above, of bytes after to before, "compression_ns", "closes": {"1000", …, "other"}},
///      "latency": {"hit", "origin", "encode", "websocket_hold": {"count", "sum_us", "p50_us", "p95_us", "p99_us", "max_us"}},
///      "zones": [{"name": string, "capacity_bytes", "used_bytes", "dead_bytes", "objects", "objects_limit",
///                 "evictions", "evicted_bytes", "refused", "recoveries", "purge_sequence", "purge_floor",
///                 "purge_soft_floor", "purge_tags", "purge_tags_limit", "purge_prefixes",
///                 "purge_overflows"}],
///      "redis": {"nodes": [{"name": string, "connections", "in_flight", "breakers_open", "openings",
///                           "errors": {"timed_out", "lost", "refused", "protocol", "error_reply"},
///                           "round_trip": {"count", "sum_us", "p50_us", "p95_us", "p99_us", "max_us"}}],
///                "purge_logs": [{"redis": string, "in_touch", "epoch", "position", "lag", "floor", "hosts",
///                                "queued", "applied", "epochs", "gaps", "overflows", "failures", "awaited",
///                                "given_up", "refused"}]}}
///
/// Counters are integers below 2^64 (a reader that keeps numbers as doubles loses digits from 2^53 on).
/// Quantiles are microseconds within 1/32, null without values. Bytes of a name that are not UTF-8 appear as
/// "\\xNN". Throws std::bad_alloc.
void render_json(const Snapshot& snapshot, std::string& out);
// clang-format on

/// Appends the page in the Prometheus text format 0.0.4: families `edge_…`, seconds and bytes, counters
/// ending in _total. A histogram's bucket le="x" counts the values certainly at most x; of those within 1/16
/// below x some may count in the next bucket. Throws std::bad_alloc.
void render_prometheus(const Snapshot& snapshot, std::string& out);

}
