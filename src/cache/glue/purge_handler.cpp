#include <array>
#include <new>
#include <string>

#include "cache/glue/purge.hpp"
#include "cache/purge_request.hpp"
#include "nginx/barrier.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

ngx_int_t send_json(ngx_http_request_t& r, ngx_uint_t status, std::string_view text)
{
    const ngx_str_t body = ngx::copy(r.pool, text);
    auto* buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(r.pool));
    if (body.data == nullptr || buf == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    buf->pos = buf->start = body.data;
    buf->last = buf->end = body.data + body.len;
    buf->memory = buf->last_buf = buf->last_in_chain = 1;
    r.headers_out.status = status;
    r.headers_out.content_length_n = static_cast<off_t>(body.len);
    r.headers_out.content_type = ngx::str("application/json");
    r.headers_out.content_type_len = r.headers_out.content_type.len;
    ngx::push_header(r.headers_out.headers, "Cache-Control", "no-store");
    const ngx_int_t rc = ngx_http_send_header(&r);
    if (rc == NGX_ERROR || rc > NGX_OK || r.header_only) return rc;
    ngx_chain_t out{.buf = buf, .next = nullptr};
    return ngx_http_output_filter(&r, &out);
}

ngx_int_t refuse(ngx_http_request_t& r, ngx_uint_t status, std::string_view reason)
{
    return send_json(r, status, "{\"error\":\"" + std::string{reason} + "\"}\n");
}

/// What is purged, as texts; each zone hashes them with its own seed.
struct Work {
    PurgeRequest asked;
    std::vector<std::string> urls;  ///< of PurgeTable's form
    std::string prefix;             ///< the same
    std::string key;                ///< empty: none
};

/// How far the purge goes beyond this host, and whether it is on its way.
std::string reach_json(const ZoneBinding& zone, const Purged& done)
{
    if (done.ticket == 0) return ",\"reach\":\"host\"";
    const PurgeLog::Figures log = zone.log.figures();
    const bool in_touch = zone.log.in_touch(touch_clock());
    std::string text = ",\"reach\":\"redis\",\"redis\":";
    text.append(plain_json_string(zone.link->redis->name));
    text.append(",\"hosts\":").append(std::to_string(log.hosts));
    text.append(",\"queued\":").append(std::to_string(log.queued));
    return text.append(",\"in_touch\":").append(in_touch ? "true" : "false");
}

std::string zones_json(const LocConf& conf, const Work& work)
{
    std::string zones;
    std::uint64_t last = 0;
    for (ZoneBinding* zone : conf.settings->purge_zones) {
        const PurgeTable& table = zone->purges;
        std::vector<std::uint64_t> tags;
        for (const std::string& tag : work.asked.tags) tags.push_back(table.hash(TagKind::name, tag));
        for (const std::string& url : work.urls) tags.push_back(table.hash(TagKind::url, url));
        if (!work.key.empty()) tags.push_back(table.hash(TagKind::key, work.key));
        const std::array<std::string_view, 1> prefix{work.prefix};
        const Purged done =
            purge_zone(*zone, {.tags = tags,
                               .prefixes = std::span{prefix}.first(work.prefix.empty() ? 0 : 1),
                               .all = work.asked.all,
                               .soft = work.asked.soft,
                               .now = ngx_time()});
        last = done.sequence;
        zones.append(zones.empty() ? "" : ",")
            .append("{\"zone\":")
            .append(plain_json_string(ngx::view(zone->name)));
        zones.append(",\"sequence\":").append(std::to_string(last));
        zones.append(reach_json(*zone, done)).append("}");
    }
    std::string text = "\"zones\":[" + zones + "]";
    if (conf.settings->purge_zones.size() == 1) text = "\"sequence\":" + std::to_string(last) + "," + text;
    return text;
}

ngx_int_t carry_out(ngx_http_request_t& r, const LocConf& conf, const Work& work)
{
    const auto yes = [](bool value) { return value ? "true" : "false"; };
    std::string text = "{\"purged\":{\"tags\":" + std::to_string(work.asked.tags.size());
    text.append(",\"urls\":").append(std::to_string(work.asked.urls.size()));
    text.append(",\"prefix\":").append(yes(!work.prefix.empty()));
    text.append(",\"all\":").append(yes(work.asked.all));
    text.append(",\"soft\":").append(yes(work.asked.soft)).append("},");
    text.append(zones_json(conf, work)).append("}\n");
    observer.counted(Count::purged_tags, work.asked.tags.size());
    observer.counted(Count::purged_urls, work.asked.urls.size());
    observer.counted(Count::purged_prefixes, work.prefix.empty() ? 0 : 1);
    observer.counted(Count::purged_all, work.asked.all ? 1 : 0);
    return send_json(r, NGX_HTTP_OK, text);
}

ngx_int_t purge_own_url(ngx_http_request_t& r, const LocConf& conf)
{
    const ngx_int_t discarded = ngx_http_discard_request_body(&r);
    if (discarded != NGX_OK) return discarded;
    Work work;
    std::string key;
    if (conf.zone != nullptr) key = ngx::view(make_key(r, conf));
    work.urls.push_back(purge_url(r, conf, key));
    work.asked.urls = work.urls;
    if (conf.key != nullptr) work.key = key;
    return carry_out(r, conf, work);
}

/// host[:port] path-and-query of what a JSON text names; std::nullopt: not a URL.
std::optional<std::string> target(ngx_http_request_t& r, const std::string& text)
{
    std::string uri;
    if (text.front() == '/') {
        uri = effective_uri(r);
        uri.resize(std::min(uri.find('/', uri.find("://") + 3), uri.size()));
        uri.append(text, 0, text.find('#'));
    } else {
        auto absolute = same_origin_target(text, text);
        if (!absolute) return std::nullopt;
        uri = std::move(*absolute);
    }
    return uri.substr(uri.find("://") + 3);
}

/// The request's body; std::nullopt: more than a purge request may have.
std::optional<std::string> read_body(ngx_http_request_t& r)
{
    std::string text;
    if (r.request_body == nullptr) return text;
    for (const ngx_chain_t* link = r.request_body->bufs; link != nullptr; link = link->next) {
        const ngx_buf_t& buf = *link->buf;
        const auto size = static_cast<std::size_t>(ngx_buf_size((&buf)));
        if (size > PurgeRequest::kMaxBytes - text.size()) return std::nullopt;
        if (ngx_buf_in_memory((&buf))) {
            text.append(reinterpret_cast<const char*>(buf.pos), size);
            continue;
        }
        const std::size_t from = text.size();
        text.resize(from + size);
        for (std::size_t done = 0; done < size;) {
            const ssize_t n = ngx_read_file(buf.file, reinterpret_cast<u_char*>(text.data() + from + done),
                                            size - done, buf.file_pos + static_cast<off_t>(done));
            if (n <= 0) throw std::bad_alloc{};
            done += static_cast<std::size_t>(n);
        }
    }
    return text;
}

ngx_int_t purge_by_json(ngx_http_request_t& r)
{
    const LocConf& conf = loc_conf(r);
    const auto text = read_body(r);
    if (!text) return refuse(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "more than 1 MB");
    PurgeRequestResult result = parse_purge_request(*text);
    if (!result.request) return refuse(r, result.status, result.reason);
    Work work;
    work.asked = std::move(*result.request);
    for (const std::string& url : work.asked.urls) {
        auto named = target(r, url);
        if (!named) return refuse(r, NGX_HTTP_BAD_REQUEST, "a member of urls is not a URL");
        // As the default key has it where edge_cache_args holds here too, and as it is for keys of one's own.
        std::string in_key = key_target(conf, *named);
        if (in_key != *named) work.urls.push_back(std::move(in_key));
        work.urls.push_back(std::move(*named));
    }
    if (!work.asked.prefix.empty()) {
        auto named = target(r, work.asked.prefix);
        if (!named) return refuse(r, NGX_HTTP_BAD_REQUEST, "prefix is not a URL");
        work.prefix = std::move(*named);
    }
    return carry_out(r, conf, work);
}

void on_body(ngx_http_request_t* r) noexcept
{
    ngx_http_finalize_request(r, ngx::guarded<ngx_int_t>(r->connection->log, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                                         [&] { return purge_by_json(*r); }));
}

ngx_int_t not_allowed(ngx_http_request_t& r)
{
    ngx::push_header(r.headers_out.headers, "Allow", "POST, PURGE");
    return NGX_HTTP_NOT_ALLOWED;
}

/// Ends the request with a handler's result; what a phase handler has to return then.
ngx_int_t finish(ngx_http_request_t& r, ngx_int_t rc)
{
    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) return rc;
    ngx_http_finalize_request(&r, rc);
    return NGX_DONE;
}

}

ngx_int_t on_purge(ngx_http_request_t& r, const LocConf& conf)
{
    const bool purge = ngx::view(r.method_name) == "PURGE";
    // Led here by an error of another location, such as a refused access there: not what was asked for.
    const bool astray = r.error_page || r.err_status != 0;
    if (conf.purge == 0) {
        return purge && conf.zone != nullptr && !astray ? NGX_HTTP_NOT_ALLOWED : NGX_DECLINED;
    }
    if (astray) return NGX_DECLINED;
    if (purge) return finish(r, purge_own_url(r, conf));
    if (r.content_handler != nullptr) return NGX_DECLINED;  // the location has other work too
    if ((r.method & NGX_HTTP_POST) == 0) return not_allowed(r);
    if (r.headers_in.content_length_n > static_cast<off_t>(PurgeRequest::kMaxBytes)) {
        const ngx_int_t discarded = ngx_http_discard_request_body(&r);
        if (discarded != NGX_OK) return discarded;
        return finish(r, refuse(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "more than 1 MB"));
    }
    const ngx_int_t rc = ngx_http_read_client_request_body(&r, on_body);
    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) return rc;
    ngx_http_finalize_request(&r, NGX_DONE);
    return NGX_DONE;
}

}
