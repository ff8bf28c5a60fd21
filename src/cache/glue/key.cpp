#include <algorithm>
#include <new>
#include <string>

#include "cache/glue/encode.hpp"
#include "cache/glue/request.hpp"
#include "http/query.hpp"
#include "http/token.hpp"
#include "http/vary.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

// A control character that no URI and no header value contains sets the parts apart.
constexpr char kPartMark = '\1';
constexpr std::string_view kVariantMark = "\1vary\1";

std::string_view scheme(ngx_http_request_t& r) noexcept
{
    return ngx::is_over_tls(r) ? "https" : "http";
}

/// A key of one's own may begin with anything a client sends: one that begins like a user's, or like that of
/// something made of another answer, gets another character in front.
ngx_str_t apart_from_ours(ngx_http_request_t& r, ngx_str_t key)
{
    constexpr char kAside = '\3';
    if (key.len == 0 ||
        (key.data[0] != kPrivateMark && key.data[0] != kDerivedMark && key.data[0] != kAside)) {
        return key;
    }
    const ngx_str_t moved = ngx::copy(r.pool, kAside + std::string{ngx::view(key)});
    if (moved.data == nullptr) throw std::bad_alloc{};
    return moved;
}

/// Normalised values of selecting fields this worker has met lately: browsers send the same few.
http::NormalisedValues seen_values;

/// ":8443" when the client named a port other than the scheme's own, else nothing. nginx has split it off
/// headers_in.server, and checked that it is digits.
std::string_view port_suffix(ngx_http_request_t& r) noexcept
{
    if (r.headers_in.host == nullptr) return {};
    const std::string_view host = ngx::view(r.headers_in.host->value);
    std::size_t digits = host.size();
    while (digits > 0 && http::is_digit(host[digits - 1])) --digits;
    if (digits == host.size() || digits == 0 || host[digits - 1] != ':') return {};
    const std::string_view port = host.substr(digits - 1);
    if (port == (scheme(r) == "https" ? ":443" : ":80")) return {};
    return port;
}

}

std::string effective_uri(ngx_http_request_t& r)
{
    std::string uri;
    uri.reserve(16 + r.headers_in.server.len + r.unparsed_uri.len);
    uri.append(scheme(r)).append("://").append(ngx::view(r.headers_in.server)).append(port_suffix(r));
    uri.append(ngx::view(r.unparsed_uri));
    const std::size_t fragment = uri.find('#');
    if (fragment != std::string::npos) uri.resize(fragment);
    return uri;
}

std::string key_target(const LocConf& conf, std::string_view uri)
{
    return conf.args != nullptr ? http::normalise_target(uri, *conf.args) : std::string{uri};
}

ngx_str_t make_key(ngx_http_request_t& r, const LocConf& conf)
{
    ngx_str_t key{};
    if (conf.key != nullptr) {
        if (ngx_http_complex_value(&r, conf.key, &key) != NGX_OK) throw std::bad_alloc{};
        return apart_from_ours(r, key);
    }
    // The server's own name first: whoever asks one server under another's Host must not fill that one's
    // entries.
    const auto* server =
        static_cast<ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf((&r), ngx_http_core_module));
    const std::string_view name = ngx::view(server->server_name);
    const std::string_view proto = scheme(r);
    const std::string_view host = ngx::view(r.headers_in.server);
    const std::string_view port = port_suffix(r);
    std::string_view uri = ngx::view(r.unparsed_uri);
    uri = uri.substr(0, uri.find('#'));
    std::string normalised;
    if (conf.args != nullptr && !conf.args->keep_all()) uri = normalised = key_target(conf, uri);
    key.len = name.size() + 1 + proto.size() + 3 + host.size() + port.size() + uri.size();
    key.data = static_cast<u_char*>(ngx_pnalloc(r.pool, key.len));
    if (key.data == nullptr) throw std::bad_alloc{};
    u_char* at = ngx_cpymem(key.data, name.data(), name.size());
    *at++ = ' ';
    at = ngx_cpymem(at, proto.data(), proto.size());
    at = ngx_cpymem(at, "://", 3);
    at = ngx_cpymem(at, host.data(), host.size());
    if (!port.empty()) at = ngx_cpymem(at, port.data(), port.size());
    ngx_memcpy(at, uri.data(), uri.size());
    return apart_from_ours(r, key);
}

void set_keys(Request& q)
{
    q.key = q.public_key = make_key(q.r, *q.conf);
    std::string prefix = q.identity.prefix;
    if (q.derived != nullptr) prefix.append(1, kDerivedMark).append(q.derived->mark).append(1, kDerivedMark);
    if (!prefix.empty()) {
        q.key.len = prefix.size() + q.public_key.len;
        q.key.data = static_cast<u_char*>(ngx_pnalloc(q.r.pool, q.key.len));
        if (q.key.data == nullptr) throw std::bad_alloc{};
        ngx_memcpy(ngx_cpymem(q.key.data, prefix.data(), prefix.size()), q.public_key.data, q.public_key.len);
    }
    q.primary = q.zone->hash(ngx::view(q.key));
}

ngx_str_t printable_key(Request& q)
{
    static constexpr std::string_view kDigits = "0123456789ABCDEF";
    // Without the identity: it is made of what no log should have.
    const std::string_view text = ngx::view(q.public_key);
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::none_of(text.begin(), text.end(), control)) return q.public_key;
    std::string escaped;
    for (const char c : text) {
        if (control(c)) {
            const auto byte = static_cast<unsigned char>(c);
            escaped.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
        } else {
            escaped += c;
        }
    }
    return ngx::copy(q.r.pool, escaped);
}

http::Fields client_fields(Request& q)
{
    return ngx::fields_of(q.headers_swapped ? q.client_headers : q.r.headers_in.headers, q.r.pool);
}

ngx_str_t variant_key(Request& q, const std::vector<std::string>& names, std::uint64_t number)
{
    std::string text;
    text.reserve(q.key.len + 256);
    text.append(ngx::view(q.key)).append(kVariantMark).append(std::to_string(number)).append(1, kPartMark);
    http::append_secondary_key(text, names, client_fields(q), &seen_values);
    const ngx_str_t key = ngx::copy(q.r.pool, text);
    if (key.data == nullptr) throw std::bad_alloc{};
    return key;
}

std::vector<std::string> selecting_fields(const Request& q, http::Fields answer)
{
    std::vector<std::string> names;
    if (!q.conf->settings->policy.ignore.vary) names = http::parse_vary(answer).names;
    if (q.conf->vary != nullptr) {
        const auto* extra = static_cast<const ngx_str_t*>(q.conf->vary->elts);
        for (ngx_uint_t i = 0; i < q.conf->vary->nelts; ++i) names.emplace_back(ngx::view(extra[i]));
    }
    if (q.identity.covers_authorization) std::erase(names, "authorization");
    // The origin was asked for it not encoded: if it is not, it is for everybody.
    const auto encoded = [](const http::Field& field) {
        return ngx::equals_ignoring_case(field.name, "Content-Encoding");
    };
    if (encode_rule(*q.conf) != nullptr && std::none_of(answer.begin(), answer.end(), encoded))
        std::erase(names, "accept-encoding");
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

bool selects(Request& q, const Stored& stored)
{
    if (stored.head().kind != StoredKind::response) return false;
    const std::string_view key = stored.key();
    const auto names = selecting_fields(q, stored.fields());
    if (names.empty()) return key == ngx::view(q.key);
    // The number of the vary record is all that may differ: this request may not have seen the record.
    const std::size_t at = q.key.len + kVariantMark.size();
    const std::size_t end = key.find(kPartMark, at);
    if (!key.starts_with(ngx::view(q.key)) || key.substr(q.key.len, kVariantMark.size()) != kVariantMark)
        return false;
    return end != std::string_view::npos &&
           key.substr(end + 1) == http::secondary_key(names, client_fields(q));
}

}
