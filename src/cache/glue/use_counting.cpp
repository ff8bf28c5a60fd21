#include "cache/glue/use_counting.hpp"

#include <limits>
#include <string>

#include "cache/use_counts.hpp"
#include "nginx/shared_table.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

constexpr ngx::SharedTable kUses{UseCounts::bytes_needed, UseCounts::format, UseCounts::usable};

}

bool add_use_counts(ngx_conf_t* cf, ZoneBinding& zone)
{
    if (zone.uses != nullptr) return true;
    zone.uses = ngx::add_shared_table(cf, "edge_uses:" + std::string{ngx::view(zone.name)}, kUses);
    return zone.uses != nullptr;
}

std::uint16_t count_use(const ZoneBinding& zone, const KeyHash& key) noexcept
{
    // Without a table each answer is kept.
    void* memory = ngx::table_memory(zone.uses);
    return memory != nullptr ? UseCounts{memory}.add(key, ngx_time())
                             : std::numeric_limits<std::uint16_t>::max();
}

}
