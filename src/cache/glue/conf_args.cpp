#include <algorithm>
#include <string>
#include <string_view>

#include "cache/glue/conf.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

using Names = http::QueryRules::Names;

char* error() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

/// strip=a,b or keep=a,b. nullptr: logged.
char* add_names(ngx_conf_t* cf, http::QueryRules& rules, Names names, ngx_str_t& argument)
{
    if (rules.names != Names::all) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_cache_args: \"%V\" is too much, expected strip= or keep= once", &argument);
        return error();
    }
    rules.names = names;
    std::string_view list = ngx::view(argument);
    list.remove_prefix(list.find('=') + 1);
    for (bool more = true; more;) {
        const std::size_t comma = list.find(',');
        const std::string_view name = list.substr(0, comma);
        more = comma != std::string_view::npos;
        list.remove_prefix(more ? comma + 1 : list.size());
        if (name.empty() || name.find_first_of("&=?# ") != std::string_view::npos) {
            const ngx_str_t text = ngx::str(name);
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_cache_args: \"%V\" in \"%V\" cannot be an argument's name, expected as in "
                "strip=utm_*,fbclid",
                &text, &argument);
            return error();
        }
        const std::size_t star = name.find('*');
        if (star != std::string_view::npos && star + 1 != name.size()) {
            const ngx_str_t text = ngx::str(name);
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "edge_cache_args: \"%V\" has a * that is not at its end, expected as in utm_*",
                               &text);
            return error();
        }
        rules.list.emplace_back(name);
    }
    return NGX_CONF_OK;
}

}

char* set_cache_args(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.args != nullptr) return const_cast<char*>("is duplicate");
    auto& rules = ngx::make<http::QueryRules>(cf->pool);
    conf.args = &rules;
    auto* args = static_cast<ngx_str_t*>(cf->args->elts);
    if (cf->args->nelts == 2 && ngx::view(args[1]) == "off") return NGX_CONF_OK;
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        const std::string_view arg = ngx::view(args[i]);
        char* rc = NGX_CONF_OK;
        if (arg == "sort" && !rules.sort) {
            rules.sort = true;
        } else if (arg.starts_with("strip=")) {
            rc = add_names(cf, rules, Names::all_but, args[i]);
        } else if (arg.starts_with("keep=")) {
            rc = add_names(cf, rules, Names::only, args[i]);
        } else {
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "edge_cache_args: unexpected \"%V\", expected off alone, or sort and one of strip= and keep=",
                &args[i]);
            rc = error();
        }
        if (rc != NGX_CONF_OK) return rc;
    }
    return NGX_CONF_OK;
}

void check_args(ngx_conf_t* cf, const LocConf& own)
{
    const bool key_of_its_own = own.key != NGX_CONF_UNSET_PTR && own.key != nullptr;
    if (own.args == nullptr || own.args->keep_all() || !key_of_its_own) return;
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "edge_cache_args has no effect beside edge_cache_key in the block that ends before "
                       "this line: it changes the default key only");
}

}
