#include <string>
#include <string_view>

#include "cache/glue/identity.hpp"
#include "cache/glue/request.hpp"
#include "image/glue/image_request.hpp"
#include "module/conf.hpp"
#include "nginx/barrier.hpp"
#include "nginx/str.hpp"
#include "websocket/glue/tunnel.hpp"

namespace edge::module {

using ngx::operator""_ngx;

namespace {

using Value = ngx_http_variable_value_t;

void set(Value& value, ngx_str_t text) noexcept
{
    value.len = static_cast<unsigned>(text.len) & 0x0fffffff;
    value.data = text.data;
    value.valid = 1;
    value.no_cacheable = 0;
    value.not_found = 0;
}

/// The value a variable has for a request that met the cache; an empty string: not found.
using Read = ngx_str_t(cache::Request& q);

template <Read* F>
ngx_int_t getter(ngx_http_request_t* r, Value* value, uintptr_t) noexcept
{
    value->not_found = 1;
    return ngx::guarded<ngx_int_t>(r->connection->log, NGX_ERROR, [&]() -> ngx_int_t {
        cache::Request* q = cache::Request::find(*r->main);
        const ngx_str_t text = q != nullptr ? F(*q) : ngx_str_t{};
        if (text.len != 0) set(*value, text);
        return NGX_OK;
    });
}

ngx_str_t status(cache::Request& q)
{
    return ngx::str(cache::status_name(q.status));
}

ngx_str_t key(cache::Request& q)
{
    return cache::printable_key(q);
}

ngx_str_t age(cache::Request& q)
{
    if (q.age < 0) return {};
    return ngx::copy(q.r.pool, std::to_string(q.age));
}

ngx_str_t level(cache::Request& q)
{
    if (q.age < 0) return {};
    return q.from_redis ? "redis"_ngx : "zone"_ngx;
}

ngx_str_t user(cache::Request& q)
{
    return ngx::copy(q.r.pool, cache::user_of(q));
}

/// The value a variable has for a request that became a WebSocket of the edge's.
using ReadTunnel = std::uint64_t(const websocket::Tunnel& tunnel);

template <ReadTunnel* F>
ngx_int_t tunnel_getter(ngx_http_request_t* r, Value* value, uintptr_t) noexcept
{
    value->not_found = 1;
    return ngx::guarded<ngx_int_t>(r->connection->log, NGX_ERROR, [&]() -> ngx_int_t {
        if (r->headers_in.upgrade == nullptr) return NGX_OK;
        const websocket::Tunnel* tunnel = websocket::Tunnel::find(*r->main);
        if (tunnel == nullptr) return NGX_OK;
        const ngx_str_t text = ngx::copy(r->pool, std::to_string(F(*tunnel)));
        if (text.data == nullptr) return NGX_ERROR;
        set(*value, text);
        return NGX_OK;
    });
}

std::uint64_t messages_in(const websocket::Tunnel& tunnel)
{
    return tunnel.counts().up.messages;
}

std::uint64_t messages_out(const websocket::Tunnel& tunnel)
{
    return tunnel.counts().down.messages;
}

std::uint64_t bytes_in(const websocket::Tunnel& tunnel)
{
    return tunnel.counts().up.frame_bytes_in;
}

std::uint64_t bytes_out(const websocket::Tunnel& tunnel)
{
    return tunnel.counts().down.frame_bytes_out;
}

std::uint64_t upstream_bytes_in(const websocket::Tunnel& tunnel)
{
    return tunnel.counts().down.frame_bytes_in;
}

std::uint64_t upstream_bytes_out(const websocket::Tunnel& tunnel)
{
    return tunnel.counts().up.frame_bytes_out;
}

std::uint64_t batches(const websocket::Tunnel& tunnel)
{
    return tunnel.flushes();
}

std::uint64_t close_code(const websocket::Tunnel& tunnel)
{
    return static_cast<std::uint64_t>(tunnel.close_code());
}

/// The format of the picture that went out.
ngx_int_t image_format(ngx_http_request_t* r, Value* value, uintptr_t) noexcept
{
    value->not_found = 1;
    const image::Request* request = image::Request::find(*r->main);
    const std::string_view type = ngx::view(r->main->headers_out.content_type);
    if (request != nullptr && request->step() != image::Request::Step::passing && type.starts_with("image/"))
        set(*value, ngx::str(type.substr(6)));
    return NGX_OK;
}

/// Seconds that queue and rendering took, with milliseconds.
ngx_int_t image_time(ngx_http_request_t* r, Value* value, uintptr_t) noexcept
{
    value->not_found = 1;
    const image::Request* request = image::Request::find(*r->main);
    if (request == nullptr || request->microseconds() < 0) return NGX_OK;
    const std::int64_t ms = (request->microseconds() + 999) / 1000;
    auto* text = static_cast<u_char*>(ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4));
    if (text == nullptr) return NGX_ERROR;
    const u_char* end =
        ngx_sprintf(text, "%T.%03M", static_cast<time_t>(ms / 1000), static_cast<ngx_msec_t>(ms % 1000));
    set(*value, {static_cast<std::size_t>(end - text), text});
    return NGX_OK;
}

struct Variable {
    ngx_str_t name;
    ngx_http_get_variable_pt get;
};

constinit Variable variables[] = {
    {"edge_cache_status"_ngx, getter<status>},
    {"edge_cache_key"_ngx, getter<key>},
    {"edge_cache_age"_ngx, getter<age>},
    {"edge_cache_level"_ngx, getter<level>},
    {"edge_cache_user"_ngx, getter<user>},
    {"edge_ws_messages_in"_ngx, tunnel_getter<messages_in>},
    {"edge_ws_messages_out"_ngx, tunnel_getter<messages_out>},
    {"edge_ws_bytes_in"_ngx, tunnel_getter<bytes_in>},
    {"edge_ws_bytes_out"_ngx, tunnel_getter<bytes_out>},
    {"edge_ws_upstream_bytes_in"_ngx, tunnel_getter<upstream_bytes_in>},
    {"edge_ws_upstream_bytes_out"_ngx, tunnel_getter<upstream_bytes_out>},
    {"edge_ws_batches"_ngx, tunnel_getter<batches>},
    {"edge_ws_close"_ngx, tunnel_getter<close_code>},
    {"edge_image_format"_ngx, image_format},
    {"edge_image_time"_ngx, image_time},
};

}

ngx_int_t add_variables(ngx_conf_t* cf)
{
    for (Variable& variable : variables) {
        ngx_http_variable_t* added = ngx_http_add_variable(cf, &variable.name, NGX_HTTP_VAR_NOCACHEABLE);
        if (added == nullptr) return NGX_ERROR;
        added->get_handler = variable.get;
    }
    return NGX_OK;
}

}
