#pragma once

#include <string>

#include "status/report.hpp"

/// Pages for dashboards that ask an app for /api/metrics/performance/…, in the shape such apps answer in.
namespace edge::status {

enum class PerformancePage { memory, cache, websocket, metrics };

// clang-format off
/// Appends one JSON object and a newline:
///
///     {"success": true, "data": DATA, "timestamp": "2026-01-02T03:04:05.000Z"}
///
/// memory:    {"used", "limit": bytes, "percentage": 0…100}, of the control group that nginx is in, else of the machine
/// cache:     {"available": there is a zone, "stats": {"keys", "hits", "misses": integers, "hitRate": 0…100}}
/// websocket: {"batcherEnabled": some location has edge_websocket, "metrics": {"connections", "messages", "batches",
///             "bytesBefore", "bytesSent": integers, "saved": 0…100 percent of these}}
/// metrics:   {"memory", "cache", "websocket"}, each as above
///
/// Keys and names never change; new ones may be added. Throws std::bad_alloc.
void render_performance(PerformancePage page, const Snapshot& snapshot, std::string& out);
// clang-format on

}
