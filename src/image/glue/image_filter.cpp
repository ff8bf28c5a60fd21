#include <string_view>

#include "http/list.hpp"
#include "image/glue/image_request.hpp"
#include "nginx/barrier.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::image {

namespace {

ngx_http_output_header_filter_pt next_header;

bool depends_on_accept(ngx_http_request_t& r) noexcept
{
    const Settings* settings = loc_conf(r).settings;
    if (settings == nullptr || settings->formats[0] == Format::none || ngx::is_detached(r)) return false;
    const auto& out = r.headers_out;
    const bool image = out.content_type.len > 6 &&
                       ngx::equals_ignoring_case(ngx::view(out.content_type).substr(0, 6), "image/");
    const bool ok = out.status == NGX_HTTP_OK || out.status == NGX_HTTP_PARTIAL_CONTENT;
    if (!(image && ok) && out.status != NGX_HTTP_NOT_MODIFIED) return false;
    const Request* request = Request::find(r);
    return request == nullptr || request->settled_by_accept();
}

bool names_accept(ngx_http_request_t& r) noexcept
{
    bool named = false;
    ngx::for_each_header(r.headers_out.headers, [&](ngx_table_elt_t& line) {
        if (line.hash == 0 || !ngx::equals_ignoring_case(ngx::view(line.key), "Vary")) return;
        http::ListCursor list{ngx::view(line.value)};
        while (const auto member = list.next())
            named = named || *member == "*" || ngx::equals_ignoring_case(*member, "Accept");
    });
    return named;
}

ngx_int_t header_filter(ngx_http_request_t* r) noexcept
{
    if (r == r->main && (r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) != 0) {
        ngx::guarded<int>(r->connection->log, 0, [&] {
            if (depends_on_accept(*r) && !names_accept(*r))
                ngx::push_header(r->headers_out.headers, "Vary", "Accept");
            return 0;
        });
    }
    return next_header(r);
}

}

void install_header_filter() noexcept
{
    next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
}

}
