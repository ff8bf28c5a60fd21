#include "status/glue/status_handler.hpp"

#include <string>

#include "nginx/headers.hpp"
#include "nginx/str.hpp"
#include "status/glue/memory_files.hpp"
#include "status/performance.hpp"

namespace edge::status {

constinit Collect* collect = [](ngx_http_request_t&, Snapshot&) {};

namespace {

Format format_of(ngx_http_request_t& r) noexcept
{
    auto* whole = static_cast<char*>(ngx_http_get_module_loc_conf((&r), ngx_http_edge_module));
    return static_cast<Format>(reinterpret_cast<LocConf*>(whole + kLocConfOffset)->format);
}

}

ngx_int_t on_status(ngx_http_request_t& r)
{
    if ((r.method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) return NGX_HTTP_NOT_ALLOWED;
    const ngx_int_t discarded = ngx_http_discard_request_body(&r);
    if (discarded != NGX_OK) return discarded;

    Snapshot snapshot;
    collect(r, snapshot);
    std::string page;
    const Format format = format_of(r);
    const bool json = format != Format::prometheus;
    if (format >= Format::memory) {
        snapshot.memory = read_memory_use();
        render_performance(static_cast<PerformancePage>(static_cast<ngx_uint_t>(format) -
                                                        static_cast<ngx_uint_t>(Format::memory)),
                           snapshot, page);
    } else if (json) {
        render_json(snapshot, page);
    } else {
        render_prometheus(snapshot, page);
    }
    const ngx_str_t body = ngx::copy(r.pool, page);
    auto* buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(r.pool));
    if (body.data == nullptr || buf == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    buf->pos = buf->start = body.data;
    buf->last = buf->end = body.data + body.len;
    buf->memory = buf->last_buf = buf->last_in_chain = 1;

    r.headers_out.status = NGX_HTTP_OK;
    r.headers_out.content_length_n = static_cast<off_t>(body.len);
    r.headers_out.content_type = ngx::str(json ? kJsonType : kPrometheusType);
    r.headers_out.content_type_len = ngx::view(r.headers_out.content_type).find_first_of(";");
    if (json) r.headers_out.content_type_len = r.headers_out.content_type.len;
    ngx::push_header(r.headers_out.headers, "Cache-Control", "no-store");
    const ngx_int_t rc = ngx_http_send_header(&r);
    if (rc == NGX_ERROR || rc > NGX_OK || r.header_only) return rc;
    ngx_chain_t out{.buf = buf, .next = nullptr};
    return ngx_http_output_filter(&r, &out);
}

}
