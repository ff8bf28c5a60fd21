#include <cstddef>

#include "cache/glue/events.hpp"
#include "module/conf.hpp"
#include "nginx/barrier.hpp"
#include "nginx/str.hpp"
#include "status/counters.hpp"

/// What the rooms report, put into the status room's counters; and what its page shows.
namespace edge::module {

using ngx::operator""_ngx;

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
    if (counters_memory != nullptr) snapshot.totals = status::sum(counters_memory);
    const MainConf* conf = main_conf(cycle);
    if (conf == nullptr) return;
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
}

ngx_int_t init_counters(ngx_shm_zone_t* shm, void* previous) noexcept
{
    return ngx::guarded<ngx_int_t>(shm->shm.log, NGX_ERROR, [&]() -> ngx_int_t {
        if (previous != nullptr) {
            shm->data = previous;
        } else {
            auto& pool = *reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
            shm->data = ngx_slab_alloc(&pool, status::bytes_needed());
            if (shm->data == nullptr) return NGX_ERROR;
            status::format(shm->data, ngx_time());
        }
        status::begin_generation(shm->data);
        return NGX_OK;
    });
}

}

ngx_int_t add_counters(ngx_conf_t* cf)
{
    ngx_str_t name = "edge_counters"_ngx;
    // nginx's slab header and page table come on top.
    const std::size_t size = status::bytes_needed() + status::bytes_needed() / 16 + 16 * ngx_pagesize;
    ngx_shm_zone_t* shm = ngx_shared_memory_add(cf, &name, size, &ngx_http_edge_module);
    if (shm == nullptr) return NGX_ERROR;
    shm->init = init_counters;
    main_conf(cf).counters = shm;
    return NGX_OK;
}

void start_counting(ngx_cycle_t* cycle)
{
    status::collect = collect;
    const MainConf* conf = main_conf(cycle);
    if (conf == nullptr || conf->counters == nullptr) return;
    counters_memory = conf->counters->data;
    counters = status::Counters::claim(counters_memory, ngx_pid);
    cache::observer = {answered, not_stored, counted, origin_answered};
}

void stop_counting() noexcept
{
    counters.release();
}

}
