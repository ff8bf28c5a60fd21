#include "cache/glue/request.hpp"
#include "nginx/detached.hpp"

namespace edge::cache {

namespace {

/// How long one process alone may renew an object. Also the pause after an attempt that failed.
constexpr std::uint32_t kLease = 10;

}

Refresh start_refresh(Request& q)
{
    if (!q.zone->claim_update(q.object, ngx_time(), kLease)) return Refresh::under_way;
    const ngx::DetachedTask task{[](void*) noexcept {}, nullptr};
    return ngx::start_detached(q.r, task) ? Refresh::under_way : Refresh::impossible;
}

}
