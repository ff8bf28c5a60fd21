#include "module/conf.hpp"

#include "cache/glue/collapse.hpp"
#include "cache/glue/encode.hpp"
#include "cache/glue/identity.hpp"
#include "cache/glue/invalidate.hpp"
#include "cache/glue/purge_link.hpp"
#include "image/glue/image_request.hpp"
#include "image/glue/warm_sources.hpp"
#include "nginx/barrier.hpp"
#include "nginx/detached.hpp"
#include "nginx/pool.hpp"
#include "nginx/shared_table.hpp"
#include "nginx/wakeup.hpp"
#include "redis/glue/client.hpp"
#include "websocket/glue/handshake.hpp"

namespace edge::cache {
const std::size_t kLocConfOffset = offsetof(module::LocConf, cache);
}

namespace edge::status {
const std::size_t kLocConfOffset = offsetof(module::LocConf, status);
}

namespace edge::websocket {
const std::size_t kLocConfOffset = offsetof(module::LocConf, websocket);
}

namespace edge::image {
const std::size_t kLocConfOffset = offsetof(module::LocConf, image);
}

namespace edge::module {

MainConf& main_conf(ngx_conf_t* cf) noexcept
{
    return *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_edge_module));
}

MainConf* main_conf(ngx_cycle_t* cycle) noexcept
{
    return static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_edge_module));
}

namespace {

constexpr ngx_msec_t kReclaimEvery = 2000;

/// Looks for workers that died with something in a zone.
struct Reclaim {
    ngx_event_t event;
    ngx_connection_t connection;  // the debug log reads `fd` through a timer's data
};
constinit Reclaim reclaim{};

void on_reclaim(ngx_event_t* event) noexcept
{
    ngx::guarded<int>(event->log, 0, [&] {
        const MainConf* conf = main_conf(const_cast<ngx_cycle_t*>(ngx_cycle));
        for (const cache::ZoneBinding* zone : conf->zones) {
            cache::Zone* store = zone->store();
            const unsigned found = store != nullptr ? store->reclaim_dead() : 0;
            if (found != 0) {
                ngx_log_error(NGX_LOG_NOTICE, event->log, 0,
                              "edge: zone \"%V\": freed what %ui dead worker(s) held", &zone->name,
                              static_cast<ngx_uint_t>(found));
            }
        }
        return 0;
    });
    if (!ngx_exiting) ngx_add_timer(event, kReclaimEvery);
}

void start_reclaim(ngx_cycle_t* cycle) noexcept
{
    reclaim.connection.fd = static_cast<ngx_socket_t>(-1);
    reclaim.event.data = &reclaim.connection;
    reclaim.event.handler = on_reclaim;
    reclaim.event.log = cycle->log;
    reclaim.event.cancelable = 1;  // does not keep an old worker alive
    ngx_add_timer(&reclaim.event, kReclaimEvery);
}

void* create_main_conf(ngx_conf_t* cf) noexcept
{
    return ngx::guarded<void*>(cf->log, nullptr, [&] { return &ngx::make<MainConf>(cf->pool); });
}

void* create_loc_conf(ngx_conf_t* cf) noexcept
{
    return ngx::guarded<void*>(cf->log, nullptr, [&] {
        auto& conf = ngx::zeroed<LocConf>(cf->pool);
        cache::init_loc_conf(conf.cache);
        websocket::init_loc_conf(conf.websocket);
        image::init_loc_conf(conf.image);
        return &conf;
    });
}

char* merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) noexcept
{
    return ngx::guarded<char*>(cf->log, static_cast<char*>(NGX_CONF_ERROR), [&] {
        auto& conf = *static_cast<LocConf*>(child);
        const auto& around = *static_cast<LocConf*>(parent);
        char* result = cache::merge_loc_conf(
            cf, {main_conf(cf).zones, main_conf(cf).redises, main_conf(cf).links}, around.cache, conf.cache);
        websocket::merge_loc_conf(cf, around.websocket, conf.websocket);
        if (result == NGX_CONF_OK) result = image::merge_loc_conf(cf, around.image, conf.image);
        if (conf.image.settings != nullptr) {
            conf.cache.derives = 1;
            if (conf.cache.zone != nullptr) conf.cache.zone->has_others = true;
        }
        // Whoever reads the counters must not raise them.
        if (conf.status.format != static_cast<ngx_uint_t>(status::Format::none)) conf.cache.zone = nullptr;
        return result;
    });
}

ngx_int_t add_handler(ngx_conf_t* cf, ngx_http_handler_pt handler)
{
    auto* core =
        static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    auto* slot =
        static_cast<ngx_http_handler_pt*>(ngx_array_push(&core->phases[NGX_HTTP_PRECONTENT_PHASE].handlers));
    if (slot == nullptr) return NGX_ERROR;
    *slot = handler;
    return NGX_OK;
}

ngx_int_t add_cache(ngx_conf_t* cf)
{
    if (add_handler(cf, ngx::entry<cache::on_lookup, NGX_DECLINED>) != NGX_OK) return NGX_ERROR;
    cache::install_filters();
    return NGX_OK;
}

/// Handlers of one phase run in the opposite order: what is asked for is settled before it is looked up.
ngx_int_t add_images(ngx_conf_t* cf)
{
    if (!image::complete(cf, main_conf(cf).processes)) return NGX_ERROR;
    return add_handler(cf, ngx::entry<image::on_request, NGX_DECLINED>);
}

ngx_int_t add_websockets(ngx_conf_t* cf)
{
    if (add_handler(cf, ngx::entry<websocket::on_request, NGX_DECLINED>) != NGX_OK) return NGX_ERROR;
    websocket::install_header_filter();
    return NGX_OK;
}

constexpr ngx::SharedTable kFlights{cache::FlightTable::bytes_needed, cache::FlightTable::format,
                                    cache::FlightTable::usable};

/// The memory in which the workers, those of a configuration before too, tell each other what they ask for.
ngx_int_t add_flights(ngx_conf_t* cf)
{
    ngx_shm_zone_t* shm = ngx::add_shared_table(cf, "edge_flights", kFlights);
    main_conf(cf).flights = shm;
    return shm != nullptr ? NGX_OK : NGX_ERROR;
}

ngx_int_t preconfigure(ngx_conf_t* cf) noexcept
{
    return ngx::guarded<ngx_int_t>(cf->log, NGX_ERROR, [&] { return add_variables(cf); });
}

ngx_int_t postconfigure(ngx_conf_t* cf) noexcept
{
    return ngx::guarded<ngx_int_t>(cf->log, NGX_ERROR, [&]() -> ngx_int_t {
        if (!redis::finish_redis(cf, main_conf(cf).redises)) return NGX_ERROR;
        const bool caches = !main_conf(cf).zones.empty();
        const bool websockets = main_conf(cf).websockets;
        const bool images = main_conf(cf).images;
        if (!caches && !websockets && !images) return NGX_OK;  // nothing of ours in any request's way
        if (add_counters(cf) != NGX_OK) return NGX_ERROR;
        if (images) {
            // The last to be installed runs first: the cache, then what takes sources, then Vary.
            image::install_header_filter();
            ngx::install_sink_filters();
        }
        if (caches && (add_flights(cf) != NGX_OK || add_cache(cf) != NGX_OK)) return NGX_ERROR;
        if (images && add_images(cf) != NGX_OK) return NGX_ERROR;
        return websockets ? add_websockets(cf) : NGX_OK;
    });
}

void open_renders(ngx_cycle_t* cycle, MainConf& conf) noexcept
{
    const auto* core = reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module));
    const auto workers = core->master ? static_cast<unsigned>(core->worker_processes) : 1;
    static_cast<void>(conf.renders.open(workers, cycle->log));
}

ngx_int_t init_module(ngx_cycle_t* cycle) noexcept
{
    MainConf* conf = main_conf(cycle);
    if (conf == nullptr) return NGX_OK;
    count_configuration(*conf);
    if (conf->flights != nullptr) ngx::make_wakeups(cycle);  // without them waiting is by polling
    if (conf->images && !ngx_test_config) open_renders(cycle, *conf);
    return NGX_OK;
}

ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept
{
    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) return NGX_OK;
    return ngx::guarded<ngx_int_t>(cycle->log, NGX_ERROR, [&]() -> ngx_int_t {
        const MainConf* conf = main_conf(cycle);
        if (conf == nullptr) return NGX_OK;
        for (cache::ZoneBinding* zone : conf->zones) cache::attach_zone(*zone, cycle->log);
        start_counting(cycle);
        cache::watch_key_files(conf->key_files, cycle);
        redis::start_clients(conf->redises);
        if (conf->flights != nullptr) {
            const unsigned slot = ngx::claim_wakeup(cycle);
            cache::start_collapse(ngx::table_memory(conf->flights), slot);
            cache::start_links(conf->links, slot);
            start_reclaim(cycle);
        }
        if (conf->renders.is_open()) image::start_render_client(conf->renders, conf->processes, cycle);
        return NGX_OK;
    });
}

void exit_worker(ngx_cycle_t* cycle) noexcept
{
    ngx::guarded<int>(cycle->log, 0, [&] {
        const MainConf* conf = main_conf(cycle);
        if (conf == nullptr) return 0;
        image::stop_render_client();
        image::forget_warm_sources();
        cache::finish_invalidations();
        cache::stop_links(conf->links);
        redis::stop_clients();
        cache::stop_collapse();
        cache::stop_encoding();
        ngx::release_wakeup();
        for (cache::ZoneBinding* zone : conf->zones) cache::detach_zone(*zone);
        stop_counting();
        return 0;
    });
}

ngx_http_module_t context = {
    preconfigure,   // preconfiguration
    postconfigure,  // postconfiguration
    create_main_conf,
    nullptr,  // init main configuration
    nullptr,  // create server configuration
    nullptr,  // merge server configuration
    create_loc_conf,  merge_loc_conf,
};

}

}

// nginx finds it through ngx_modules[], so its own symbol stays hidden (another .so may carry the same name).
__attribute__((visibility("hidden"))) ngx_module_t ngx_http_edge_module = {
    NGX_MODULE_V1,
    &edge::module::context,
    edge::module::directives,
    NGX_HTTP_MODULE,
    nullptr,  // init master
    edge::module::init_module,
    edge::module::init_worker,
    nullptr,  // init thread
    nullptr,  // exit thread
    edge::module::exit_worker,
    nullptr,  // exit master
    NGX_MODULE_V1_PADDING,
};
