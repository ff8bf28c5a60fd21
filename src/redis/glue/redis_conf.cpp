#include "redis/glue/redis_conf.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "nginx/pool.hpp"
#include "nginx/str.hpp"
#include "redis/glue/addresses.hpp"

namespace edge::redis {

namespace {

constexpr ngx_msec_t kLongest = 60'000;
constexpr ngx_msec_t kShortestCutOff = 500;
constexpr ngx_int_t kMostConnections = 16;

char* failed() noexcept
{
    return static_cast<char*>(NGX_CONF_ERROR);
}

/// What stands behind `name` in "name=value".
std::optional<ngx_str_t> value_of(const ngx_str_t& argument, std::string_view name) noexcept
{
    const std::string_view text = ngx::view(argument);
    if (!text.starts_with(name) || text.size() <= name.size() || text[name.size()] != '=')
        return std::nullopt;
    return ngx_str_t{argument.len - name.size() - 1, argument.data + name.size() + 1};
}

/// The files of a TLS connection, as the parameters name them.
struct TlsFiles {
    ngx_str_t ca{};
    ngx_str_t certificate{};
    ngx_str_t key{};
    ngx_str_t name{};
    std::optional<bool> verify;

    bool given() const noexcept
    {
        return ca.len != 0 || certificate.len != 0 || key.len != 0 || name.len != 0 || verify;
    }
};

enum class Taken : std::uint8_t { no, yes, wrong };

Taken take_time(ngx_conf_t* cf, const ngx_str_t& argument, std::string_view name, ngx_msec_t& out)
{
    auto value = value_of(argument, name);
    if (!value) return Taken::no;
    const ngx_int_t ms = ngx_parse_time(&*value, 0);
    if (ms >= 1 && static_cast<ngx_msec_t>(ms) <= kLongest) {
        out = static_cast<ngx_msec_t>(ms);
        return Taken::yes;
    }
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "edge_redis: \"%V\", expected a time from 1ms to 60s, as in %*s=200ms", &argument,
                       name.size(), name.data());
    return Taken::wrong;
}

Taken take_switch(ngx_conf_t* cf, const ngx_str_t& argument, std::string_view name, std::optional<bool>& out)
{
    const auto value = value_of(argument, name);
    if (!value) return Taken::no;
    const std::string_view text = ngx::view(*value);
    if (text == "on" || text == "off") {
        out = text == "on";
        return Taken::yes;
    }
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_redis: \"%V\", expected %*s=on or %*s=off", &argument,
                       name.size(), name.data(), name.size(), name.data());
    return Taken::wrong;
}

Taken take_keep(ngx_conf_t* cf, const ngx_str_t& argument, time_t& out)
{
    auto value = value_of(argument, "keep_purges");
    if (!value) return Taken::no;
    out = ngx_parse_time(&*value, 1);
    if (out >= 60) return Taken::yes;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "edge_redis: \"%V\", expected a time of at least 60s, as in keep_purges=1d",
                       &argument);
    return Taken::wrong;
}

Taken take_pool(ngx_conf_t* cf, const ngx_str_t& argument, unsigned& out)
{
    const auto value = value_of(argument, "pool");
    if (!value) return Taken::no;
    const ngx_int_t n = ngx_atoi(value->data, value->len);
    if (n >= 1 && n <= kMostConnections) {
        out = static_cast<unsigned>(n);
        return Taken::yes;
    }
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "edge_redis: \"%V\", expected 1 to 16 connections of a worker, as in pool=2",
                       &argument);
    return Taken::wrong;
}

Taken take_prefix(ngx_conf_t* cf, const ngx_str_t& argument, std::string& out)
{
    constexpr std::string_view kName = "prefix=";
    const std::string_view text = ngx::view(argument);
    if (!text.starts_with(kName)) return Taken::no;
    const std::string_view prefix = text.substr(kName.size());
    // Braces would be a hash tag of a cluster's.
    if (prefix.size() <= 64 && prefix.find_first_of("{}") == prefix.npos) {
        out = prefix;
        return Taken::yes;
    }
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "edge_redis: \"%V\", expected up to 64 bytes without braces, as in prefix=shop:", &argument);
    return Taken::wrong;
}

/// sentinel=set, or sentinel=redis://user:password@set/database where the servers want more than that.
Taken take_sentinel(ngx_conf_t* cf, const ngx_str_t& argument, SentinelOf& out)
{
    const auto value = value_of(argument, "sentinel");
    if (!value) return Taken::no;
    const std::string_view text = ngx::view(*value);
    const bool plain = text.find('/') == text.npos;
    const ParsedUrl parsed = parse_url(plain ? "redis://" + std::string{text} : std::string{text});
    // A plain name is no URL in disguise, and a port would be Sentinel's business.
    if (parsed.error.empty() && !parsed.url.is_unix() && parsed.url.port == Url{}.port &&
        (!plain || text.find_first_of("@:[]%") == text.npos)) {
        out.set = parsed.url.host;
        out.server = parsed.url;
        return Taken::yes;
    }
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "edge_redis: expected the name that Sentinel gives the master, as in sentinel=mymaster or "
        "sentinel=redis://user:password@mymaster/0");
    return Taken::wrong;
}

Taken take_file(const ngx_str_t& argument, std::string_view name, ngx_str_t& out) noexcept
{
    const auto value = value_of(argument, name);
    if (!value) return Taken::no;
    out = *value;
    return Taken::yes;
}

Taken take_tls(ngx_conf_t* cf, const ngx_str_t& argument, TlsFiles& files)
{
    for (const Taken taken :
         {take_file(argument, "tls_ca", files.ca), take_file(argument, "tls_certificate", files.certificate),
          take_file(argument, "tls_key", files.key), take_file(argument, "tls_name", files.name),
          take_switch(cf, argument, "tls_verify", files.verify)}) {
        if (taken != Taken::no) return taken;
    }
    return Taken::no;
}

Taken take_parameter(ngx_conf_t* cf, const ngx_str_t& argument, Settings& settings, TlsFiles& files)
{
    std::optional<bool> replicas;
    std::optional<bool> cluster;
    if (take_time(cf, argument, "cut_off", settings.cut_off) == Taken::yes &&
        settings.cut_off < kShortestCutOff) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "edge_redis: \"%V\", expected at least 500ms: hosts tell each other five times in it "
            "that they are there",
            &argument);
        return Taken::wrong;
    }
    for (const Taken taken :
         {take_time(cf, argument, "connect_timeout", settings.connect_timeout),
          take_time(cf, argument, "timeout", settings.timeout),
          take_time(cf, argument, "cut_off", settings.cut_off), take_keep(cf, argument, settings.keep_purges),
          take_pool(cf, argument, settings.pool), take_prefix(cf, argument, settings.prefix),
          take_switch(cf, argument, "replicas", replicas), take_switch(cf, argument, "cluster", cluster),
          take_sentinel(cf, argument, settings.sentinel), take_tls(cf, argument, files)}) {
        if (taken == Taken::no) continue;
        if (replicas) settings.replicas = *replicas;
        if (cluster) settings.cluster = *cluster;
        return taken;
    }
    return Taken::no;
}

#if (NGX_HTTP_SSL)

bool set_tls(ngx_conf_t* cf, Settings& settings, TlsFiles& files)
{
    settings.tls = &ngx::make<Tls>(cf->pool);
    Tls& tls = *settings.tls;
    tls.name = ngx::view(files.name);
    tls.verify = files.verify.value_or(true);
    tls.ssl.log = cf->log;
    if (ngx_ssl_create(&tls.ssl, NGX_SSL_TLSv1_2 | NGX_SSL_TLSv1_3, nullptr) != NGX_OK) return false;
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    if (cleanup == nullptr) {
        ngx_ssl_cleanup_ctx(&tls.ssl);
        return false;
    }
    cleanup->handler = ngx_ssl_cleanup_ctx;
    cleanup->data = &tls.ssl;
    if (files.certificate.len != 0 &&
        ngx_ssl_certificate(cf, &tls.ssl, &files.certificate, &files.key, nullptr) != NGX_OK) {
        return false;
    }
    if (!tls.verify) return true;
    if (files.ca.len != 0) return ngx_ssl_trusted_certificate(cf, &tls.ssl, &files.ca, 9) == NGX_OK;
    return SSL_CTX_set_default_verify_paths(tls.ssl.ctx) == 1;
}

#else

bool set_tls(ngx_conf_t* cf, Settings&, TlsFiles&)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_redis: this nginx was built without TLS");
    return false;
}

#endif

bool check_tls(ngx_conf_t* cf, Settings& settings, TlsFiles& files)
{
    const bool wanted = std::any_of(settings.endpoints.begin(), settings.endpoints.end(),
                                    [](const Endpoint& endpoint) { return endpoint.url.tls; }) ||
                        settings.sentinel.server.tls;
    if (!wanted && files.given()) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "edge_redis: tls_ parameters are for URLs that begin with rediss://");
        return false;
    }
    if ((files.certificate.len == 0) != (files.key.len == 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_redis: tls_certificate= and tls_key= go together");
        return false;
    }
    return !wanted || set_tls(cf, settings, files);
}

bool check_topology(ngx_conf_t* cf, const Settings& settings)
{
    const std::vector<Endpoint>& endpoints = settings.endpoints;
    const auto any = [&](auto what) { return std::any_of(endpoints.begin(), endpoints.end(), what); };
    const bool watched = !settings.sentinel.set.empty();
    const char* objection = nullptr;
    if (endpoints.empty()) {
        objection = "expected a name and an URL, as in edge_redis main redis://10.0.0.5:6379";
    } else if (settings.cluster && watched) {
        objection = "cluster=on and sentinel= exclude each other";
    } else if (endpoints.size() > 1 && !settings.cluster && !watched) {
        objection = "several URLs are nodes of a cluster (cluster=on) or Sentinels (sentinel=name)";
    } else if (settings.replicas && !settings.cluster && !watched) {
        objection = "replicas=on needs cluster=on or sentinel=name, from which replicas are known";
    } else if (settings.cluster && any([](const Endpoint& e) { return e.url.is_unix(); })) {
        objection =
            "the nodes of a cluster are reached as they name themselves: redis:// or rediss://, not unix:";
    } else if (settings.cluster && any([](const Endpoint& e) { return e.url.database != 0; })) {
        objection = "a cluster has database 0 only";
    } else if (watched && any([](const Endpoint& e) { return e.url.database != 0; })) {
        objection =
            "a Sentinel has no databases; that of the servers is given as in sentinel=redis://mymaster/1";
    }
    if (objection == nullptr) return true;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_redis: %s", objection);
    return false;
}

bool resolve_now(ngx_conf_t* cf, const Settings& settings, Endpoint& endpoint)
{
    if (literal_address(endpoint.url)) return true;
    ngx_url_t url{};
    const ngx_str_t host = ngx::copy(cf->pool, endpoint.url.host + ":" + std::to_string(endpoint.url.port));
    if (host.data == nullptr) return false;
    url.url = host;
    url.default_port = endpoint.url.port;
    if (ngx_parse_url(cf->pool, &url) != NGX_OK) {
        if (settings.resolver != nullptr) return true;
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "edge_redis \"%s\": %s in \"%V\", and there is no resolver at http level to ask later",
                      settings.name.c_str(), url.err != nullptr ? url.err : "no address", &url.url);
        return false;
    }
    for (ngx_uint_t i = 0; i < url.naddrs; ++i) {
        Address address;
        address.length = url.addrs[i].socklen;
        ngx_memcpy(&address.storage, url.addrs[i].sockaddr, url.addrs[i].socklen);
        address.text = ngx::view(url.addrs[i].name);
        endpoint.addresses.push_back(std::move(address));
    }
    return true;
}

}

Settings* find_redis(const AllSettings& all, std::string_view name) noexcept
{
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Settings* settings) { return settings->name == name; });
    return found != all.end() ? *found : nullptr;
}

bool finish_redis(ngx_conf_t* cf, const AllSettings& all)
{
    const auto* core =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    const bool resolves = core->resolver != nullptr && core->resolver->connections.nelts != 0;
    for (Settings* settings : all) {
        settings->resolver = resolves ? core->resolver : nullptr;
        for (Endpoint& endpoint : settings->endpoints) {
            if (!resolve_now(cf, *settings, endpoint)) return false;
        }
    }
    return true;
}

char* set_redis(ngx_conf_t* cf, AllSettings& all)
{
    auto* args = static_cast<ngx_str_t*>(cf->args->elts);
    const std::string_view name = ngx::view(args[1]);
    if (find_redis(all, name) != nullptr) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_redis: \"%V\" is there already", &args[1]);
        return failed();
    }
    auto& settings = ngx::make<Settings>(cf->pool);
    settings.name = name;
    TlsFiles files;
    for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
        const Taken taken = take_parameter(cf, args[i], settings, files);
        if (taken == Taken::wrong) return failed();
        if (taken == Taken::yes) continue;
        const ParsedUrl parsed = parse_url(ngx::view(args[i]));
        if (!parsed.error.empty()) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "edge_redis: parameter %ui is no URL: %*s", i,
                               parsed.error.size(), parsed.error.data());
            return failed();
        }
        settings.endpoints.push_back({parsed.url, {}});
    }
    if (!check_topology(cf, settings)) return failed();
    if (!check_tls(cf, settings, files)) return failed();
    all.push_back(&settings);
    return NGX_CONF_OK;
}

}
