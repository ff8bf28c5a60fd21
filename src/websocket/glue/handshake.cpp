#include "websocket/glue/handshake.hpp"

#include <new>
#include <string>
#include <string_view>

#include "nginx/barrier.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"
#include "websocket/extension.hpp"
#include "websocket/glue/tunnel.hpp"
#include "websocket/glue/websocket_conf.hpp"

namespace edge::websocket {

using ngx::operator""_ngx;

namespace {

constexpr std::string_view kExtensions = "Sec-WebSocket-Extensions";

ngx_http_output_header_filter_pt next_header;

bool is_extensions(const ngx_table_elt_t& line) noexcept
{
    return line.hash != 0 && ngx::equals_ignoring_case(ngx::view(line.key), kExtensions);
}

/// The values of all its lines, joined.
std::string extensions_of(ngx_list_t& headers)
{
    std::string all;
    ngx::for_each_header(headers, [&](ngx_table_elt_t& line) {
        if (is_extensions(line)) all.append(all.empty() ? "" : ", ").append(ngx::view(line.value));
    });
    return all;
}

/// A client's request for a WebSocket, between its location and the 101. In the request's pool; a request has
/// one at most, kept over internal redirects.
class Handshake {
public:
    explicit Handshake(ngx_http_request_t& r) : r_{r}, offer_{extensions_of(r.headers_in.headers)} {}
    Handshake(const Handshake&) = delete;
    Handshake& operator=(const Handshake&) = delete;

    const std::string& offer() const noexcept { return offer_; }
    bool hidden() const noexcept { return hidden_; }

    /// Upstream modules copy every line but those they set themselves, and hide nothing that is only marked
    /// as removed. So the lines take the name of one that is never passed on, Keep-Alive, until restore().
    void hide() noexcept
    {
        if (hidden_) return;
        hidden_ = true;
        ngx::for_each_header(r_.headers_in.headers, [](ngx_table_elt_t& line) {
            if (is_extensions(line)) rename(line, "Keep-Alive"_ngx, "keep-alive"_ngx);
        });
    }

    void restore() noexcept
    {
        if (!hidden_) return;
        hidden_ = false;
        ngx::for_each_header(r_.headers_in.headers, [](ngx_table_elt_t& line) {
            if (line.lowcase_key == "keep-alive"_ngx.data)
                rename(line, "Sec-WebSocket-Extensions"_ngx, "sec-websocket-extensions"_ngx);
        });
    }

private:
    static void rename(ngx_table_elt_t& line, ngx_str_t name, ngx_str_t lower) noexcept
    {
        line.key = name;
        line.lowcase_key = lower.data;
        line.hash = ngx_hash_key(lower.data, lower.len);
    }

    ngx_http_request_t& r_;
    std::string offer_;
    bool hidden_ = false;
};

bool asks_for_websocket(const ngx_http_request_t& r) noexcept
{
    return &r == r.main && r.method == NGX_HTTP_GET && r.http_version == NGX_HTTP_VERSION_11 &&
           r.headers_in.upgrade != nullptr &&
           ngx::equals_ignoring_case(ngx::view(r.headers_in.upgrade->value), "websocket");
}

/// As nginx's own `if=`: an empty value or "0" says no.
bool wants_compression(ngx_http_request_t& r, const Settings& settings)
{
    if (settings.compress != Compress::edge) return false;
    if (settings.compress_condition == nullptr) return true;
    ngx_str_t value{};
    if (ngx_http_complex_value(&r, settings.compress_condition, &value) != NGX_OK) throw std::bad_alloc{};
    return value.len != 0 && ngx::view(value) != "0";
}

/// What both sides have agreed on; nullopt: something only they understand.
std::optional<Agreement> settle(ngx_http_request_t& r, const Settings& settings, const Handshake& handshake)
{
    Agreement agreement;
    const UpstreamAnswer answer = parse_upstream_answer(extensions_of(r.upstream->headers_in.headers));
    switch (answer.kind) {
        case UpstreamAnswer::Kind::other:
            return std::nullopt;
        case UpstreamAnswer::Kind::deflate:
            agreement.mode = Agreement::Mode::pass_through;
            return agreement;
        case UpstreamAnswer::Kind::none:
            break;
    }
    if (!wants_compression(r, settings)) return agreement;
    const auto agreed = negotiate_deflate(handshake.offer(), settings.wishes);
    if (!agreed) return agreement;
    const ngx_str_t value = ngx::copy(r.pool, agreed->response);
    if (value.data == nullptr) throw std::bad_alloc{};
    ngx::push_header(r.headers_out.headers, kExtensions, ngx::view(value));
    agreement.mode = Agreement::Mode::edge_deflate;
    agreement.parameters = agreed->parameters;
    return agreement;
}

void on_answer(ngx_http_request_t& r)
{
    auto* handshake = ngx::find<Handshake>(r.pool);
    if (handshake == nullptr) return;
    handshake->restore();
    const ngx_http_upstream_t* u = r.upstream;
    const Settings* settings = loc_conf(r).settings;
    if (r.headers_out.status != NGX_HTTP_SWITCHING_PROTOCOLS || u == nullptr || !u->upgrade ||
        settings == nullptr || u->peer.connection == nullptr) {
        return;
    }
    const auto agreement = settle(r, *settings, *handshake);
    if (!agreement) {
        ngx_log_error(NGX_LOG_INFO, r.connection->log, 0,
                      "edge: the upstream has agreed on WebSocket extensions the edge does not know");
        return;
    }
    Tunnel::prepare(r, settings->relay, *agreement);
}

ngx_int_t header_filter(ngx_http_request_t* r) noexcept
{
    if (r != r->main || r->headers_in.upgrade == nullptr) return next_header(r);
    const bool done = ngx::guarded<bool>(r->connection->log, false, [r] {
        on_answer(*r);
        return true;
    });
    return done ? next_header(r) : NGX_ERROR;
}

}

ngx_int_t on_request(ngx_http_request_t& r)
{
    if (!asks_for_websocket(r)) return NGX_DECLINED;
    auto* handshake = ngx::find<Handshake>(r.pool);
    const Settings* settings = loc_conf(r).settings;
    if (settings == nullptr) {  // an internal redirect may have led out of a location with edge_websocket
        if (handshake != nullptr) handshake->restore();
        return NGX_DECLINED;
    }
    if (handshake == nullptr) {
        handshake = &ngx::make<Handshake>(r.pool, r);
        ngx_http_cleanup_t* end = ngx_http_cleanup_add(&r, 0);
        if (end == nullptr) throw std::bad_alloc{};
        end->data = handshake;
        end->handler = [](void* data) noexcept { static_cast<Handshake*>(data)->restore(); };  // for the log
    }
    if (settings->compress == Compress::upstream) {
        handshake->restore();
    } else {
        handshake->hide();
    }
    return NGX_DECLINED;
}

void install_header_filter() noexcept
{
    next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
}

}
