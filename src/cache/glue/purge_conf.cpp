#include <algorithm>
#include <string>

#include "cache/glue/conf.hpp"
#include "http/token.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

/// The directives of tags and purges.
namespace edge::cache {

namespace {

char* error() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

std::span<ngx_str_t> arguments(ngx_conf_t* cf) noexcept
{
    return {static_cast<ngx_str_t*>(cf->args->elts) + 1, cf->args->nelts - 1};
}

/// Fields that mean something else to a client or to the cache: to take them away would break answers.
bool has_other_work(std::string_view name) noexcept
{
    for (const std::string_view known :
         {"age", "cache-control", "cache-groups", "cache-group-invalidation", "cache-status", "connection",
          "content-encoding", "content-length", "content-type", "date", "etag", "expires", "last-modified",
          "location", "set-cookie", "transfer-encoding", "vary"}) {
        if (http::equal_fold(known, name)) return true;
    }
    return false;
}

ngx_str_t& add_text(ngx_conf_t* cf, ngx_array_t& list, std::string_view text)
{
    auto* added = static_cast<ngx_str_t*>(ngx_array_push(&list));
    if (added == nullptr) throw std::bad_alloc{};
    *added = ngx::copy(cf->pool, text);
    if (added->data == nullptr) throw std::bad_alloc{};
    return *added;
}

ngx_array_t& new_list(ngx_conf_t* cf)
{
    ngx_array_t* list = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (list == nullptr) throw std::bad_alloc{};
    return *list;
}

}

char* set_cache_tag_header(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.tag_headers != nullptr) return const_cast<char*>("is duplicate");
    conf.tag_headers = &new_list(cf);
    const auto args = arguments(cf);
    if (args.size() == 1 && ngx::view(args[0]) == "off") return NGX_CONF_OK;
    for (ngx_str_t& arg : args) {
        if (!http::is_token(ngx::view(arg))) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "edge_cache_tag_header: \"%V\" is not a header field's name, expected as in "
                               "Surrogate-Key",
                               &arg);
            return error();
        }
        if (has_other_work(ngx::view(arg))) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "edge_cache_tag_header: \"%V\" has another meaning and would be hidden from "
                               "clients, expected a field for tags only, as Cache-Tag or Surrogate-Key",
                               &arg);
            return error();
        }
        add_text(cf, *conf.tag_headers, ngx::view(arg));
    }
    return NGX_CONF_OK;
}

bool check_across(ngx_conf_t* cf, const LocConf& conf)
{
    const auto* core =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    if (conf.collapse_across != kAcrossRedis || conf.zone == nullptr || conf.redis != nullptr) return true;
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "edge_cache_collapse in location \"%V\": across=redis needs a Redis, expected as in "
                  "edge_cache main redis=shared",
                  &core->name);
    return false;
}

char* set_purge(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.purge != 0) return const_cast<char*>("is duplicate");
    conf.purge = 1;
    conf.purge_zones = &new_list(cf);
    conf.purge_place = ngx::copy(cf->pool, std::string{ngx::view(cf->conf_file->file.name)} + ":" +
                                               std::to_string(cf->conf_file->line));
    if (conf.purge_place.data == nullptr) return error();
    for (ngx_str_t& arg : arguments(cf)) add_text(cf, *conf.purge_zones, ngx::view(arg));
    return NGX_CONF_OK;
}

bool merge_purge(ngx_conf_t* cf, const Zones& zones, const LocConf& parent, LocConf& conf, Settings& settings)
{
    if (conf.tags == nullptr) conf.tags = parent.tags;
    if (conf.tag_headers == nullptr) conf.tag_headers = parent.tag_headers;
    // `limit_except` and `if` are parts of their location; a location inside another one is not.
    const auto* core =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    if (conf.purge == 0 && core->noname) {
        conf.purge = parent.purge;
        conf.purge_zones = parent.purge_zones;
        conf.purge_place = parent.purge_place;
    }
    if (conf.purge == 0) return true;
    if (zones.empty()) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "edge_purge: there is nothing to purge, define a zone at http level with: "
                      "edge_zone main size=256m; in %V",
                      &conf.purge_place);
        return false;
    }
    const auto* names = static_cast<const ngx_str_t*>(conf.purge_zones->elts);
    for (ngx_uint_t i = 0; i < conf.purge_zones->nelts; ++i) {
        const auto zone = std::find_if(zones.begin(), zones.end(), [&](const ZoneBinding* z) {
            return ngx::view(z->name) == ngx::view(names[i]);
        });
        if (zone == zones.end()) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "edge_purge: unknown zone \"%V\", expected the name of an edge_zone; in %V",
                          &names[i], &conf.purge_place);
            return false;
        }
        settings.purge_zones.push_back(*zone);
    }
    if (settings.purge_zones.empty() && conf.zone != nullptr) settings.purge_zones.push_back(conf.zone);
    if (settings.purge_zones.empty()) settings.purge_zones = zones;
    return true;
}

}
