#include <algorithm>
#include <iterator>
#include <string_view>

#include "cache/glue/encode.hpp"
#include "module/conf.hpp"
#include "nginx/barrier.hpp"
#include "nginx/directive.hpp"
#include "nginx/str.hpp"

namespace edge::module {

using ngx::operator""_ngx;

namespace {

char* failed() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

template <char* (*Set)(ngx_conf_t*, cache::LocConf&)>
char* cache_setter(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(),
                               [&] { return Set(cf, static_cast<LocConf*>(conf)->cache); });
}

char* zone_setter(ngx_conf_t* cf, ngx_command_t*, void*) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(), [&] { return cache::set_zone(cf, main_conf(cf).zones); });
}

char* redis_setter(ngx_conf_t* cf, ngx_command_t*, void*) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(),
                               [&] { return redis::set_redis(cf, main_conf(cf).redises); });
}

template <char* (*Set)(ngx_conf_t*, websocket::LocConf&)>
char* websocket_setter(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(), [&] {
        auto& own = static_cast<LocConf*>(conf)->websocket;
        char* result = Set(cf, own);
        if (own.on == 1) main_conf(cf).websockets = true;
        return result;
    });
}

template <char* (*Set)(ngx_conf_t*, image::LocConf&)>
char* image_setter(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(), [&] {
        auto& own = static_cast<LocConf*>(conf)->image;
        char* result = Set(cf, own);
        if (own.on == 1) {
            main_conf(cf).images = true;
            image::note_use(cf, main_conf(cf).processes);
        }
        return result;
    });
}

char* image_limit_setter(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(), [&] {
        return image::set_image_limit(cf, static_cast<LocConf*>(conf)->image, main_conf(cf).processes);
    });
}

char* image_processes_setter(ngx_conf_t* cf, ngx_command_t*, void*) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(),
                               [&] { return image::set_image_processes(cf, main_conf(cf).processes); });
}

char* private_setter(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept
{
    return ngx::guarded<char*>(cf->log, failed(), [&] {
        return cache::set_cache_private(cf, static_cast<LocConf*>(conf)->cache, main_conf(cf).key_files);
    });
}

char* status_setter(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept
{
    auto& format = static_cast<LocConf*>(conf)->status.format;
    if (format != static_cast<ngx_uint_t>(status::Format::none)) return const_cast<char*>("is duplicate");
    auto* args = static_cast<ngx_str_t*>(cf->args->elts);
    const std::string_view wanted = cf->args->nelts > 1 ? ngx::view(args[1]) : "json";
    constexpr std::string_view kFormats[] = {"json", "prometheus", "memory", "cache", "websocket", "metrics"};
    const auto* const known = std::find(std::begin(kFormats), std::end(kFormats), wanted);
    if (known == std::end(kFormats)) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "edge_status: unknown format \"%V\", expected json or prometheus, or memory, cache, "
            "websocket or metrics",
            &args[1]);
        return failed();
    }
    format = static_cast<ngx_uint_t>(status::Format::json) + static_cast<ngx_uint_t>(known - kFormats);
    auto* core =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    core->handler = ngx::entry<status::on_status, NGX_HTTP_INTERNAL_SERVER_ERROR>;
    return NGX_CONF_OK;
}

}

constinit ngx_command_t directives[] = {
    ngx::directive("edge_zone"_ngx, NGX_HTTP_MAIN_CONF, NGX_CONF_TAKE23 | NGX_CONF_TAKE1, zone_setter),
    ngx::directive("edge_redis"_ngx, NGX_HTTP_MAIN_CONF, NGX_CONF_2MORE, redis_setter),
    ngx::directive("edge_cache"_ngx, ngx::kEverywhere, NGX_CONF_1MORE, cache_setter<cache::set_cache>),
    ngx::directive("edge_cache_key"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1,
                   cache_setter<cache::set_cache_key>),
    ngx::directive("edge_cache_args"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_args>),
    ngx::directive("edge_cache_valid"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_valid>),
    ngx::directive("edge_cache_methods"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_methods>),
    ngx::directive("edge_cache_bypass"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_bypass>),
    ngx::directive("edge_no_cache"_ngx, ngx::kEverywhere, NGX_CONF_1MORE, cache_setter<cache::set_no_cache>),
    ngx::directive("edge_cache_ignore_headers"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_ignore_headers>),
    ngx::directive("edge_cache_ignore_client"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_ignore_client>),
    ngx::directive("edge_cache_vary"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_vary>),
    ngx::directive("edge_cache_stale"_ngx, ngx::kEverywhere, NGX_CONF_TAKE123,
                   cache_setter<cache::set_cache_stale>),
    ngx::directive("edge_cache_collapse"_ngx, ngx::kEverywhere, NGX_CONF_TAKE123,
                   cache_setter<cache::set_cache_collapse>),
    ngx::directive("edge_cache_min_uses"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1,
                   cache_setter<cache::set_cache_min_uses>),
    ngx::directive("edge_cache_shadow"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1,
                   cache_setter<cache::set_cache_shadow>),
    ngx::directive("edge_cache_tag"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_tag>),
    ngx::directive("edge_cache_tag_header"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_tag_header>),
    ngx::directive("edge_cache_encode"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_encode>),
    ngx::directive("edge_cache_private"_ngx, ngx::kEverywhere, NGX_CONF_1MORE, private_setter),
    ngx::directive("edge_cache_invalidate"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_invalidate>),
    ngx::directive("edge_cache_refill"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   cache_setter<cache::set_cache_refill>),
    ngx::directive("edge_purge"_ngx, NGX_HTTP_LOC_CONF, NGX_CONF_ANY, cache_setter<cache::set_purge>),
    ngx::directive("edge_websocket"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1,
                   websocket_setter<websocket::set_websocket>),
    ngx::directive("edge_websocket_batch"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   websocket_setter<websocket::set_websocket_batch>),
    ngx::directive("edge_websocket_priority"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   websocket_setter<websocket::set_websocket_priority>),
    ngx::directive("edge_websocket_compress"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   websocket_setter<websocket::set_websocket_compress>),
    ngx::directive("edge_websocket_limit"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   websocket_setter<websocket::set_websocket_limit>),
    ngx::directive("edge_websocket_ping"_ngx, ngx::kEverywhere, NGX_CONF_TAKE12,
                   websocket_setter<websocket::set_websocket_ping>),
    ngx::directive("edge_image"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1, image_setter<image::set_image>),
    ngx::directive("edge_image_formats"_ngx, ngx::kEverywhere, NGX_CONF_TAKE12,
                   image_setter<image::set_image_formats>),
    ngx::directive("edge_image_args"_ngx, ngx::kEverywhere, NGX_CONF_TAKE12,
                   image_setter<image::set_image_args>),
    ngx::directive("edge_image_preset"_ngx, ngx::kEverywhere, NGX_CONF_2MORE,
                   image_setter<image::set_image_preset>),
    ngx::directive("edge_image_quality"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   image_setter<image::set_image_quality>),
    ngx::directive("edge_image_sign"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1,
                   image_setter<image::set_image_sign>),
    ngx::directive("edge_image_range"_ngx, ngx::kEverywhere, NGX_CONF_TAKE12,
                   image_setter<image::set_image_range>),
    ngx::directive("edge_image_copyright"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1,
                   image_setter<image::set_image_copyright>),
    ngx::directive("edge_image_fallback"_ngx, ngx::kEverywhere, NGX_CONF_TAKE1,
                   image_setter<image::set_image_fallback>),
    ngx::directive("edge_image_prewarm"_ngx, ngx::kEverywhere, NGX_CONF_1MORE,
                   image_setter<image::set_image_prewarm>),
    ngx::directive("edge_image_limit"_ngx, ngx::kEverywhere, NGX_CONF_1MORE, image_limit_setter),
    ngx::directive("edge_image_processes"_ngx, NGX_HTTP_MAIN_CONF, NGX_CONF_TAKE12, image_processes_setter),
    ngx::directive("edge_status"_ngx, NGX_HTTP_LOC_CONF, NGX_CONF_NOARGS | NGX_CONF_TAKE1, status_setter),
    ngx_null_command,
};

}
