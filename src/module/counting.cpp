#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

#include "cache/glue/events.hpp"
#include "module/conf.hpp"
#include "nginx/shared_table.hpp"
#include "nginx/str.hpp"
#include "redis/glue/redis_events.hpp"
#include "status/counters.hpp"
#include "websocket/glue/websocket_events.hpp"

/// What the rooms report, put into the status room's counters; and what its page shows.
namespace edge::module {

namespace {

using status::Counter;

constexpr std::string_view kVersion = "0.1.0";

constinit status::Counters counters;
constinit void* counters_memory = nullptr;

template <class Enum>
constexpr Counter offset(Counter first, Enum value, Enum zero) noexcept
{
    return static_cast<Counter>(static_cast<unsigned>(first) + static_cast<unsigned>(value) -
                                static_cast<unsigned>(zero));
}

void answered(cache::Status answer, cache::Forward why) noexcept
{
    if (answer == cache::Status::none) return;
    counters.add(offset(Counter::requests_hit, answer, cache::Status::hit));
    if (why != cache::Forward::none)
        counters.add(offset(Counter::forwards_uri_miss, why, cache::Forward::uri_miss));
}

void not_stored(cache::NotStored reason) noexcept
{
    counters.add(offset(Counter::not_stored_method, reason, cache::NotStored::method));
}

constexpr Counter counter_of(cache::Count what) noexcept
{
    switch (what) {
        case cache::Count::bytes_served:
            return Counter::served_bytes;
        case cache::Count::bytes_stored:
            return Counter::stored_bytes;
        case cache::Count::fill_started:
            return Counter::fills_started;
        case cache::Count::fill_finished:
            return Counter::fills_finished;
        case cache::Count::fill_aborted:
            return Counter::fills_aborted;
        case cache::Count::validated_304:
            return Counter::revalidations_not_modified;
        case cache::Count::validated_200:
            return Counter::revalidations_replaced;
        case cache::Count::validation_failed:
            return Counter::revalidations_error;
        case cache::Count::invalidated:
            return Counter::invalidations;
        case cache::Count::served_on_error:
            return Counter::stale_if_error;
        case cache::Count::not_modified:
            return Counter::answers_not_modified;
        case cache::Count::partial:
            return Counter::answers_partial;
        case cache::Count::refilled:
            return Counter::refills;
        case cache::Count::collapsed:
            return Counter::collapsed;
        case cache::Count::shadow_same:
            return Counter::shadow_same;
        case cache::Count::shadow_different:
            return Counter::shadow_different;
        case cache::Count::shadow_miss:
            return Counter::shadow_miss;
        case cache::Count::purged_tags:
            return Counter::purges_tag;
        case cache::Count::purged_urls:
            return Counter::purges_url;
        case cache::Count::purged_prefixes:
            return Counter::purges_prefix;
        case cache::Count::purged_all:
            return Counter::purges_all;
        case cache::Count::purged_groups:
            return Counter::purges_group;
        case cache::Count::purged_found:
            return Counter::purged_found;
        case cache::Count::dead_on_arrival:
            return Counter::purged_on_arrival;
        case cache::Count::redis_hit:
            return Counter::redis_hit;
        case cache::Count::redis_miss:
            return Counter::redis_miss;
        case cache::Count::redis_failed:
            return Counter::redis_failed;
        case cache::Count::redis_unusable:
            return Counter::redis_unusable;
        case cache::Count::redis_stored:
            return Counter::redis_stored;
        case cache::Count::redis_dropped:
            return Counter::redis_dropped;
        case cache::Count::redis_bytes_read:
            return Counter::redis_bytes_read;
        case cache::Count::redis_bytes_written:
            return Counter::redis_bytes_written;
        case cache::Count::encodings_useless:
            return Counter::encodings_useless;
        case cache::Count::encodings_failed:
            return Counter::encodings_failed;
        case cache::Count::encodings_dropped:
            return Counter::encodings_dropped;
        case cache::Count::token_verified:
            return Counter::tokens_verified;
        case cache::Count::token_remembered:
            return Counter::tokens_remembered;
        case cache::Count::token_absent:
            return Counter::tokens_absent;
        case cache::Count::token_too_large:
            return Counter::tokens_too_large;
        case cache::Count::token_malformed:
            return Counter::tokens_malformed;
        case cache::Count::token_algorithm:
            return Counter::tokens_algorithm;
        case cache::Count::token_critical:
            return Counter::tokens_critical;
        case cache::Count::token_type:
            return Counter::tokens_type;
        case cache::Count::token_key:
            return Counter::tokens_key;
        case cache::Count::token_signature:
            return Counter::tokens_signature;
        case cache::Count::token_expired:
            return Counter::tokens_expired;
        case cache::Count::token_not_yet:
            return Counter::tokens_not_yet;
        case cache::Count::token_claim:
            return Counter::tokens_claim;
        case cache::Count::gateway_timeout:
            break;
    }
    return Counter::answers_only_if_cached;
}

static_assert(offset(Counter::requests_hit, cache::Status::pass, cache::Status::hit) ==
              Counter::requests_pass);
static_assert(offset(Counter::forwards_uri_miss, cache::Forward::miss, cache::Forward::uri_miss) ==
              Counter::forwards_miss);
static_assert(offset(Counter::not_stored_method, cache::NotStored::other, cache::NotStored::method) ==
              Counter::not_stored_other);

void counted(cache::Count what, std::uint64_t n) noexcept
{
    counters.add(counter_of(what), n);
    if (what == cache::Count::fill_started) counters.add(Counter::fills_active);
    if (what == cache::Count::fill_finished || what == cache::Count::fill_aborted) {
        counters.subtract(Counter::fills_active);
    }
}

void origin_answered(std::uint64_t microseconds) noexcept
{
    counters.record(status::Timer::origin, microseconds);
}

static_assert(offset(Counter::encodings_br, http::Coding::zstd, http::Coding::br) == Counter::encodings_zstd);
static_assert(offset(Counter::sent_br, http::Coding::zstd, http::Coding::br) == Counter::sent_zstd);

void encoded(http::Coding coding, std::uint64_t before, std::uint64_t after,
             std::uint64_t microseconds) noexcept
{
    counters.add(offset(Counter::encodings_br, coding, http::Coding::br));
    counters.add(Counter::encoding_before, before);
    counters.add(Counter::encoding_after, after);
    counters.record(status::Timer::encode, microseconds);
}

void sent_encoded(http::Coding coding, std::uint64_t saved) noexcept
{
    counters.add(offset(Counter::sent_br, coding, http::Coding::br));
    counters.add(Counter::encoding_saved, saved);
}

void websocket_opened() noexcept
{
    counters.add(Counter::websocket_opened);
    counters.add(Counter::websocket_active);
}

Counter close_counter(websocket::CloseCode code) noexcept
{
    switch (static_cast<unsigned>(code)) {
        case 1000:
            return Counter::websocket_closes_1000;
        case 1001:
            return Counter::websocket_closes_1001;
        case 1002:
            return Counter::websocket_closes_1002;
        case 1005:
            return Counter::websocket_closes_1005;
        case 1006:
            return Counter::websocket_closes_1006;
        case 1007:
            return Counter::websocket_closes_1007;
        case 1008:
            return Counter::websocket_closes_1008;
        case 1009:
            return Counter::websocket_closes_1009;
        case 1011:
            return Counter::websocket_closes_1011;
        default:
            return Counter::websocket_closes_other;
    }
}

void websocket_closed(websocket::CloseCode code) noexcept
{
    counters.subtract(Counter::websocket_active);
    counters.add(close_counter(code));
}

using Cause = websocket::BatchWindow::Cause;
static_assert(offset(Counter::websocket_batches_first, Cause::drain, Cause::first) ==
              Counter::websocket_batches_drain);
static_assert(offset(Counter::websocket_batch_size_1, 7U, 0U) == Counter::websocket_batch_size_more);

void websocket_flushed(const websocket::Flush& flush) noexcept
{
    counters.add(offset(Counter::websocket_batches_first, flush.cause, Cause::first));
    if (flush.messages == 0) return;
    counters.record(status::Timer::websocket_hold, flush.held_ms * 1000);
    const auto power = static_cast<unsigned>(std::bit_width(flush.messages - 1));  // of two, rounded up
    counters.add(offset(Counter::websocket_batch_size_1, std::min(power, 7U), 0U));
}

void websocket_moved(const websocket::Counts& before, const websocket::Counts& after) noexcept
{
    const auto grown = [](Counter counter, std::uint64_t from, std::uint64_t to) {
        if (to != from) counters.add(counter, to - from);  // a gauge's difference may be below zero
    };
    grown(Counter::websocket_memory, before.memory, after.memory);
    grown(Counter::websocket_messages_client, before.up.messages, after.up.messages);
    grown(Counter::websocket_messages_upstream, before.down.messages, after.down.messages);
    grown(Counter::websocket_bytes_from_client, before.up.frame_bytes_in, after.up.frame_bytes_in);
    grown(Counter::websocket_bytes_to_upstream, before.up.frame_bytes_out, after.up.frame_bytes_out);
    grown(Counter::websocket_bytes_from_upstream, before.down.frame_bytes_in, after.down.frame_bytes_in);
    grown(Counter::websocket_bytes_to_client, before.down.frame_bytes_out, after.down.frame_bytes_out);
    grown(Counter::websocket_compressed_out, before.down.compressed, after.down.compressed);
    grown(Counter::websocket_deflate_before, before.down.compressed_in, after.down.compressed_in);
    grown(Counter::websocket_deflate_after, before.down.compressed_out, after.down.compressed_out);
    grown(Counter::websocket_deflate_ns, before.down.deflate_ns, after.down.deflate_ns);
    grown(Counter::websocket_compressed_in, before.up.compressed, after.up.compressed);
    grown(Counter::websocket_inflate_before, before.up.compressed_in, after.up.compressed_in);
    grown(Counter::websocket_inflate_after, before.up.compressed_out, after.up.compressed_out);
}

unsigned redis_node(std::string_view address) noexcept
{
    return counters.name_node(address);
}

void redis_connected(unsigned node, int change) noexcept
{
    counters.change(node, status::NodeGauge::connections, change);
}

void redis_in_flight(unsigned node, int change) noexcept
{
    counters.change(node, status::NodeGauge::in_flight, change);
}

void redis_answered(unsigned node, std::uint64_t microseconds) noexcept
{
    counters.record(node, microseconds);
}

void redis_failed(unsigned node, redis::Failure failure) noexcept
{
    switch (failure) {
        case redis::Failure::none:
            return;
        case redis::Failure::timed_out:
            return counters.add(node, status::NodeCounter::timed_out);
        case redis::Failure::lost:
            return counters.add(node, status::NodeCounter::lost);
        case redis::Failure::refused:
            return counters.add(node, status::NodeCounter::refused);
        case redis::Failure::protocol:
            return counters.add(node, status::NodeCounter::protocol);
        case redis::Failure::error_reply:
            return counters.add(node, status::NodeCounter::error_reply);
    }
}

void redis_breaker(unsigned node, redis::Breaker::State before, redis::Breaker::State after) noexcept
{
    const bool was = before != redis::Breaker::State::closed;
    const bool is = after != redis::Breaker::State::closed;
    if (is == was) return;
    counters.change(node, status::NodeGauge::breakers_open, is ? 1 : -1);
    if (is) counters.add(node, status::NodeCounter::openings);
}

status::LogReport report_log(const cache::PurgeLink& link)
{
    const cache::PurgeLog log{ngx::table_memory(link.shm)};
    const cache::PurgeLog::Figures figures = log.figures();
    const auto [here, top] = std::pair{figures.position, figures.top};
    const bool behind = top.epoch == here.epoch && top.number > here.number;
    return {.redis = link.redis->name,
            .in_touch = log.in_touch(cache::touch_clock()) ? std::uint64_t{1} : 0,
            .epoch = here.epoch,
            .position = here.number,
            .lag = behind ? top.number - here.number : 0,
            .floor = figures.floor,
            .hosts = figures.hosts,
            .queued = figures.queued,
            .applied = figures.applied,
            .epochs = figures.epochs,
            .gaps = figures.gaps,
            .overflows = figures.overflows,
            .failures = figures.failures,
            .awaited = figures.awaited,
            .given_up = figures.given_up,
            .refused = figures.refused};
}

void collect(ngx_http_request_t&, status::Snapshot& snapshot)
{
    auto* cycle = const_cast<ngx_cycle_t*>(ngx_cycle);
    const auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
    snapshot.program = {.version = kVersion,
                        .server_version = NGINX_VERSION,
                        .workers = static_cast<unsigned>(core->worker_processes),
                        .pid = ngx_pid,
                        .started_at = 0,
                        .now = ngx_time()};
    if (counters_memory != nullptr) {
        snapshot.totals = status::sum(counters_memory);
        snapshot.nodes = status::sum_nodes(counters_memory);
    }
    const MainConf* conf = main_conf(cycle);
    if (conf == nullptr) return;
    snapshot.websockets = conf->websockets;
    for (const cache::ZoneBinding* zone : conf->zones) {
        if (zone->view == nullptr) continue;
        const cache::ZoneStats stats = zone->view->stats();
        const cache::PurgeStats purges = zone->purges.stats();
        snapshot.zones.push_back({.name = ngx::view(zone->name),
                                  .capacity_bytes = stats.capacity_bytes,
                                  .used_bytes = stats.used_bytes,
                                  .dead_bytes = stats.dead_bytes,
                                  .objects = stats.objects,
                                  .objects_limit = stats.entries_capacity,
                                  .evictions = stats.evictions,
                                  .evicted_bytes = stats.evicted_bytes,
                                  .refused = stats.refused,
                                  .recoveries = stats.recoveries,
                                  .purge_sequence = purges.sequence,
                                  .purge_floor = purges.floor,
                                  .purge_soft_floor = purges.soft_floor,
                                  .purge_tags = purges.tags,
                                  .purge_tags_limit = purges.tags_limit,
                                  .purge_prefixes = purges.prefixes,
                                  .purge_overflows = purges.overflows});
    }
    for (const cache::PurgeLink* link : conf->links) snapshot.logs.push_back(report_log(*link));
}

constexpr ngx::SharedTable kCounters{
    status::bytes_needed, [](void* memory) { status::format(memory, ngx_time()); },
    [](const void* memory) noexcept { return status::usable(memory, status::bytes_needed()); }};

}

ngx_int_t add_counters(ngx_conf_t* cf)
{
    ngx_shm_zone_t* shm = ngx::add_shared_table(cf, "edge_counters", kCounters);
    main_conf(cf).counters = shm;
    return shm != nullptr ? NGX_OK : NGX_ERROR;
}

void count_configuration(const MainConf& conf) noexcept
{
    if (void* memory = ngx::table_memory(conf.counters)) status::begin_generation(memory);
}

void start_counting(ngx_cycle_t* cycle)
{
    status::collect = collect;
    const MainConf* conf = main_conf(cycle);
    if (conf == nullptr || conf->counters == nullptr) return;
    counters_memory = ngx::table_memory(conf->counters);
    counters = status::Counters::claim(counters_memory, ngx_pid);
    cache::observer = {answered, not_stored, counted, origin_answered, encoded, sent_encoded};
    redis::observer = {redis_node,     redis_connected, redis_in_flight,
                       redis_answered, redis_failed,    redis_breaker};
    websocket::observer = {websocket_opened, websocket_closed, websocket_flushed, websocket_moved};
    count_images(counters);
}

void stop_counting() noexcept
{
    counters.release();
}

}
