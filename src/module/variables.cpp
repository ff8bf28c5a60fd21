#include <string>
#include <string_view>

#include "cache/glue/request.hpp"
#include "module/conf.hpp"
#include "nginx/barrier.hpp"
#include "nginx/str.hpp"

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
    return q.age < 0 ? ngx_str_t{} : "zone"_ngx;
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
