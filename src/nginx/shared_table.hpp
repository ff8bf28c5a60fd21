#pragma once

#include <cstddef>
#include <string_view>

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// Shared memory of a fixed size that is laid out once and kept over reloads: old workers and new ones use
/// the same. A new binary starts with a new one.
struct SharedTable {
    std::size_t (*bytes)() noexcept;
    void (*format)(void* memory);  ///< zeroed memory, 64-byte aligned, `bytes` long; may throw
    bool (*usable)(const void* memory) noexcept;
};

/// Adds it to a configuration that is being read; each name once. `shape` lives for ever. nullptr: not
/// possible, and said so in the log.
ngx_shm_zone_t* add_shared_table(ngx_conf_t* cf, std::string_view name, const SharedTable& shape);

/// The memory, once nginx has mapped it: in workers, and from init_module on. `shm` may be nullptr, and so is
/// the result then.
inline void* table_memory(const ngx_shm_zone_t* shm) noexcept
{
    return shm != nullptr ? shm->data : nullptr;
}

}
