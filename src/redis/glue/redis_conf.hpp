#pragma once

#include <string_view>
#include <vector>

#include "nginx/ngx.hpp"
#include "redis/glue/settings.hpp"

namespace edge::redis {

/// Every edge_redis of a configuration.
using AllSettings = std::vector<Settings*>;

/// edge_redis, at http level: adds to `all`.
char* set_redis(ngx_conf_t* cf, AllSettings& all);
/// When the whole configuration was read: names become addresses. false: one does not, and no resolver could
/// tell later; said in the log.
bool finish_redis(ngx_conf_t* cf, const AllSettings& all);
/// nullptr: there is none of this name.
Settings* find_redis(const AllSettings& all, std::string_view name) noexcept;

}
