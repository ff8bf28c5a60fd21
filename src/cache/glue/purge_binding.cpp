#include <random>
#include <string>

#include "cache/glue/purge.hpp"
#include "nginx/barrier.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

ngx_int_t init_table(ngx_shm_zone_t* shm, void* previous)
{
    auto& zone = *static_cast<ZoneBinding*>(shm->data);
    void* memory = nullptr;
    if (previous != nullptr) {
        memory = static_cast<ZoneBinding*>(previous)->purge_memory;
        if (!PurgeTable::usable(memory)) {
            // Running workers still use it.
            ngx_log_error(
                NGX_LOG_EMERG, shm->shm.log, 0,
                "edge: the purge table of zone \"%V\" has another layout; restart nginx, or give the "
                "zone another name",
                &zone.name);
            return NGX_ERROR;
        }
    } else {
        auto& pool = *reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
        memory = ngx_slab_alloc(&pool, PurgeTable::bytes_needed());
        if (memory == nullptr) {
            ngx_log_error(NGX_LOG_EMERG, shm->shm.log, 0,
                          "edge: the purge table of zone \"%V\" could not be set up", &zone.name);
            return NGX_ERROR;
        }
        std::random_device device;
        PurgeTable::format(memory, (std::uint64_t{device()} << 32) | device());
    }
    zone.purge_memory = memory;
    zone.purges = PurgeTable{memory};
    return NGX_OK;
}

}

bool add_purge_table(ngx_conf_t* cf, ZoneBinding& zone)
{
    ngx_str_t name = ngx::copy(cf->pool, "edge_purges:" + std::string{ngx::view(zone.name)});
    if (name.data == nullptr) return false;
    // nginx's slab header and page table come on top.
    const std::size_t size = PurgeTable::bytes_needed() + PurgeTable::bytes_needed() / 16 + 16 * ngx_pagesize;
    ngx_shm_zone_t* shm = ngx_shared_memory_add(cf, &name, size, &ngx_http_edge_module);
    if (shm == nullptr) return false;
    shm->data = &zone;
    shm->init = [](ngx_shm_zone_t* self, void* previous) noexcept -> ngx_int_t {
        return ngx::guarded<ngx_int_t>(self->shm.log, NGX_ERROR, [&] { return init_table(self, previous); });
    };
    return true;
}

}
