#pragma once

#include "cache/glue/zone_binding.hpp"
#include "cache/zone.hpp"
#include "nginx/ngx.hpp"

namespace edge::cache {

/// Adds the shared memory in which the uses of a zone's keys are counted, for the first location that needs
/// it. false: not possible, and said so in the log.
bool add_use_counts(ngx_conf_t* cf, ZoneBinding& zone);

/// Counts a use of the key: which one it is, from 1.
std::uint16_t count_use(const ZoneBinding& zone, const KeyHash& key) noexcept;

}
