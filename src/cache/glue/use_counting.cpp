#include "cache/glue/use_counting.hpp"

#include <limits>
#include <string>

#include "cache/use_counts.hpp"
#include "nginx/barrier.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

ngx_int_t init_use_counts(ngx_shm_zone_t* shm, void* previous)
{
    if (previous != nullptr) {
        shm->data = previous;
    } else {
        auto& pool = *reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
        shm->data = ngx_slab_alloc(&pool, UseCounts::bytes_needed());
        if (shm->data != nullptr) UseCounts::format(shm->data);
    }
    if (shm->data != nullptr && UseCounts::usable(shm->data)) return NGX_OK;
    ngx_log_error(NGX_LOG_EMERG, shm->shm.log, 0, "edge: \"%V\" could not be set up; restart nginx",
                  &shm->shm.name);
    return NGX_ERROR;
}

}

bool add_use_counts(ngx_conf_t* cf, ZoneBinding& zone)
{
    if (zone.uses != nullptr) return true;
    ngx_str_t name = ngx::copy(cf->pool, "edge_uses of " + std::string{ngx::view(zone.name)});
    if (name.data == nullptr) return false;
    // nginx's slab header and page table come on top.
    const std::size_t size = UseCounts::bytes_needed() + UseCounts::bytes_needed() / 16 + 16 * ngx_pagesize;
    zone.uses = ngx_shared_memory_add(cf, &name, size, &ngx_http_edge_module);
    if (zone.uses == nullptr) return false;
    zone.uses->init = [](ngx_shm_zone_t* shm, void* previous) noexcept -> ngx_int_t {
        return ngx::guarded<ngx_int_t>(shm->shm.log, NGX_ERROR,
                                       [&] { return init_use_counts(shm, previous); });
    };
    return true;
}

std::uint16_t count_use(const ZoneBinding& zone, const KeyHash& key) noexcept
{
    // Without a table each answer is kept.
    if (zone.uses == nullptr || zone.uses->data == nullptr) return std::numeric_limits<std::uint16_t>::max();
    return UseCounts{zone.uses->data}.add(key, ngx_time());
}

}
