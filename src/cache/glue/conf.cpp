#include "cache/glue/conf.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "cache/glue/identity.hpp"
#include "cache/glue/invalidate.hpp"
#include "cache/glue/redis_level.hpp"
#include "cache/glue/use_counting.hpp"
#include "cache/use_counts.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

constexpr std::uint64_t kDefaultMaxObject = 32 * 1024 * 1024;
constexpr ngx_msec_t kDefaultWait = 1000;
/// edge_cache_stale was given without this window; NGX_CONF_UNSET would be inherited over.
constexpr time_t kNoWindow = -2;

char* error() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

std::span<ngx_str_t> arguments(ngx_conf_t* cf) noexcept
{
    return {static_cast<ngx_str_t*>(cf->args->elts) + 1, cf->args->nelts - 1};
}

bool says_off(std::span<ngx_str_t> args) noexcept
{
    return args.size() == 1 && ngx::view(args[0]) == "off";
}

const ngx_str_t& directive_name(ngx_conf_t* cf) noexcept
{
    return *static_cast<ngx_str_t*>(cf->args->elts);
}

/// "name=value": the value, when `argument` begins with "name=".
std::optional<ngx_str_t> option(const ngx_str_t& argument, std::string_view name_and_equals) noexcept
{
    if (!ngx::view(argument).starts_with(name_and_equals)) return std::nullopt;
    return ngx_str_t{argument.len - name_and_equals.size(), argument.data + name_and_equals.size()};
}

/// A size in bytes with an optional k, m or g; -1 when it is none.
std::int64_t parse_bytes(ngx_str_t text) noexcept
{
    if (text.len == 0) return -1;
    return ngx_parse_offset(&text);
}

/// The bits that `names` stand for. `off` alone is `none`.
template <std::size_t N>
char* set_bits(ngx_conf_t* cf, ngx_uint_t& bits,
               const std::array<std::pair<std::string_view, ngx_uint_t>, N>& names, ngx_uint_t none)
{
    if (bits != 0) return const_cast<char*>("is duplicate");
    const auto args = arguments(cf);
    if (says_off(args)) {
        bits = none;
        return NGX_CONF_OK;
    }
    for (ngx_str_t& arg : args) {
        const auto known = std::find_if(names.begin(), names.end(), [&](const auto& name) {
            return name.first.size() == arg.len &&
                   ngx_strncasecmp(arg.data, reinterpret_cast<u_char*>(const_cast<char*>(name.first.data())),
                                   arg.len) == 0;
        });
        if (known == names.end()) {
            std::string choice;
            for (const auto& name : names) choice.append(choice.empty() ? "" : ", ").append(name.first);
            const ngx_str_t text = ngx::copy(cf->temp_pool, choice);
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%V: unknown header field \"%V\", expected off or some of: %V",
                               &directive_name(cf), &arg, &text);
            return error();
        }
        bits |= known->second;
    }
    return NGX_CONF_OK;
}

/// A directive that may stand several times, each adding to `values`; or once as `off`, which leaves them
/// empty and nothing inherited. false: both, or off twice.
bool begin_list(ngx_conf_t* cf, ngx_array_t*& values, std::size_t element)
{
    const bool off = says_off(arguments(cf));
    if (values != nullptr) return !off && values->nelts != 0;
    values = ngx_array_create(cf->pool, 4, element);
    if (values == nullptr) throw std::bad_alloc{};
    return true;
}

char* add_predicates(ngx_conf_t* cf, ngx_array_t*& values)
{
    if (!begin_list(cf, values, sizeof(ngx_http_complex_value_t))) return const_cast<char*>("is duplicate");
    if (says_off(arguments(cf))) return NGX_CONF_OK;
    for (ngx_str_t& arg : arguments(cf)) {
        auto* value = static_cast<ngx_http_complex_value_t*>(ngx_array_push(values));
        if (value == nullptr) return error();
        ngx_http_compile_complex_value_t compile{};
        compile.cf = cf;
        compile.value = &arg;
        compile.complex_value = value;
        if (ngx_http_compile_complex_value(&compile) != NGX_OK) return error();
    }
    return NGX_CONF_OK;
}

}

char* set_zone(ngx_conf_t* cf, Zones& zones)
{
    const auto args = arguments(cf);
    ngx_str_t name = args[0];
    ZoneShape shape{.bytes = 0, .max_object = 0};
    const auto given_before = [&](std::uint64_t value, const char* parameter) {
        if (value != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_zone \"%V\": %s is given twice", &name, parameter);
        }
        return value != 0;
    };
    for (ngx_str_t& arg : args.subspan(1)) {
        if (const auto size = option(arg, "size=")) {
            if (given_before(shape.bytes, "size=")) return error();
            const std::int64_t bytes = parse_bytes(*size);
            if (bytes <= 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "edge_zone \"%V\": invalid size \"%V\", expected as in size=256m", &name,
                                   &*size);
                return error();
            }
            shape.bytes = static_cast<std::uint64_t>(bytes);
        } else if (const auto max = option(arg, "max_object=")) {
            if (given_before(shape.max_object, "max_object=")) return error();
            const std::int64_t bytes = parse_bytes(*max);
            if (bytes <= 0) {
                ngx_conf_log_error(
                    NGX_LOG_EMERG, cf, 0,
                    "edge_zone \"%V\": invalid max_object \"%V\", expected as in max_object=32m", &name,
                    &*max);
                return error();
            }
            shape.max_object = static_cast<std::uint64_t>(bytes);
        } else {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_zone \"%V\": unknown parameter \"%V\", expected size= or max_object=", &name, &arg);
            return error();
        }
    }
    // The module's own shared memory has such names.
    if (ngx::view(name) == "off" || ngx::view(name).starts_with("edge_") || name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_zone: \"%V\" cannot be a zone's name, choose another, as in main", &name);
        return error();
    }
    if (shape.bytes == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_zone \"%V\" needs a size, as in size=256m", &name);
        return error();
    }
    constexpr std::uint64_t kSmallest = 2 * Zone::kMinimumBytes;
    if (shape.bytes < kSmallest) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_zone \"%V\" is too small, at least size=%uLm is needed", &name,
                           kSmallest / (1024 * 1024));
        return error();
    }
    if (shape.max_object == 0) {
        shape.max_object = std::min(kDefaultMaxObject, shape.bytes / 4);
    } else if (shape.max_object > shape.bytes / 4) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_zone \"%V\": max_object is more than a quarter of size, at most "
                           "max_object=%uLk is possible",
                           &name, shape.bytes / 4 / 1024);
        return error();
    }
    for (const ZoneBinding* other : zones) {
        if (ngx::view(other->name) == ngx::view(name)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_zone \"%V\" is defined twice", &name);
            return error();
        }
    }
    ZoneBinding* zone = add_zone(cf, name, shape);
    if (zone == nullptr) return error();
    zones.push_back(zone);
    return NGX_CONF_OK;
}

char* set_cache(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.zone_name.data != nullptr) return const_cast<char*>("is duplicate");
    conf.zone_name = arguments(cf)[0];
    conf.zone_place = ngx::copy(cf->pool, std::string{ngx::view(cf->conf_file->file.name)} + ":" +
                                              std::to_string(cf->conf_file->line));
    if (conf.zone_place.data == nullptr) return error();
    for (const ngx_str_t& argument : arguments(cf).subspan(1)) {
        if (!take_redis_argument(cf, conf, argument)) return error();
    }
    return check_redis_arguments(cf, conf) ? NGX_CONF_OK : error();
}

char* set_cache_key(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.key != NGX_CONF_UNSET_PTR) return const_cast<char*>("is duplicate");
    conf.key = nullptr;
    if (says_off(arguments(cf))) return NGX_CONF_OK;
    if (arguments(cf)[0].len == 0) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "edge_cache_key: the key is empty, expected off or variables, as in $host$request_uri");
        return error();
    }
    conf.key = &ngx::zeroed<ngx_http_complex_value_t>(cf->pool);
    ngx_http_compile_complex_value_t compile{};
    compile.cf = cf;
    compile.value = &arguments(cf)[0];
    compile.complex_value = conf.key;
    return ngx_http_compile_complex_value(&compile) == NGX_OK ? NGX_CONF_OK : error();
}

char* set_cache_valid(ngx_conf_t* cf, LocConf& conf)
{
    if (!begin_list(cf, conf.valid, sizeof(ValidRule))) return const_cast<char*>("is duplicate");
    const auto args = arguments(cf);
    if (says_off(args)) return NGX_CONF_OK;
    ngx_str_t time = args.back();
    const ngx_int_t seconds = ngx_parse_time(&time, 1);
    if (seconds == NGX_ERROR || seconds > std::numeric_limits<std::int32_t>::max()) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_cache_valid: invalid time \"%V\", expected as in 10s, 5m or 1h", &time);
        return error();
    }
    const auto add = [&](ngx_int_t status) {
        auto* rule = static_cast<ValidRule*>(ngx_array_push(conf.valid));
        if (rule == nullptr) return false;
        *rule = {static_cast<std::uint16_t>(status), static_cast<std::uint32_t>(seconds)};
        return true;
    };
    if (args.size() == 1) {  // as proxy_cache_valid: the three commonest
        return add(200) && add(301) && add(302) ? NGX_CONF_OK : error();
    }
    for (ngx_str_t& arg : args.first(args.size() - 1)) {
        const bool any = ngx::view(arg) == "any";
        const ngx_int_t status = any ? 0 : ngx_atoi(arg.data, arg.len);
        if (!any && (status < 200 || status > 599)) {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_cache_valid: invalid status \"%V\", expected any or a number from 200 to 599", &arg);
            return error();
        }
        if (status == 206 || status == 304) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "edge_cache_valid: a %V answer is never stored by itself, leave it out", &arg);
            return error();
        }
        if (!add(status)) return error();
    }
    return NGX_CONF_OK;
}

char* set_cache_methods(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.head != NGX_CONF_UNSET_UINT) return const_cast<char*>("is duplicate");
    bool get = false;
    conf.head = 0;
    for (ngx_str_t& arg : arguments(cf)) {
        if (ngx::view(arg) == "GET") {
            get = true;
        } else if (ngx::view(arg) == "HEAD") {
            conf.head = 1;
        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "edge_cache_methods: \"%V\" answers are not cached, expected GET or HEAD",
                               &arg);
            return error();
        }
    }
    if (!get) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_cache_methods needs GET: a HEAD is answered from a stored GET");
        return error();
    }
    return NGX_CONF_OK;
}

char* set_cache_bypass(ngx_conf_t* cf, LocConf& conf)
{
    return add_predicates(cf, conf.bypass);
}
char* set_no_cache(ngx_conf_t* cf, LocConf& conf)
{
    return add_predicates(cf, conf.no_store);
}
char* set_cache_tag(ngx_conf_t* cf, LocConf& conf)
{
    return add_predicates(cf, conf.tags);
}

char* set_cache_refill(ngx_conf_t* cf, LocConf& conf)
{
    for (const ngx_str_t& arg : arguments(cf)) {
        const std::string_view text = ngx::view(arg);
        if (text == "off" || text.starts_with('/') || text.starts_with('$')) continue;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_cache_refill: \"%V\" is no path, expected as in edge_cache_refill "
                           "/api/projects \"/api/projects/$1\"",
                           &arg);
        return error();
    }
    return add_predicates(cf, conf.refill);
}

char* set_ignore_headers(ngx_conf_t* cf, LocConf& conf)
{
    static constexpr std::array<std::pair<std::string_view, ngx_uint_t>, 5> kNames{{
        {"Cache-Control", kIgnoreCacheControl},
        {"Expires", kIgnoreExpires},
        {"Set-Cookie", kIgnoreSetCookie},
        {"Vary", kIgnoreVary},
        {"CDN-Cache-Control", kIgnoreTargeted},
    }};
    return set_bits(cf, conf.ignore_headers, kNames, kIgnoreHeadersNone);
}

char* set_ignore_client(ngx_conf_t* cf, LocConf& conf)
{
    static constexpr std::array<std::pair<std::string_view, ngx_uint_t>, 4> kNames{{
        {"Cache-Control", kIgnoreClientCacheControl},
        {"Pragma", kIgnoreClientPragma},
        {"If-None-Match", kIgnoreClientIfNoneMatch},
        {"If-Modified-Since", kIgnoreClientIfModifiedSince},
    }};
    return set_bits(cf, conf.ignore_client, kNames, kIgnoreClientNone);
}

char* set_cache_vary(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.vary != nullptr) return const_cast<char*>("is duplicate");
    conf.vary = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (conf.vary == nullptr) return error();
    const auto args = arguments(cf);
    if (says_off(args)) return NGX_CONF_OK;
    for (ngx_str_t& arg : args) {
        const bool token = std::all_of(arg.data, arg.data + arg.len, [](u_char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                   c == '_';
        });
        if (!token || arg.len == 0) {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_cache_vary: \"%V\" is not a request header field's name, expected as in Origin", &arg);
            return error();
        }
        auto* name = static_cast<ngx_str_t*>(ngx_array_push(conf.vary));
        if (name == nullptr) return error();
        *name = ngx::copy(cf->pool, ngx::view(arg));
        if (name->data == nullptr) return error();
        ngx_strlow(name->data, name->data, name->len);
    }
    return NGX_CONF_OK;
}

char* set_cache_stale(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.while_revalidate != NGX_CONF_UNSET) return const_cast<char*>("is duplicate");
    conf.while_revalidate = conf.if_error = kNoWindow;
    if (says_off(arguments(cf))) {
        // Something said, so that nothing is assumed when the origin can't be reached.
        conf.while_revalidate = conf.if_error = 0;
        return NGX_CONF_OK;
    }
    for (ngx_str_t& arg : arguments(cf)) {
        const auto revalidate = option(arg, "while_revalidate=");
        const auto if_error = option(arg, "if_error=");
        if (const auto ahead = option(arg, "refresh_ahead=")) {
            const bool percent = ahead->len > 1 && ahead->data[ahead->len - 1] == '%';
            const ngx_int_t part = percent ? ngx_atoi(ahead->data, ahead->len - 1) : NGX_ERROR;
            if (part < 1 || part > 50 || conf.refresh_ahead != NGX_CONF_UNSET_UINT) {
                ngx_conf_log_error(
                    NGX_LOG_EMERG, cf, 0,
                    "edge_cache_stale: \"%V\", expected once, from refresh_ahead=1%% to refresh_ahead=50%%",
                    &arg);
                return error();
            }
            conf.refresh_ahead = static_cast<ngx_uint_t>(part);
            continue;
        }
        if (!revalidate && !if_error) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "edge_cache_stale: unknown parameter \"%V\", expected while_revalidate=, "
                               "if_error= and refresh_ahead=, or off alone",
                               &arg);
            return error();
        }
        time_t& window = revalidate ? conf.while_revalidate : conf.if_error;
        if (window != kNoWindow) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_cache_stale: %s is given twice",
                               revalidate ? "while_revalidate=" : "if_error=");
            return error();
        }
        ngx_str_t time = revalidate ? *revalidate : *if_error;
        const ngx_int_t seconds = time.len == 0 ? NGX_ERROR : ngx_parse_time(&time, 1);
        if (seconds == NGX_ERROR || seconds > std::numeric_limits<std::int32_t>::max()) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "edge_cache_stale: invalid time in \"%V\", expected as in 30s or 1h", &arg);
            return error();
        }
        window = seconds;
    }
    return NGX_CONF_OK;
}

char* set_cache_collapse(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.collapse != NGX_CONF_UNSET) return const_cast<char*>("is duplicate");
    const auto args = arguments(cf);
    if (ngx::view(args[0]) != "on" && ngx::view(args[0]) != "off") {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_cache_collapse: \"%V\", expected on or off", &args[0]);
        return error();
    }
    conf.collapse = ngx::view(args[0]) == "on" ? 1 : 0;
    for (ngx_str_t& arg : args.subspan(1)) {
        const auto wait = option(arg, "wait=");
        const auto across = option(arg, "across=");
        if (wait && conf.collapse && conf.collapse_wait == NGX_CONF_UNSET_MSEC) {
            ngx_str_t time = *wait;
            const ngx_int_t ms = ngx_parse_time(&time, 0);
            if (ms == NGX_ERROR || ms == 0 || ms > std::numeric_limits<std::int32_t>::max()) {
                ngx_conf_log_error(
                    NGX_LOG_EMERG, cf, 0,
                    "edge_cache_collapse: invalid time in \"%V\", expected as in wait=1s or wait=500ms",
                    &arg);
                return error();
            }
            conf.collapse_wait = static_cast<ngx_msec_t>(ms);
        } else if (across && conf.collapse && ngx::view(*across) == "redis") {
            conf.collapse_across = kAcrossRedis;
        } else if (!across || ngx::view(*across) != "zone") {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_cache_collapse: \"%V\", expected on with wait=TIME once and across=zone or "
                "across=redis, or off alone",
                &arg);
            return error();
        }
    }
    return NGX_CONF_OK;
}

char* set_cache_min_uses(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.min_uses != NGX_CONF_UNSET) return const_cast<char*>("is duplicate");
    const ngx_str_t& arg = arguments(cf)[0];
    conf.min_uses = ngx_atoi(arg.data, arg.len);
    if (conf.min_uses >= 1 && conf.min_uses <= UseCounts::kMost) return NGX_CONF_OK;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_cache_min_uses: invalid number \"%V\", expected 1 to %ui",
                       &arg, static_cast<ngx_uint_t>(UseCounts::kMost));
    return error();
}

char* set_cache_shadow(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.shadow != NGX_CONF_UNSET) return const_cast<char*>("is duplicate");
    const ngx_str_t& arg = arguments(cf)[0];
    if (ngx::view(arg) != "on" && ngx::view(arg) != "off") {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_cache_shadow: invalid \"%V\", expected on or off",
                           &arg);
        return error();
    }
    conf.shadow = ngx::view(arg) == "on" ? 1 : 0;
    return NGX_CONF_OK;
}

void init_loc_conf(LocConf& conf) noexcept
{
    conf.collapse = NGX_CONF_UNSET;
    conf.refresh_ahead = NGX_CONF_UNSET_UINT;
    conf.collapse_wait = NGX_CONF_UNSET_MSEC;
    conf.key = static_cast<ngx_http_complex_value_t*>(NGX_CONF_UNSET_PTR);
    conf.head = NGX_CONF_UNSET_UINT;
    conf.while_revalidate = NGX_CONF_UNSET;
    conf.if_error = NGX_CONF_UNSET;
    conf.min_uses = NGX_CONF_UNSET;
    conf.shadow = NGX_CONF_UNSET;
}

namespace {

Settings* build_settings(ngx_conf_t* cf, const LocConf& conf)
{
    auto& settings = ngx::make<Settings>(cf->pool);
    PolicyConfig& policy = settings.policy;
    if (conf.valid != nullptr) {
        const auto* rules = static_cast<const ValidRule*>(conf.valid->elts);
        policy.valid.assign(rules, rules + conf.valid->nelts);
    }
    policy.ignore = {.cache_control = (conf.ignore_headers & kIgnoreCacheControl) != 0,
                     .expires = (conf.ignore_headers & kIgnoreExpires) != 0,
                     .set_cookie = (conf.ignore_headers & kIgnoreSetCookie) != 0,
                     .vary = (conf.ignore_headers & kIgnoreVary) != 0,
                     .targeted = (conf.ignore_headers & kIgnoreTargeted) != 0};
    if (conf.while_revalidate >= 0)
        policy.stale_while_revalidate = static_cast<std::uint32_t>(conf.while_revalidate);
    if (conf.if_error >= 0) policy.stale_if_error = static_cast<std::uint32_t>(conf.if_error);
    policy.ignore_client_cache_control = (conf.ignore_client & kIgnoreClientCacheControl) != 0;
    policy.ignore_client_pragma = (conf.ignore_client & kIgnoreClientPragma) != 0;
    return &settings;
}

template <class T>
void inherit(T*& value, T* parent) noexcept
{
    if (value == nullptr) value = parent;
}

}

char* merge_loc_conf(ngx_conf_t* cf, const Known& known, const LocConf& parent, LocConf& conf)
{
    const Zones& zones = known.zones;
    if (conf.zone_name.data == nullptr) {
        conf.zone_name = parent.zone_name;
        conf.zone_place = parent.zone_place;
        conf.redis = parent.redis;
    }
    if (conf.zone_name.data != nullptr && ngx::view(conf.zone_name) != "off") {
        const auto zone = std::find_if(zones.begin(), zones.end(), [&](const ZoneBinding* z) {
            return ngx::view(z->name) == ngx::view(conf.zone_name);
        });
        if (zone == zones.end()) {
            // The line cf stands at by now is the end of the http block.
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "edge_cache: unknown zone \"%V\", define it at http level with: "
                          "edge_zone %V size=256m; in %V",
                          &conf.zone_name, &conf.zone_name, &conf.zone_place);
            return error();
        }
        conf.zone = *zone;
    }
    if (!resolve_redis(cf, known, conf)) return error();
    check_args(cf, conf);
    if (conf.key == NGX_CONF_UNSET_PTR) {
        conf.key = parent.key == NGX_CONF_UNSET_PTR ? nullptr : parent.key;
    }
    inherit(conf.args, parent.args);
    inherit(conf.bypass, parent.bypass);
    inherit(conf.no_store, parent.no_store);
    inherit(conf.valid, parent.valid);
    inherit(conf.vary, parent.vary);
    inherit(conf.encode, parent.encode);
    if (conf.private_rule == nullptr) conf.private_rule = parent.private_rule;
    if (conf.zone != nullptr && conf.private_rule != nullptr &&
        conf.private_rule->mode != PrivateRule::Mode::off) {
        conf.zone->has_others = true;
    }
    if (!check_invalidation(cf, conf)) return error();
    inherit(conf.invalidation, parent.invalidation);
    inherit(conf.refill, parent.refill);
    if (conf.head == NGX_CONF_UNSET_UINT) conf.head = parent.head == NGX_CONF_UNSET_UINT ? 1 : parent.head;
    if (conf.ignore_headers == 0) conf.ignore_headers = parent.ignore_headers;
    if (conf.ignore_client == 0) conf.ignore_client = parent.ignore_client;
    if (conf.while_revalidate == NGX_CONF_UNSET) {
        const bool said = parent.while_revalidate != NGX_CONF_UNSET;
        conf.while_revalidate = said ? parent.while_revalidate : kNoWindow;
        conf.refresh_ahead = parent.refresh_ahead;
        conf.if_error = said ? parent.if_error : kNoWindow;
    }
    if (conf.collapse == NGX_CONF_UNSET) {
        conf.collapse = parent.collapse == NGX_CONF_UNSET ? 1 : parent.collapse;
        conf.collapse_wait = parent.collapse_wait;
        conf.collapse_across = parent.collapse_across;
    }
    if (!check_across(cf, conf)) return error();
    if (conf.collapse_wait == NGX_CONF_UNSET_MSEC) conf.collapse_wait = kDefaultWait;
    if (conf.refresh_ahead == NGX_CONF_UNSET_UINT) conf.refresh_ahead = 0;
    if (conf.min_uses == NGX_CONF_UNSET)
        conf.min_uses = parent.min_uses == NGX_CONF_UNSET ? 1 : parent.min_uses;
    if (conf.shadow == NGX_CONF_UNSET) conf.shadow = parent.shadow == NGX_CONF_UNSET ? 0 : parent.shadow;
    if (conf.zone != nullptr && conf.min_uses > 1 && !add_use_counts(cf, *conf.zone)) return error();
    Settings* settings = build_settings(cf, conf);
    conf.settings = settings;
    return merge_purge(cf, zones, parent, conf, *settings) ? NGX_CONF_OK : error();
}

}
