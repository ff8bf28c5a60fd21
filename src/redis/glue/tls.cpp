#include "redis/glue/tls.hpp"

#include <arpa/inet.h>

#include "nginx/str.hpp"

namespace edge::redis {

#if (NGX_HTTP_SSL)

namespace {

const std::string& wanted(const Tls& tls, const std::string& host) noexcept
{
    return tls.name.empty() ? host : tls.name;
}

bool is_numeric(const std::string& host) noexcept
{
    in6_addr address;
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}

ngx_int_t begin_tls(ngx_connection_t* c, Tls& tls, const std::string& host) noexcept
{
    if (ngx_ssl_create_connection(&tls.ssl, c, NGX_SSL_BUFFER | NGX_SSL_CLIENT) != NGX_OK) return NGX_ERROR;
#ifdef SSL_CTRL_SET_TLSEXT_HOSTNAME
    const std::string& name = wanted(tls, host);
    // RFC 6066 section 3: no addresses in SNI.
    if (!name.empty() && !is_numeric(name) &&
        SSL_ctrl(c->ssl->connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(name.c_str())) == 0) {
        return NGX_ERROR;
    }
#endif
    return ngx_ssl_handshake(c);
}

const char* peer_objection(ngx_connection_t* c, const Tls& tls, const std::string& host) noexcept
{
    if (!c->ssl->handshaked) return "the TLS handshake failed";
    if (!tls.verify) return nullptr;
    const long verdict = SSL_get_verify_result(c->ssl->connection);
    if (verdict != X509_V_OK) return X509_verify_cert_error_string(verdict);
    const std::string& name = wanted(tls, host);
    constexpr const char* kOther = "the certificate is for another name";
    if (!is_numeric(name)) {
        ngx_str_t text = ngx::str(name);
        return ngx_ssl_check_host(c, &text) == NGX_OK ? nullptr : kOther;
    }
    X509* certificate = SSL_get_peer_certificate(c->ssl->connection);
    if (certificate == nullptr) return kOther;
    const bool same = X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
    X509_free(certificate);
    return same ? nullptr : kOther;
}

void end_tls(ngx_connection_t* c) noexcept
{
    if (c->ssl == nullptr) return;
    c->ssl->no_wait_shutdown = 1;
    static_cast<void>(ngx_ssl_shutdown(c));
}

#else

ngx_int_t begin_tls(ngx_connection_t*, Tls&, const std::string&) noexcept
{
    return NGX_ERROR;
}
const char* peer_objection(ngx_connection_t*, const Tls&, const std::string&) noexcept
{
    return "no TLS";
}
void end_tls(ngx_connection_t*) noexcept {}

#endif

}
