#pragma once

#include "cache/glue/conf.hpp"
#include "cache/glue/identity.hpp"
#include "cache/glue/purge_link.hpp"
#include "image/glue/image_conf.hpp"
#include "image/glue/render_generation.hpp"
#include "nginx/ngx.hpp"
#include "redis/glue/redis_conf.hpp"
#include "status/counters.hpp"
#include "status/glue/status_handler.hpp"
#include "websocket/glue/websocket_conf.hpp"

namespace edge::module {

/// http level: one a cycle, in the cycle's pool.
struct MainConf {
    cache::Zones zones;
    cache::KeyFiles key_files;           ///< of edge_cache_private
    redis::AllSettings redises;          ///< every edge_redis
    cache::PurgeLinks links;             ///< those that carry purges
    ngx_shm_zone_t* flights = nullptr;   ///< who asks the origin for what; nullptr without any edge_zone
    ngx_shm_zone_t* counters = nullptr;  ///< the status room's; nullptr where nothing of ours is on
    bool websockets = false;             ///< edge_websocket on stands somewhere
    bool images = false;                 ///< edge_image on stands somewhere
    image::ProcessSettings processes;
    image::RenderGeneration renders;
};

/// A location's configuration: every room's part, side by side.
struct LocConf {
    cache::LocConf cache;
    status::LocConf status;
    websocket::LocConf websocket;
    image::LocConf image;
};

extern ngx_command_t directives[];

/// The module's MainConf of `cycle`, or nullptr when it has no http block.
MainConf* main_conf(ngx_cycle_t* cycle) noexcept;
MainConf& main_conf(ngx_conf_t* cf) noexcept;

// variables.cpp
ngx_int_t add_variables(ngx_conf_t* cf);

// counting_images.cpp
/// Tells the image room where to count.
void count_images(status::Counters& counters) noexcept;

// counting.cpp
/// Adds the shared memory for the counters to the configuration.
ngx_int_t add_counters(ngx_conf_t* cf);
/// In init_module: one more configuration, of which the status page tells the number.
void count_configuration(const MainConf& conf) noexcept;
/// In a worker: takes a slot and tells the rooms where to count.
void start_counting(ngx_cycle_t* cycle);
void stop_counting() noexcept;

}
