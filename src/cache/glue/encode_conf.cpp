#include <algorithm>
#include <string>

#include "cache/glue/encode.hpp"
#include "encode/encoder.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

constexpr std::string_view kUsualTypes[] = {"text/*",
                                            "application/json",
                                            "application/*+json",
                                            "application/javascript",
                                            "application/xml",
                                            "application/*+xml",
                                            "application/x-javascript",
                                            "application/wasm",
                                            "image/svg+xml",
                                            "image/x-icon",
                                            "image/bmp",
                                            "font/ttf",
                                            "font/otf",
                                            "application/x-font-ttf",
                                            "application/vnd.ms-fontobject"};

/// Levels where none is said: what a request may wait for a little, and no more.
constexpr std::uint8_t kUsualLevels[http::kCodings] = {0, 5, 6, 6};

class Reader {
public:
    Reader(ngx_conf_t* cf, EncodeRule& rule) noexcept : cf_{cf}, rule_{rule} {}

    bool argument(ngx_str_t& argument)
    {
        const std::string_view text = ngx::view(argument);
        const std::size_t equals = text.find('=');
        const std::string_view name = text.substr(0, equals);
        const bool has_value = equals != text.npos;
        const ngx_str_t value =
            has_value ? ngx_str_t{text.size() - equals - 1, argument.data + equals + 1} : ngx_str_t{};
        for (const http::Coding coding : {http::Coding::br, http::Coding::gzip, http::Coding::zstd}) {
            if (name == http::coding_name(coding)) return add(coding, argument, value, has_value);
        }
        if (has_value && name == "min") return once(min_, argument) && least(argument, value);
        if (has_value && name == "types") return once(types_, argument) && types(argument, value);
        if (has_value && name == "threads") return once(threads_, argument) && threads(argument, value);
        return wrong(argument, "br, gzip or zstd with a level, min=, types= or threads=");
    }
    bool finish()
    {
        if (rule_.offered.empty()) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0,
                               "edge_cache_encode: no coding is named, expected as in "
                               "edge_cache_encode br=5 gzip=6");
            return false;
        }
        if (rule_.types.empty()) {
            for (const std::string_view type : kUsualTypes) rule_.types.add(type);
        }
#if (NGX_THREADS)
        if (rule_.threads == nullptr) rule_.threads = ngx_thread_pool_add(cf_, nullptr);
        return rule_.threads != nullptr;
#else
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf_, 0,
            "edge_cache_encode encodes in threads, and this nginx has none: it needs one built "
            "--with-threads");
        return false;
#endif
    }

private:
    bool wrong(ngx_str_t& argument, const char* expected)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf_, 0, "edge_cache_encode: \"%V\", expected %s", &argument,
                           expected);
        return false;
    }
    bool once(bool& given, ngx_str_t& argument)
    {
        if (given) return wrong(argument, "it once");
        return given = true;
    }
    bool add(http::Coding coding, ngx_str_t& argument, ngx_str_t value, bool has_value)
    {
        const http::Choice& there = rule_.offered;
        if (std::find(there.begin(), there.end(), coding) != there.end()) return wrong(argument, "it once");
        const encode::Levels levels = encode::levels_of(coding);
        const auto index = static_cast<std::size_t>(coding);
        const ngx_int_t level = has_value ? ngx_atoi(value.data, value.len) : kUsualLevels[index];
        if (level < levels.least || level > levels.most) {
            const std::string range =
                "a level from " + std::to_string(levels.least) + " to " + std::to_string(levels.most);
            return wrong(argument, range.c_str());
        }
        rule_.levels[index] = static_cast<std::uint8_t>(level);
        rule_.offered.add(coding);
        return true;
    }
    bool least(ngx_str_t& argument, ngx_str_t value)
    {
        const off_t bytes = value.len != 0 ? ngx_parse_offset(&value) : -1;
        if (bytes < 0) return wrong(argument, "a size, as in min=1k");
        rule_.least = static_cast<std::uint64_t>(std::max<off_t>(bytes, 1));
        return true;
    }
    bool types(ngx_str_t& argument, ngx_str_t value)
    {
        std::string_view list = ngx::view(value);
        for (bool more = true; more;) {
            const std::size_t comma = list.find(',');
            more = comma != list.npos;
            if (!rule_.types.add(list.substr(0, comma)))
                return wrong(argument, "media types, as in types=text/*,application/json");
            if (more) list.remove_prefix(comma + 1);
        }
        return true;
    }
    bool threads([[maybe_unused]] ngx_str_t& argument, [[maybe_unused]] ngx_str_t value)
    {
#if (NGX_THREADS)
        ngx_str_t name = ngx::copy(cf_->pool, ngx::view(value));
        if (value.len == 0) return wrong(argument, "the name of a thread_pool");
        rule_.threads = ngx_thread_pool_add(cf_, &name);
        return rule_.threads != nullptr;
#else
        return true;
#endif
    }

    ngx_conf_t* cf_;
    EncodeRule& rule_;
    bool min_ = false, types_ = false, threads_ = false;
};

}

char* set_cache_encode(ngx_conf_t* cf, LocConf& conf)
{
    if (conf.encode != nullptr) return const_cast<char*>("is duplicate");
    auto& rule = ngx::make<EncodeRule>(cf->pool);
    conf.encode = &rule;
    auto* args = static_cast<ngx_str_t*>(cf->args->elts);
    if (cf->args->nelts == 2 && ngx::view(args[1]) == "off") return NGX_CONF_OK;
    Reader reader{cf, rule};
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        if (!reader.argument(args[i])) return static_cast<char*>(NGX_CONF_ERROR);
    }
    return reader.finish() ? NGX_CONF_OK : static_cast<char*>(NGX_CONF_ERROR);
}

}
