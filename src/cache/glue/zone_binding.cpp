#include "cache/glue/zone_binding.hpp"

#include <algorithm>
#include <random>

#include "cache/glue/purge.hpp"
#include "nginx/barrier.hpp"
#include "nginx/pool.hpp"
#include "nginx/shared_table.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

std::uint64_t random_seed()
{
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

/// The largest piece that nginx's slab allocator gives at once: all its pages. It stays the owner of the
/// memory's first bytes, since nginx unlocks its mutex there when a worker dies.
void* take_all(ngx_slab_pool_t& pool, std::size_t& size) noexcept
{
    size = pool.pfree * ngx_pagesize;
    return ngx_slab_alloc(&pool, size);
}

ngx_int_t init_zone(ngx_shm_zone_t* shm, void* previous)
{
    auto& zone = *static_cast<ZoneBinding*>(shm->data);
    auto& pool = *reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
    if (previous != nullptr) {
        const auto& before = *static_cast<ZoneBinding*>(previous);
        zone.memory = before.memory;
        zone.shape = before.shape;
        if (Zone::usable(zone.memory, zone.shape)) return NGX_OK;
        // Running workers of the cycle before may still read it: never laid out anew under them.
        ngx_log_error(NGX_LOG_EMERG, shm->shm.log, 0,
                      "edge: zone \"%V\" holds another layout; restart nginx, or give the zone another name",
                      &zone.name);
        return NGX_ERROR;
    }
    std::size_t size = 0;
    zone.memory = take_all(pool, size);
    if (zone.memory == nullptr) {
        ngx_log_error(NGX_LOG_EMERG, shm->shm.log, 0, "edge: zone \"%V\" could not be set up", &zone.name);
        return NGX_ERROR;
    }
    pool.data = zone.memory;
    zone.shape = {.bytes = size, .max_object = std::min(zone.asked.max_object, size / 4)};
    Zone::format(zone.memory, zone.shape, random_seed());
    return NGX_OK;
}

/// The size of the memory to ask nginx for. nginx hands a zone of the same name and size on to the next
/// configuration; one that changed only its max_object gets a page more, or less, and with it memory of its
/// own. (ngx_shm_zone_t::noreuse is not for this: nginx would unmap the new memory at the reload after.)
std::size_t memory_size(ngx_conf_t* cf, const ngx_str_t& name, const ZoneShape& asked)
{
    const ngx_cycle_t* old = cf->cycle->old_cycle;
    if (old == nullptr) return asked.bytes;
    for (const ngx_list_part_t* part = &old->shared_memory.part; part != nullptr; part = part->next) {
        const auto* zones = static_cast<const ngx_shm_zone_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) {
            if (zones[i].tag != &ngx_http_edge_module || ngx::view(zones[i].shm.name) != ngx::view(name))
                continue;
            const auto* before = static_cast<const ZoneBinding*>(zones[i].data);
            if (before != nullptr && before->asked == asked) return zones[i].shm.size;
            return zones[i].shm.size == asked.bytes ? asked.bytes + ngx_pagesize : asked.bytes;
        }
    }
    return asked.bytes;
}

}

ZoneBinding* add_zone(ngx_conf_t* cf, ngx_str_t name, ZoneShape asked)
{
    ngx_shm_zone_t* shm =
        ngx_shared_memory_add(cf, &name, memory_size(cf, name, asked), &ngx_http_edge_module);
    if (shm == nullptr) return nullptr;
    if (shm->data != nullptr) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_zone \"%V\" is defined twice", &name);
        return nullptr;
    }
    auto& zone = ngx::make<ZoneBinding>(
        cf->pool,
        ZoneBinding{.name = name, .asked = asked, .shape = {}, .shm = shm, .memory = nullptr, .view = {}});
    shm->data = &zone;
    shm->init = [](ngx_shm_zone_t* self, void* previous) noexcept -> ngx_int_t {
        return ngx::guarded<ngx_int_t>(self->shm.log, NGX_ERROR, [&] { return init_zone(self, previous); });
    };
    return add_purge_table(cf, zone) ? &zone : nullptr;
}

void attach_zone(ZoneBinding& zone, ngx_log_t* log)
{
    zone.purges = PurgeTable{ngx::table_memory(zone.purge_shm)};
    zone.view = std::make_unique<Zone>(zone.memory);
    if (!zone.view->attach()) {
        ngx_log_error(
            NGX_LOG_WARN, log, 0,
            "edge: zone \"%V\": all %ui worker slots are taken, this worker passes requests uncached",
            &zone.name, static_cast<ngx_uint_t>(Zone::kSlots));
    }
}

void detach_zone(ZoneBinding& zone) noexcept
{
    if (zone.view == nullptr) return;
    // Without detach() the slot's mutex dies locked with this process, which is how others see what to clear.
    if (zone.view->attached() && zone.view->idle()) zone.view->detach();
    if (!zone.view->attached())
        zone.view.reset();
    else
        static_cast<void>(zone.view.release());
}

}
