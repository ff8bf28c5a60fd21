#include "websocket/glue/handshake.hpp"

#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nginx/barrier.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"
#include "websocket/batch_protocol.hpp"
#include "websocket/extension.hpp"
#include "websocket/glue/tunnel.hpp"
#include "websocket/glue/websocket_conf.hpp"

namespace edge::websocket {

using ngx::operator""_ngx;

namespace {

constexpr std::string_view kExtensions = "Sec-WebSocket-Extensions";
constexpr std::string_view kProtocol = "Sec-WebSocket-Protocol";

ngx_http_output_header_filter_pt next_header;

bool is(const ngx_table_elt_t& line, std::string_view name) noexcept
{
    return line.hash != 0 && ngx::equals_ignoring_case(ngx::view(line.key), name);
}

/// The values of all lines of a field, joined.
std::string joined(ngx_list_t& headers, std::string_view name)
{
    std::string all;
    ngx::for_each_header(headers, [&](ngx_table_elt_t& line) {
        if (is(line, name)) all.append(all.empty() ? "" : ", ").append(ngx::view(line.value));
    });
    return all;
}

/// A client's request for a WebSocket, between its location and the 101. In the request's pool; a request has
/// one at most, kept over internal redirects.
class Handshake {
public:
    explicit Handshake(ngx_http_request_t& r)
        : r_{r},
          extensions_{joined(r.headers_in.headers, kExtensions)},
          protocols_{joined(r.headers_in.headers, kProtocol)}
    {}
    Handshake(const Handshake&) = delete;
    Handshake& operator=(const Handshake&) = delete;

    const std::string& extensions() const noexcept { return extensions_; }
    const ProtocolOffer& protocols() const noexcept { return protocols_; }

    void hide_extensions()
    {
        ngx::for_each_header(r_.headers_in.headers, [this](ngx_table_elt_t& line) {
            if (is(line, kExtensions)) hide(line);
        });
    }

    /// The app sees its own subprotocols alone.
    void hide_batch_protocol()
    {
        if (!protocols_.for_edge()) return;
        ngx_str_t rest{};
        if (!protocols_.for_upstream().empty()) {
            rest = ngx::copy(r_.pool, protocols_.for_upstream());
            if (rest.data == nullptr) throw std::bad_alloc{};
        }
        ngx::for_each_header(r_.headers_in.headers, [&](ngx_table_elt_t& line) {
            if (!is(line, kProtocol)) return;
            hide(line);
            if (rest.len == 0) return;
            line = changed_.back().was;  // one line has them all
            line.value = std::exchange(rest, ngx_str_t{});
        });
    }

    void restore() noexcept
    {
        for (const Changed& change : changed_) *change.line = change.was;
        changed_.clear();
    }

private:
    struct Changed {
        ngx_table_elt_t* line;
        ngx_table_elt_t was;
    };
    /// Upstream modules copy every line but those they set themselves, and hide nothing that is only marked
    /// as removed. So the line takes the name of one that is never passed on, Keep-Alive, until restore().
    void hide(ngx_table_elt_t& line)
    {
        changed_.push_back({&line, line});
        line.key = "Keep-Alive"_ngx;
        line.lowcase_key = "keep-alive"_ngx.data;
        line.hash = ngx_hash_key(line.lowcase_key, line.key.len);
    }

    ngx_http_request_t& r_;
    std::string extensions_;
    ProtocolOffer protocols_;
    std::vector<Changed> changed_;
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

/// Compression with the client, if it offers any that the edge may use.
void settle_compression(ngx_http_request_t& r, const Settings& settings, const Handshake& handshake,
                        Agreement& agreement)
{
    if (!wants_compression(r, settings)) return;
    const auto agreed = negotiate_deflate(handshake.extensions(), settings.wishes);
    if (!agreed) return;
    const ngx_str_t value = ngx::copy(r.pool, agreed->response);
    if (value.data == nullptr) throw std::bad_alloc{};
    ngx::push_header(r.headers_out.headers, kExtensions, ngx::view(value));
    agreement.mode = Agreement::Mode::edge_deflate;
    agreement.parameters = agreed->parameters;
}

/// edge.batch.v1, if the client offers it with what the app has chosen.
void settle_protocol(ngx_http_request_t& r, const Handshake& handshake, Agreement& agreement)
{
    const auto answer = handshake.protocols().answer(joined(r.upstream->headers_in.headers, kProtocol));
    if (!answer) return;
    const ngx_str_t value = ngx::copy(r.pool, *answer);
    if (value.data == nullptr) throw std::bad_alloc{};
    ngx::for_each_header(r.headers_out.headers, [](ngx_table_elt_t& line) {
        if (is(line, kProtocol)) line.hash = 0;
    });
    ngx::push_header(r.headers_out.headers, kProtocol, ngx::view(value));
    agreement.pack = true;
}

/// What both sides have agreed on; nullopt: something only they understand.
std::optional<Agreement> settle(ngx_http_request_t& r, const Settings& settings, const Handshake& handshake)
{
    Agreement agreement;
    const UpstreamAnswer answer = parse_upstream_answer(joined(r.upstream->headers_in.headers, kExtensions));
    switch (answer.kind) {
        case UpstreamAnswer::Kind::other:
            return std::nullopt;
        case UpstreamAnswer::Kind::deflate:
            agreement.mode = Agreement::Mode::pass_through;
            return agreement;
        case UpstreamAnswer::Kind::none:
            break;
    }
    settle_compression(r, settings, handshake, agreement);
    if (settings.batch_protocol) settle_protocol(r, handshake, agreement);
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
    handshake->restore();  // of the location before
    if (settings->compress != Compress::upstream) handshake->hide_extensions();
    if (settings->batch_protocol) handshake->hide_batch_protocol();
    return NGX_DECLINED;
}

void install_header_filter() noexcept
{
    next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
}

}
