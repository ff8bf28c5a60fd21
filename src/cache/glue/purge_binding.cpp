#include <random>
#include <string>

#include "cache/glue/purge.hpp"
#include "nginx/shared_table.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

void format(void* memory)
{
    std::random_device device;
    PurgeTable::format(memory, (std::uint64_t{device()} << 32) | device());
}

constexpr ngx::SharedTable kPurges{PurgeTable::bytes_needed, format, PurgeTable::usable};

}

bool add_purge_table(ngx_conf_t* cf, ZoneBinding& zone)
{
    zone.purge_shm = ngx::add_shared_table(cf, "edge_purges:" + std::string{ngx::view(zone.name)}, kPurges);
    return zone.purge_shm != nullptr;
}

}
