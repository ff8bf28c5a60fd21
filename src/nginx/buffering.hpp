#pragma once

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// Whether the answer of `r.upstream` needs nginx's own buffers: they keep proxy_limit_rate, and write the
/// files of proxy_cache and proxy_store. Then it comes only as fast as it is taken.
inline bool needs_buffers(const ngx_http_request_t& r) noexcept
{
    const ngx_http_upstream_t& u = *r.upstream;
#if (NGX_HTTP_CACHE)
    if (u.cacheable || r.cache != nullptr) return true;
#endif
    return static_cast<bool>(u.conf->limit_rate) || u.store;
}

}
