#pragma once

#include <cstddef>

#include "nginx/ngx.hpp"
#include "nginx/str.hpp"

namespace edge::ngx {

inline constexpr ngx_uint_t kEverywhere = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

using ConfSetter = char*(ngx_conf_t*, ngx_command_t*, void*);

/// A directive whose arguments `set` reads. `arguments`: NGX_CONF_TAKE1 and its kin.
constexpr ngx_command_t directive(ngx_str_t name, ngx_uint_t where, ngx_uint_t arguments, ConfSetter* set,
                                  std::size_t offset = 0)
{
    return {.name = name,
            .type = where | arguments,
            .set = set,
            .conf = NGX_HTTP_LOC_CONF_OFFSET,
            .offset = offset,
            .post = nullptr};
}

}
