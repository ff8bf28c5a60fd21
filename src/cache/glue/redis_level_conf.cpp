#include <algorithm>
#include <string_view>

#include "cache/glue/redis_level.hpp"
#include "cache/glue/use_counting.hpp"
#include "cache/use_counts.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

constexpr std::int64_t kSmallestPart = 4096;
constexpr std::int64_t kLargestPart = 8 * 1024 * 1024;

std::int64_t parse_size(ngx_str_t text) noexcept
{
    return text.len == 0 ? -1 : ngx_parse_offset(&text);
}

}

bool take_redis_argument(ngx_conf_t* cf, LocConf& conf, const ngx_str_t& argument)
{
    const auto value_of = [&](std::string_view name) {
        return ngx_str_t{argument.len - name.size(), argument.data + name.size()};
    };
    const std::string_view text = ngx::view(argument);
    if (conf.redis == nullptr) conf.redis = &ngx::make<RedisRule>(cf->pool);
    RedisRule& rule = *conf.redis;
    const char* expected = "redis=NAME, redis_max=SIZE, redis_part=SIZE or redis_min_uses=NUMBER";
    if (text.starts_with("redis=")) {
        const ngx_str_t name = value_of("redis=");
        if (name.len != 0 && rule.name.len == 0) {
            rule.name = name;
            return true;
        }
        expected = "redis= once, with the name of an edge_redis";
    } else if (text.starts_with("redis_max=")) {
        const std::int64_t size = parse_size(value_of("redis_max="));
        if (size > 0) {
            rule.max = static_cast<std::uint64_t>(size);
            return true;
        }
        expected = "a size, as in redis_max=1m";
    } else if (text.starts_with("redis_part=")) {
        const std::int64_t size = parse_size(value_of("redis_part="));
        if (size >= kSmallestPart && size <= kLargestPart) {
            rule.part = static_cast<std::uint32_t>(size);
            return true;
        }
        expected = "a size from 4k to 8m, as in redis_part=256k";
    } else if (text.starts_with("redis_min_uses=")) {
        const ngx_str_t number = value_of("redis_min_uses=");
        const ngx_int_t uses = ngx_atoi(number.data, number.len);
        if (uses >= 1 && uses <= UseCounts::kMost) {
            rule.min_uses = static_cast<ngx_uint_t>(uses);
            return true;
        }
        expected = "a number, as in redis_min_uses=2";
    }
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_cache: \"%V\", expected %s", &argument, expected);
    return false;
}

bool check_redis_arguments(ngx_conf_t* cf, const LocConf& conf)
{
    if (conf.redis == nullptr || (conf.redis->name.len != 0 && ngx::view(conf.zone_name) != "off"))
        return true;
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "edge_cache: redis_ parameters go with a zone and redis=, as in edge_cache main redis=shared");
    return false;
}

bool resolve_redis(ngx_conf_t* cf, const Known& known, LocConf& conf)
{
    if (conf.redis == nullptr || conf.zone == nullptr) return true;
    RedisRule& rule = *conf.redis;
    rule.settings = redis::find_redis(known.redises, ngx::view(rule.name));
    if (rule.settings == nullptr) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "edge_cache: unknown redis \"%V\", define it at http level with: edge_redis %V "
                      "redis://127.0.0.1:6379; in %V",
                      &rule.name, &rule.name, &conf.zone_place);
        return false;
    }
    if (!link_zone(cf, known.links, *conf.zone, *rule.settings, conf.zone_place)) return false;
    return rule.min_uses == 1 || add_use_counts(cf, *conf.zone);
}

}
