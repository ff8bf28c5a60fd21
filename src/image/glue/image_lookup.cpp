#include <new>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "image/glue/image_events.hpp"
#include "image/glue/image_request.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::image {

namespace {

std::vector<std::string_view> accept_lines(ngx_http_request_t& r)
{
    std::vector<std::string_view> lines;
    ngx::for_each_header(r.headers_in.headers, [&](ngx_table_elt_t& line) {
        if (ngx::equals_ignoring_case(ngx::view(line.key), "Accept")) lines.push_back(ngx::view(line.value));
    });
    return lines;
}

ngx_int_t refuse(ngx_http_request_t& r, ngx_uint_t status, const std::string& reason)
{
    using ngx::operator""_ngx;
    observer.happened(status == NGX_HTTP_BAD_REQUEST ? Event::bad_argument : Event::bad_signature);
    ngx_log_error(NGX_LOG_INFO, r.connection->log, 0, "edge: image arguments: %*s", reason.size(),
                  reason.data());
    ngx_http_complex_value_t text{};
    text.value = ngx::copy(r.pool, reason + "\n");
    if (text.value.data == nullptr) throw std::bad_alloc{};
    ngx_str_t type = "text/plain"_ngx;
    ngx_http_finalize_request(&r, ngx_http_send_response(&r, status, &type, &text));
    return NGX_DONE;
}

/// Path and query as the client sent them, without sig: what is signed.
std::string signed_text(const ngx_http_request_t& r, const ArgumentRules& rules)
{
    const std::string_view target = ngx::view(r.unparsed_uri);
    const std::size_t question = target.find('?');
    if (question == target.npos) return std::string{target};
    return std::string{target.substr(0, question + 1)} + strip_signature(target.substr(question + 1), rules);
}

/// What of a request is not the origin's business, and comes back for the log.
struct Hidden {
    ngx_http_request_t* r;
    ngx_str_t args;
    ngx_str_t target;
};

ngx_str_t stripped_target(ngx_http_request_t& r, const ArgumentRules& rules)
{
    const std::string_view target = ngx::view(r.unparsed_uri);
    const std::size_t question = target.find('?');
    if (question == target.npos) return r.unparsed_uri;
    const std::string query = strip_arguments(target.substr(question + 1), rules);
    std::string text{target.substr(0, question)};
    if (!query.empty()) text.append("?").append(query);
    return ngx::copy(r.pool, text);
}

/// From here on, for the cache, the origin and all in between, the request is for the source.
void hide_arguments(ngx_http_request_t& r, const ArgumentRules& rules)
{
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&r, sizeof(Hidden));
    if (cleanup == nullptr) throw std::bad_alloc{};
    auto* hidden = static_cast<Hidden*>(cleanup->data);
    *hidden = {&r, r.args, r.unparsed_uri};
    cleanup->handler = [](void* data) noexcept {
        const auto* before = static_cast<Hidden*>(data);
        before->r->args = before->args;
        before->r->unparsed_uri = before->target;
    };
    const ngx_str_t args = ngx::copy(r.pool, strip_arguments(ngx::view(r.args), rules));
    const ngx_str_t target = stripped_target(r, rules);
    if (args.data == nullptr || target.data == nullptr) throw std::bad_alloc{};
    r.args = args;
    r.unparsed_uri = target;
}

/// The 400 or 403, or nothing.
std::string refuse_by_signature(ngx_http_request_t& r, const Settings& settings, const Arguments& arguments,
                                ngx_uint_t& status)
{
    status = NGX_HTTP_BAD_REQUEST;
    const std::string& prefix = settings.arguments.prefix;
    if (arguments.signature.empty()) return refuse_unsigned(arguments, settings.arguments);
    if (settings.keys.empty()) return prefix + "sig: no signatures here";
    status = NGX_HTTP_FORBIDDEN;
    switch (verify(settings.keys, signed_text(r, settings.arguments), arguments.signature,
                   arguments.expires.value_or(0), static_cast<std::uint64_t>(ngx_time()))) {
        case Signature::valid:
            return {};
        case Signature::expired:
            return prefix + "sig: expired";
        case Signature::wrong:
            break;
    }
    return prefix + "sig: wrong";
}

void complete_job(Job& job, const Settings& settings)
{
    job.range = settings.range;
    job.range_low = settings.range_low;
    job.range_high = settings.range_high;
    job.keep_copyright = settings.keep_copyright;
    job.limits = settings.limits;
}

}

ngx_int_t on_request(ngx_http_request_t& r)
{
    if (&r != r.main || (r.method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) return NGX_DECLINED;
    const Settings* settings = loc_conf(r).settings;
    if (settings == nullptr) return NGX_DECLINED;
    const ngx::DetachedTask* task = ngx::detached_task(r);
    if (task != nullptr && task->purpose == ngx::Purpose::source) return NGX_DECLINED;
    if (r.internal) {
        if (Request* earlier = Request::find(r); earlier != nullptr) {
            if (earlier->step() == Request::Step::settled) earlier->take_over();
            return NGX_DECLINED;
        }
        if (r.error_page || r.err_status != 0 || r.upstream != nullptr) return NGX_DECLINED;
    }

    const auto parsed = parse_arguments(ngx::view(r.args), settings->arguments);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) return refuse(r, NGX_HTTP_BAD_REQUEST, *wrong);
    const auto& arguments = std::get<Arguments>(parsed);
    if (arguments.any) {
        ngx_uint_t status = 0;
        const std::string wrong = refuse_by_signature(r, *settings, arguments, status);
        if (!wrong.empty()) return refuse(r, status, wrong);
    }
    const Outcome outcome = negotiate(accept_lines(r), settings->formats, arguments.format);
    const bool leave = !arguments.changes() && (outcome.original() || (outcome.is_page && !outcome.forced));
    if (leave) {
        if (arguments.any) hide_arguments(r, settings->arguments);
        return NGX_DECLINED;
    }
    auto made = make_job(arguments, settings->presets, settings->usual);
    if (const auto* wrong = std::get_if<std::string>(&made))
        return refuse(r, NGX_HTTP_BAD_REQUEST, settings->arguments.prefix + *wrong);

    auto& derived = ngx::make<ngx::Derived>(r.pool);
    derived.target = r.unparsed_uri;
    Request& request = ngx::make<Request>(r.pool, r, *settings, derived);
    request.job = std::get<Job>(made);
    complete_job(request.job, *settings);
    request.outcome = outcome;
    request.changes = arguments.changes();
    request.preset = arguments.preset;
    derived.mark = describe(outcome) + " " + describe(request.job);
    hide_arguments(r, settings->arguments);
    request.take_over();
    return NGX_DECLINED;
}

}
