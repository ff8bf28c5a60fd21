#include "nginx/shared_table.hpp"

#include "nginx/barrier.hpp"
#include "nginx/str.hpp"

namespace edge::ngx {

namespace {

/// `data` is the shape until the memory is there, and then the memory.
ngx_int_t init_table(ngx_shm_zone_t& shm, void* previous)
{
    const auto& shape = *static_cast<const SharedTable*>(shm.data);
    void* memory = previous;
    if (memory == nullptr) {
        auto& pool = *reinterpret_cast<ngx_slab_pool_t*>(shm.shm.addr);
        memory = ngx_slab_calloc(&pool, shape.bytes());
        if (memory != nullptr) shape.format(memory);
    }
    if (memory == nullptr || !shape.usable(memory)) {
        // Of another layout: running workers still use it.
        ngx_log_error(NGX_LOG_EMERG, shm.shm.log, 0,
                      "edge: the shared memory \"%V\" could not be set up, restart nginx", &shm.shm.name);
        return NGX_ERROR;
    }
    shm.data = memory;
    return NGX_OK;
}

}

ngx_shm_zone_t* add_shared_table(ngx_conf_t* cf, std::string_view name, const SharedTable& shape)
{
    ngx_str_t copied = copy(cf->pool, name);
    if (copied.data == nullptr) return nullptr;
    // nginx's slab header and page table come on top.
    const std::size_t size = shape.bytes() + shape.bytes() / 16 + 16 * ngx_pagesize;
    ngx_shm_zone_t* shm = ngx_shared_memory_add(cf, &copied, size, &ngx_http_edge_module);
    if (shm == nullptr) return nullptr;
    shm->data = const_cast<SharedTable*>(&shape);
    shm->init = [](ngx_shm_zone_t* self, void* previous) noexcept -> ngx_int_t {
        return guarded<ngx_int_t>(self->shm.log, NGX_ERROR, [&] { return init_table(*self, previous); });
    };
    return shm;
}

}
