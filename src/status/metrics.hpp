#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// What is counted. The three lists below are the only place where a metric is declared; the shared-memory
/// layout, the JSON page and the Prometheus page follow from them. Any change of a list changes
/// the layout.
namespace edge::status {

// clang-format off

/// FAMILY(enumerator, kind, Prometheus name, label name or "", JSON path, help)
/// Families whose JSON paths begin alike stand together.
#define EDGE_STATUS_FAMILIES(FAMILY) \
    FAMILY(cache_requests, counter, "edge_cache_requests_total", "status", "cache.requests", \
           "Requests in locations with edge_cache, by $edge_cache_status.") \
    FAMILY(cache_forwards, counter, "edge_cache_forwards_total", "reason", "cache.forwards", \
           "Requests forwarded to the origin, by the reason that Cache-Status names.") \
    FAMILY(cache_not_stored, counter, "edge_cache_not_stored_total", "reason", "cache.not_stored", \
           "Origin responses that were not stored, by the first reason found.") \
    FAMILY(cache_served_bytes, counter, "edge_cache_served_bytes_total", "", "cache.bytes.served", \
           "Body bytes sent to clients from a zone.") \
    FAMILY(cache_stored_bytes, counter, "edge_cache_stored_bytes_total", "", "cache.bytes.stored", \
           "Body bytes of responses stored completely.") \
    FAMILY(cache_fills_started, counter, "edge_cache_fills_started_total", "", "cache.fills.started", \
           "Responses that began to be stored.") \
    FAMILY(cache_fills_finished, counter, "edge_cache_fills_finished_total", "", "cache.fills.finished", \
           "Responses stored completely.") \
    FAMILY(cache_fills_aborted, counter, "edge_cache_fills_aborted_total", "", "cache.fills.aborted", \
           "Responses whose storing was given up before the end.") \
    FAMILY(cache_fills_active, gauge, "edge_cache_fills_active", "", "cache.fills.active", \
           "Responses being stored now.") \
    FAMILY(cache_revalidations, counter, "edge_cache_revalidations_total", "result", "cache.revalidations", \
           "Origin requests that carried stored validators, by result.") \
    FAMILY(cache_invalidations, counter, "edge_cache_invalidations_total", "", "cache.invalidations", \
           "Stored responses invalidated by unsafe requests.") \
    FAMILY(cache_purges, counter, "edge_cache_purges_total", "kind", "cache.purges", \
           "Tags, URLs, prefixes and groups that were purged, and whole zones.") \
    FAMILY(cache_purged, counter, "edge_cache_purged_total", "when", "cache.purged", \
           "Stored responses that a purge or write had killed: met by a request, or when they had just arrived.") \
    FAMILY(cache_redis, counter, "edge_cache_redis_total", "result", "cache.redis", \
           "Requests that asked Redis, by what they found, and responses sent there or not.") \
    FAMILY(cache_redis_bytes, counter, "edge_cache_redis_bytes_total", "direction", "cache.redis_bytes", \
           "Bytes of values read from Redis and written to it.") \
    FAMILY(cache_tokens, counter, "edge_cache_tokens_total", "result", "cache.tokens", \
           "Tokens of edge_cache_private: verified, known from before, or refused and why.") \
    FAMILY(cache_encodings, counter, "edge_cache_encodings_total", "result", "cache.encodings", \
           "Stored responses encoded by coding, and encodings that came to nothing.") \
    FAMILY(cache_encoding_bytes, counter, "edge_cache_encoding_bytes_total", "what", "cache.encoding_bytes", \
           "Bytes encoded, before and after, and those that encoded answers were shorter by.") \
    FAMILY(cache_sent_encoded, counter, "edge_cache_sent_encoded_total", "coding", "cache.sent_encoded", \
           "Answers sent from a zone in a coding made here.") \
    FAMILY(cache_stale_if_error, counter, "edge_cache_stale_if_error_total", "", "cache.stale_if_error", \
           "Stale responses sent because the origin failed.") \
    FAMILY(cache_refills, counter, "edge_cache_refills_total", "", "cache.refills", \
           "Requests to the origin for what a write had killed and is in use.") \
    FAMILY(cache_collapsed, counter, "edge_cache_collapsed_total", "", "cache.collapsed", \
           "Requests answered with what another request was asking the origin for.") \
    FAMILY(cache_shadow, counter, "edge_cache_shadow_total", "result", "cache.shadow", \
           "Requests under edge_cache_shadow, by what the cache would have sent against the origin's answer.") \
    FAMILY(cache_answers, counter, "edge_cache_answers_total", "code", "cache.answers", \
           "Answers the cache made itself with these status codes.") \
    FAMILY(websocket_opened, counter, "edge_websocket_connections_total", "", "websocket.connections.opened", \
           "WebSocket connections taken over.") \
    FAMILY(websocket_active, gauge, "edge_websocket_connections_active", "", "websocket.connections.active", \
           "WebSocket connections now.") \
    FAMILY(websocket_memory, gauge, "edge_websocket_memory_bytes", "", "websocket.memory_bytes", \
           "Heap held for WebSocket connections now: zlib states, queues and half messages.") \
    FAMILY(websocket_messages, counter, "edge_websocket_messages_total", "from", "websocket.messages", \
           "Whole WebSocket messages, by who sent them.") \
    FAMILY(websocket_bytes, counter, "edge_websocket_bytes_total", "leg", "websocket.bytes", \
           "Bytes of WebSocket frames, by where they came from or went to.") \
    FAMILY(websocket_batches, counter, "edge_websocket_batches_total", "cause", "websocket.batches", \
           "Writes to clients, by what made them due.") \
    FAMILY(websocket_batch_sizes, counter, "edge_websocket_batch_sizes_total", "messages", \
           "websocket.batch_sizes", "Batches by how many messages left together.") \
    FAMILY(websocket_compressed, counter, "edge_websocket_compressed_messages_total", "direction", \
           "websocket.compressed", "WebSocket messages compressed for clients, or by them.") \
    FAMILY(websocket_compression, counter, "edge_websocket_compression_bytes_total", "what", \
           "websocket.compression", "Payload bytes of those messages before and after.") \
    FAMILY(websocket_deflate_time, counter, "edge_websocket_compression_nanoseconds_total", "", \
           "websocket.compression_ns", "Time that workers spent compressing WebSocket messages.") \
    FAMILY(websocket_closes, counter, "edge_websocket_closes_total", "code", "websocket.closes", \
           "WebSocket connections ended, by the first Close's code; 1005 had none, 1006 had no Close.") \
    FAMILY(image_requests, counter, "edge_image_requests_total", "outcome", "images.requests", \
           "Requests for pictures the edge makes that were not answered from a zone, by what went out.") \
    FAMILY(image_renders, counter, "edge_image_renders_total", "format", "images.renders", \
           "Pictures rendered, by their format.") \
    FAMILY(image_refused, counter, "edge_image_refused_total", "reason", "images.refused", \
           "Pictures that could not be made, by the reason.") \
    FAMILY(image_bytes, counter, "edge_image_bytes_total", "of", "images.bytes", \
           "Bytes of pictures that went out, and of their sources.") \
    FAMILY(image_waiting, gauge, "edge_image_queue_jobs", "priority", "images.queue", \
           "Pictures that wait to be rendered on this host.") \
    FAMILY(image_processes, gauge, "edge_image_processes", "state", "images.processes", \
           "Render processes of this host, and how many render now.") \
    FAMILY(image_restarts, counter, "edge_image_process_ends_total", "cause", "images.process_ends", \
           "Render processes that were replaced, and supervisors started.")

/// COUNTER(enumerator, family, label value, JSON key in the family's object)
/// Counters stand in the order of their families. A family without label has one counter, both texts empty.
#define EDGE_STATUS_COUNTERS(COUNTER) \
    COUNTER(requests_hit, cache_requests, "HIT", "hit") \
    COUNTER(requests_miss, cache_requests, "MISS", "miss") \
    COUNTER(requests_stale, cache_requests, "STALE", "stale") \
    COUNTER(requests_updating, cache_requests, "UPDATING", "updating") \
    COUNTER(requests_revalidated, cache_requests, "REVALIDATED", "revalidated") \
    COUNTER(requests_expired, cache_requests, "EXPIRED", "expired") \
    COUNTER(requests_bypass, cache_requests, "BYPASS", "bypass") \
    COUNTER(requests_pass, cache_requests, "PASS", "pass") \
    COUNTER(forwards_uri_miss, cache_forwards, "uri-miss", "uri_miss") \
    COUNTER(forwards_vary_miss, cache_forwards, "vary-miss", "vary_miss") \
    COUNTER(forwards_stale, cache_forwards, "stale", "stale") \
    COUNTER(forwards_request, cache_forwards, "request", "request") \
    COUNTER(forwards_bypass, cache_forwards, "bypass", "bypass") \
    COUNTER(forwards_method, cache_forwards, "method", "method") \
    COUNTER(forwards_partial, cache_forwards, "partial", "partial") \
    COUNTER(forwards_miss, cache_forwards, "miss", "miss") \
    COUNTER(not_stored_method, cache_not_stored, "method", "method") \
    COUNTER(not_stored_request_no_store, cache_not_stored, "request_no_store", "request_no_store") \
    COUNTER(not_stored_response_no_store, cache_not_stored, "response_no_store", "response_no_store") \
    COUNTER(not_stored_response_private, cache_not_stored, "response_private", "response_private") \
    COUNTER(not_stored_authorization, cache_not_stored, "authorization", "authorization") \
    COUNTER(not_stored_set_cookie, cache_not_stored, "set_cookie", "set_cookie") \
    COUNTER(not_stored_cookie, cache_not_stored, "cookie", "cookie") \
    COUNTER(not_stored_vary_star, cache_not_stored, "vary_star", "vary_star") \
    COUNTER(not_stored_status, cache_not_stored, "status", "status") \
    COUNTER(not_stored_no_freshness, cache_not_stored, "no_freshness", "no_freshness") \
    COUNTER(not_stored_malformed, cache_not_stored, "malformed", "malformed") \
    COUNTER(not_stored_too_large, cache_not_stored, "too_large", "too_large") \
    COUNTER(not_stored_no_room, cache_not_stored, "no_room", "no_room") \
    COUNTER(not_stored_uses, cache_not_stored, "uses", "uses") \
    COUNTER(not_stored_incomplete, cache_not_stored, "incomplete", "incomplete") \
    COUNTER(not_stored_tags, cache_not_stored, "tags", "tags") \
    COUNTER(not_stored_token, cache_not_stored, "token", "token") \
    COUNTER(not_stored_other, cache_not_stored, "other", "other") \
    COUNTER(served_bytes, cache_served_bytes, "", "") \
    COUNTER(stored_bytes, cache_stored_bytes, "", "") \
    COUNTER(fills_started, cache_fills_started, "", "") \
    COUNTER(fills_finished, cache_fills_finished, "", "") \
    COUNTER(fills_aborted, cache_fills_aborted, "", "") \
    COUNTER(fills_active, cache_fills_active, "", "") \
    COUNTER(revalidations_not_modified, cache_revalidations, "not_modified", "not_modified") \
    COUNTER(revalidations_replaced, cache_revalidations, "replaced", "replaced") \
    COUNTER(revalidations_error, cache_revalidations, "error", "error") \
    COUNTER(invalidations, cache_invalidations, "", "") \
    COUNTER(purges_tag, cache_purges, "tag", "tags") \
    COUNTER(purges_url, cache_purges, "url", "urls") \
    COUNTER(purges_prefix, cache_purges, "prefix", "prefixes") \
    COUNTER(purges_all, cache_purges, "all", "all") \
    COUNTER(purges_group, cache_purges, "group", "groups") \
    COUNTER(purged_found, cache_purged, "found", "found") \
    COUNTER(purged_on_arrival, cache_purged, "on_arrival", "on_arrival") \
    COUNTER(redis_hit, cache_redis, "hit", "hit") \
    COUNTER(redis_miss, cache_redis, "miss", "miss") \
    COUNTER(redis_failed, cache_redis, "failed", "failed") \
    COUNTER(redis_unusable, cache_redis, "unusable", "unusable") \
    COUNTER(redis_stored, cache_redis, "stored", "stored") \
    COUNTER(redis_dropped, cache_redis, "dropped", "dropped") \
    COUNTER(redis_bytes_read, cache_redis_bytes, "read", "read") \
    COUNTER(redis_bytes_written, cache_redis_bytes, "written", "written") \
    COUNTER(tokens_verified, cache_tokens, "verified", "verified") \
    COUNTER(tokens_remembered, cache_tokens, "remembered", "remembered") \
    COUNTER(tokens_absent, cache_tokens, "absent", "absent") \
    COUNTER(tokens_too_large, cache_tokens, "too_large", "too_large") \
    COUNTER(tokens_malformed, cache_tokens, "malformed", "malformed") \
    COUNTER(tokens_algorithm, cache_tokens, "algorithm", "algorithm") \
    COUNTER(tokens_critical, cache_tokens, "critical", "critical") \
    COUNTER(tokens_type, cache_tokens, "type", "type") \
    COUNTER(tokens_key, cache_tokens, "key", "key") \
    COUNTER(tokens_signature, cache_tokens, "signature", "signature") \
    COUNTER(tokens_expired, cache_tokens, "expired", "expired") \
    COUNTER(tokens_not_yet, cache_tokens, "not_yet", "not_yet") \
    COUNTER(tokens_claim, cache_tokens, "claim", "claim") \
    COUNTER(encodings_br, cache_encodings, "br", "br") \
    COUNTER(encodings_gzip, cache_encodings, "gzip", "gzip") \
    COUNTER(encodings_zstd, cache_encodings, "zstd", "zstd") \
    COUNTER(encodings_useless, cache_encodings, "useless", "useless") \
    COUNTER(encodings_failed, cache_encodings, "failed", "failed") \
    COUNTER(encodings_dropped, cache_encodings, "dropped", "dropped") \
    COUNTER(encoding_before, cache_encoding_bytes, "before", "before") \
    COUNTER(encoding_after, cache_encoding_bytes, "after", "after") \
    COUNTER(encoding_saved, cache_encoding_bytes, "saved", "saved") \
    COUNTER(sent_br, cache_sent_encoded, "br", "br") \
    COUNTER(sent_gzip, cache_sent_encoded, "gzip", "gzip") \
    COUNTER(sent_zstd, cache_sent_encoded, "zstd", "zstd") \
    COUNTER(stale_if_error, cache_stale_if_error, "", "") \
    COUNTER(refills, cache_refills, "", "") \
    COUNTER(collapsed, cache_collapsed, "", "") \
    COUNTER(shadow_same, cache_shadow, "same", "same") \
    COUNTER(shadow_different, cache_shadow, "different", "different") \
    COUNTER(shadow_miss, cache_shadow, "miss", "miss") \
    COUNTER(answers_partial, cache_answers, "206", "partial") \
    COUNTER(answers_not_modified, cache_answers, "304", "not_modified") \
    COUNTER(answers_only_if_cached, cache_answers, "504", "only_if_cached") \
    COUNTER(websocket_opened, websocket_opened, "", "") \
    COUNTER(websocket_active, websocket_active, "", "") \
    COUNTER(websocket_memory, websocket_memory, "", "") \
    COUNTER(websocket_messages_client, websocket_messages, "client", "client") \
    COUNTER(websocket_messages_upstream, websocket_messages, "upstream", "upstream") \
    COUNTER(websocket_bytes_from_client, websocket_bytes, "from_client", "from_client") \
    COUNTER(websocket_bytes_to_upstream, websocket_bytes, "to_upstream", "to_upstream") \
    COUNTER(websocket_bytes_from_upstream, websocket_bytes, "from_upstream", "from_upstream") \
    COUNTER(websocket_bytes_to_client, websocket_bytes, "to_client", "to_client") \
    COUNTER(websocket_batches_first, websocket_batches, "first", "first") \
    COUNTER(websocket_batches_messages, websocket_batches, "messages", "messages") \
    COUNTER(websocket_batches_bytes, websocket_batches, "bytes", "bytes") \
    COUNTER(websocket_batches_delay, websocket_batches, "delay", "delay") \
    COUNTER(websocket_batches_urgent, websocket_batches, "urgent", "urgent") \
    COUNTER(websocket_batches_stream, websocket_batches, "stream", "stream") \
    COUNTER(websocket_batches_close, websocket_batches, "close", "close") \
    COUNTER(websocket_batches_drain, websocket_batches, "drain", "drain") \
    COUNTER(websocket_batch_size_1, websocket_batch_sizes, "1", "1") \
    COUNTER(websocket_batch_size_2, websocket_batch_sizes, "2", "2") \
    COUNTER(websocket_batch_size_4, websocket_batch_sizes, "3-4", "3-4") \
    COUNTER(websocket_batch_size_8, websocket_batch_sizes, "5-8", "5-8") \
    COUNTER(websocket_batch_size_16, websocket_batch_sizes, "9-16", "9-16") \
    COUNTER(websocket_batch_size_32, websocket_batch_sizes, "17-32", "17-32") \
    COUNTER(websocket_batch_size_64, websocket_batch_sizes, "33-64", "33-64") \
    COUNTER(websocket_batch_size_more, websocket_batch_sizes, "65+", "65+") \
    COUNTER(websocket_compressed_out, websocket_compressed, "to_client", "to_client") \
    COUNTER(websocket_compressed_in, websocket_compressed, "from_client", "from_client") \
    COUNTER(websocket_deflate_before, websocket_compression, "to_client_before", "to_client_before") \
    COUNTER(websocket_deflate_after, websocket_compression, "to_client_after", "to_client_after") \
    COUNTER(websocket_inflate_before, websocket_compression, "from_client_before", "from_client_before") \
    COUNTER(websocket_inflate_after, websocket_compression, "from_client_after", "from_client_after") \
    COUNTER(websocket_deflate_ns, websocket_deflate_time, "", "") \
    COUNTER(websocket_closes_1000, websocket_closes, "1000", "1000") \
    COUNTER(websocket_closes_1001, websocket_closes, "1001", "1001") \
    COUNTER(websocket_closes_1002, websocket_closes, "1002", "1002") \
    COUNTER(websocket_closes_1005, websocket_closes, "1005", "1005") \
    COUNTER(websocket_closes_1006, websocket_closes, "1006", "1006") \
    COUNTER(websocket_closes_1007, websocket_closes, "1007", "1007") \
    COUNTER(websocket_closes_1008, websocket_closes, "1008", "1008") \
    COUNTER(websocket_closes_1009, websocket_closes, "1009", "1009") \
    COUNTER(websocket_closes_1011, websocket_closes, "1011", "1011") \
    COUNTER(websocket_closes_other, websocket_closes, "other", "other") \
    COUNTER(image_rendered, image_requests, "rendered", "rendered") \
    COUNTER(image_original, image_requests, "original", "original") \
    COUNTER(image_passed, image_requests, "passed", "passed") \
    COUNTER(image_fallback, image_requests, "fallback", "fallback") \
    COUNTER(image_failed, image_requests, "failed", "failed") \
    COUNTER(image_not_modified, image_requests, "not_modified", "not_modified") \
    COUNTER(image_bad_argument, image_requests, "bad_argument", "bad_argument") \
    COUNTER(image_bad_signature, image_requests, "bad_signature", "bad_signature") \
    COUNTER(image_cancelled, image_requests, "cancelled", "cancelled") \
    COUNTER(image_renders_jpeg, image_renders, "jpeg", "jpeg") \
    COUNTER(image_renders_png, image_renders, "png", "png") \
    COUNTER(image_renders_webp, image_renders, "webp", "webp") \
    COUNTER(image_renders_avif, image_renders, "avif", "avif") \
    COUNTER(image_refused_not_an_image, image_refused, "not_an_image", "not_an_image") \
    COUNTER(image_refused_unsupported, image_refused, "unsupported", "unsupported") \
    COUNTER(image_refused_damaged, image_refused, "damaged", "damaged") \
    COUNTER(image_refused_truncated, image_refused, "truncated", "truncated") \
    COUNTER(image_refused_source_too_large, image_refused, "source_too_large", "source_too_large") \
    COUNTER(image_refused_too_many_pixels, image_refused, "too_many_pixels", "too_many_pixels") \
    COUNTER(image_refused_result_too_large, image_refused, "result_too_large", "result_too_large") \
    COUNTER(image_refused_no_such_page, image_refused, "no_such_page", "no_such_page") \
    COUNTER(image_refused_out_of_memory, image_refused, "out_of_memory", "out_of_memory") \
    COUNTER(image_refused_timeout, image_refused, "timeout", "timeout") \
    COUNTER(image_refused_crashed, image_refused, "crashed", "crashed") \
    COUNTER(image_refused_queue_full, image_refused, "queue_full", "queue_full") \
    COUNTER(image_refused_expired, image_refused, "expired", "expired") \
    COUNTER(image_refused_bad_request, image_refused, "bad_request", "bad_request") \
    COUNTER(image_refused_unavailable, image_refused, "unavailable", "unavailable") \
    COUNTER(image_source_bytes, image_bytes, "sources", "sources") \
    COUNTER(image_result_bytes, image_bytes, "results", "results") \
    COUNTER(image_waiting_interactive, image_waiting, "interactive", "interactive") \
    COUNTER(image_waiting_prewarm, image_waiting, "prewarm", "prewarm") \
    COUNTER(image_processes_all, image_processes, "all", "all") \
    COUNTER(image_processes_busy, image_processes, "rendering", "rendering") \
    COUNTER(image_processes_crashed, image_restarts, "crashed", "crashed") \
    COUNTER(image_processes_killed, image_restarts, "killed", "killed") \
    COUNTER(image_processes_recycled, image_restarts, "recycled", "recycled") \
    COUNTER(image_supervisors_started, image_restarts, "supervisor_started", "supervisors_started")

/// TIMER(enumerator, Prometheus name, JSON path, help)
#define EDGE_STATUS_TIMERS(TIMER) \
    TIMER(hit, "edge_cache_hit_duration_seconds", "latency.hit", \
          "Time from a request's start to the header of an answer sent from a zone.") \
    TIMER(origin, "edge_cache_origin_duration_seconds", "latency.origin", \
          "Time from a request's start to the header of the origin's response.") \
    TIMER(encode, "edge_cache_encode_duration_seconds", "latency.encode", \
          "How long a thread took to encode a stored response.") \
    TIMER(websocket_hold, "edge_websocket_hold_duration_seconds", "latency.websocket_hold", \
          "How long the oldest message of a batch was held before it left.") \
    TIMER(image_queue, "edge_image_queue_duration_seconds", "latency.image_queue", \
          "How long pictures waited for a render process.") \
    TIMER(image_render, "edge_image_render_duration_seconds", "latency.image_render", \
          "How long pictures took to render.")

// clang-format on

#define EDGE_STATUS_FIRST(name, ...) name,
enum class Family : std::uint8_t { EDGE_STATUS_FAMILIES(EDGE_STATUS_FIRST) };
/// Something counted in events or bytes.
enum class Counter : std::uint16_t { EDGE_STATUS_COUNTERS(EDGE_STATUS_FIRST) };
/// Something timed, in microseconds; kept as a histogram.
enum class Timer : std::uint8_t { EDGE_STATUS_TIMERS(EDGE_STATUS_FIRST) };
#undef EDGE_STATUS_FIRST

/// counter: only grows, over reloads and crashes too. gauge: a level; what gone processes left is not
/// counted.
enum class Kind : std::uint8_t { counter, gauge };

struct FamilyInfo {
    std::string_view name;
    Kind kind;
    std::string_view label;      ///< empty: the family is one counter without labels
    std::string_view json_path;  ///< of the family's object, or of its one counter
    std::string_view help;
};

struct CounterInfo {
    Family family;
    std::string_view label_value;
    std::string_view json_key;
};

struct TimerInfo {
    std::string_view name;
    std::string_view json_path;
    std::string_view help;
};

#define EDGE_STATUS_ROW(id, kind, name, label, path, help) FamilyInfo{name, Kind::kind, label, path, help},
inline constexpr auto kFamilies = std::to_array<FamilyInfo>({EDGE_STATUS_FAMILIES(EDGE_STATUS_ROW)});
#undef EDGE_STATUS_ROW
#define EDGE_STATUS_ROW(id, family, value, key) CounterInfo{Family::family, value, key},
inline constexpr auto kCounters = std::to_array<CounterInfo>({EDGE_STATUS_COUNTERS(EDGE_STATUS_ROW)});
#undef EDGE_STATUS_ROW
#define EDGE_STATUS_ROW(id, name, path, help) TimerInfo{name, path, help},
inline constexpr auto kTimers = std::to_array<TimerInfo>({EDGE_STATUS_TIMERS(EDGE_STATUS_ROW)});
#undef EDGE_STATUS_ROW

#undef EDGE_STATUS_FAMILIES
#undef EDGE_STATUS_COUNTERS
#undef EDGE_STATUS_TIMERS

constexpr const FamilyInfo& info(Family family) noexcept
{
    return kFamilies[static_cast<std::size_t>(family)];
}
constexpr const CounterInfo& info(Counter counter) noexcept
{
    return kCounters[static_cast<std::size_t>(counter)];
}
constexpr const TimerInfo& info(Timer timer) noexcept
{
    return kTimers[static_cast<std::size_t>(timer)];
}

}
