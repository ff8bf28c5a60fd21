#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "image/settings.hpp"
#include "nginx/ngx.hpp"

namespace edge::image {

/// What one block says, not yet joined with the blocks around it; in the configuration's pool.
struct Said {
    struct Placed {
        std::string place;  ///< file:line
        Preset preset;
    };
    std::vector<Placed> presets;
    std::vector<NamedQuality> qualities;
    std::vector<Placed> prewarm;  ///< preset.name alone
    std::string usual;            ///< the quality named by edge_image_quality NAME
    std::string usual_place;
};

/// The image room's part of a location's configuration; plain, so that nginx can zero it. nullptr and
/// NGX_CONF_UNSET: not said.
struct LocConf {
    ngx_flag_t on;
    Said* said;
    const Formats* formats;
    const ArgumentRules* arguments;
    const SigningKeys* keys;
    const Limits* limits;
    const Settings* range;  ///< its range alone
    ngx_flag_t keep_copyright;
    ngx_flag_t fallback_original;
    ngx_flag_t prewarm;        ///< said, if only "off"
    const Settings* settings;  ///< made by merge_loc_conf(); nullptr: off
};

/// Where this room's part lies in the module's location configuration; defined by the module room.
extern const std::size_t kLocConfOffset;

inline LocConf& loc_conf(ngx_http_request_t& r) noexcept
{
    auto* whole = static_cast<char*>(ngx_http_get_module_loc_conf((&r), ngx_http_edge_module));
    return *reinterpret_cast<LocConf*>(whole + kLocConfOffset);
}

void init_loc_conf(LocConf& conf) noexcept;
/// Takes what `conf` does not say from `parent` and builds the settings. An NGX_CONF_ERROR is already logged
/// with file and line. Throws std::bad_alloc.
char* merge_loc_conf(ngx_conf_t* cf, const LocConf& parent, LocConf& conf);

/// edge_image on stands here: somewhere to point to if there is no program.
void note_use(ngx_conf_t* cf, ProcessSettings& settings);
/// At the end of the configuration, when edge_image on stands somewhere: finds the program. false: an error,
/// logged.
bool complete(ngx_conf_t* cf, ProcessSettings& settings);

// Directive setters. An NGX_CONF_ERROR is already logged with file and line.
char* set_image(ngx_conf_t* cf, LocConf& conf);
char* set_image_formats(ngx_conf_t* cf, LocConf& conf);
char* set_image_args(ngx_conf_t* cf, LocConf& conf);
char* set_image_preset(ngx_conf_t* cf, LocConf& conf);
char* set_image_quality(ngx_conf_t* cf, LocConf& conf);
char* set_image_sign(ngx_conf_t* cf, LocConf& conf);
char* set_image_range(ngx_conf_t* cf, LocConf& conf);
char* set_image_copyright(ngx_conf_t* cf, LocConf& conf);
char* set_image_fallback(ngx_conf_t* cf, LocConf& conf);
char* set_image_prewarm(ngx_conf_t* cf, LocConf& conf);
/// memory= and queue= are the host's and go into `processes`.
char* set_image_limit(ngx_conf_t* cf, LocConf& conf, ProcessSettings& processes);
char* set_image_processes(ngx_conf_t* cf, ProcessSettings& processes);

}
