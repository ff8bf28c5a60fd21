#include <algorithm>
#include <array>
#include <string>

#include "cache/glue/request.hpp"
#include "http/http_date.hpp"
#include "http/vary.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

/// The length of what comes after the header is known to whoever reads it. A body that ends with the
/// connection is not: cut short it looks whole (RFC 9112 section 6.3). FastCGI and gRPC frame theirs.
bool end_is_known(const ngx_http_upstream_t& u) noexcept
{
    if (u.headers_in.content_length_n >= 0 || u.headers_in.chunked) return true;
    if (u.headers_in.status_n == NGX_HTTP_NO_CONTENT) return true;
    const std::string_view scheme = ngx::view(u.schema);
    return scheme.starts_with("fastcgi") || scheme.starts_with("grpc");
}

/// What is kept of an answer: the lines that nginx lets through (proxy_hide_header is honoured on hits too),
/// with the origin's own Date, which nginx hides. Views point into the request's memory and into `date`.
class Visible {
public:
    explicit Visible(Request& q, http::Fields origin)
    {
        ngx_http_request_t& r = q.r;
        const UnstoredFields unstored{origin, q.conf->settings->policy};
        const auto& in = r.upstream->headers_in;
        if (r.headers_out.content_type.len != 0 && in.content_type != nullptr) {
            fields_.push_back({"Content-Type", ngx::view(in.content_type->value)});
        }
        if (in.date != nullptr) {
            fields_.push_back({"Date", ngx::view(in.date->value)});
        } else {
            http::format_http_date(ngx_time(), date_);
            fields_.push_back({"Date", {date_.data(), date_.size()}});
        }
        ngx::for_each_header(r.headers_out.headers, [&](ngx_table_elt_t& line) {
            if (line.hash == 0 || line.value.data == nullptr) return;
            const std::string_view name = ngx::view(line.key);
            if (unstored.contains(name) || ngx::equals_ignoring_case(name, "Date") ||
                ngx::equals_ignoring_case(name, "Content-Length")) {
                return;
            }
            fields_.push_back({name, ngx::view(line.value)});
        });
    }
    Visible(const Visible&) = delete;
    Visible& operator=(const Visible&) = delete;

    http::Fields fields() const noexcept { return fields_; }

private:
    std::vector<http::Field> fields_;
    std::array<char, http::kHttpDateLength> date_{};
};

std::int64_t parse_last_modified(http::Fields fields)
{
    for (const http::Field& field : fields) {
        if (ngx::equals_ignoring_case(field.name, "Last-Modified")) {
            return http::parse_http_date(field.value, ngx_time()).value_or(-1);
        }
    }
    return -1;
}

/// The request fields that select among variants: the origin's Vary and edge_cache_vary. Sorted, each once.
std::vector<std::string> selecting_fields(const Request& q, http::Fields origin)
{
    std::vector<std::string> names;
    if (!q.conf->settings->policy.ignore.vary) names = http::parse_vary(origin).names;
    if (q.conf->vary != nullptr) {
        const auto* extra = static_cast<const ngx_str_t*>(q.conf->vary->elts);
        for (ngx_uint_t i = 0; i < q.conf->vary->nelts; ++i) names.emplace_back(ngx::view(extra[i]));
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

/// Decides under which key the answer goes: the primary one, a variant's under the record there is, or a
/// variant's under a new record.
void choose_key(Request& q, const std::vector<std::string>& names)
{
    q.selected_key = q.key;
    if (!names.empty()) {
        std::uint64_t number = q.vary_number;
        if (number == 0 || names != q.vary_names) {
            number = q.new_vary_number = q.zone->next_number();
            q.new_vary_names = names;
        }
        q.selected_key = variant_key(q, names, number);
    }
    q.selected = q.zone->hash(ngx::view(q.selected_key));
}

/// Puts the vary record in place that the variant just filled needs. false: another request has made one for
/// the same fields meanwhile, and its variants stay.
bool publish_vary(Request& q)
{
    if (const Pin there = q.zone->find(q.primary)) {
        const auto stored = Stored::parse(there.meta());
        if (stored && stored->head().kind == StoredKind::vary && stored->key() == ngx::view(q.key) &&
            std::equal(q.new_vary_names.begin(), q.new_vary_names.end(), stored->fields().begin(),
                       stored->fields().end(), [](const std::string& name, const http::Field& field) {
                           return name == field.name;
                       })) {
            return false;
        }
    }
    std::vector<http::Field> names;
    for (const std::string& name : q.new_vary_names) names.push_back({name, {}});
    const auto block = encode_stored({.kind = StoredKind::vary,
                                      .status = 0,
                                      .lifetime = {},
                                      .last_modified = -1,
                                      .number = q.new_vary_number,
                                      .key = ngx::view(q.key),
                                      .fields = names});
    Fill record = q.zone->begin(q.primary, 0);
    return record && record.set_meta(block) && static_cast<bool>(record.finish());
}

}

http::Fields origin_fields(ngx_http_request_t& r)
{
    return ngx::fields_of(r.upstream->headers_in.headers, r.pool);
}

NotStored start_fill(Request& q)
{
    ngx_http_request_t& r = q.r;
    const ngx_http_upstream_t& u = *r.upstream;
    const PolicyConfig& policy = q.conf->settings->policy;
    const auto origin = origin_fields(r);
    const StoreVerdict verdict = may_store(q.facts,
                                           {.status = static_cast<std::uint16_t>(u.headers_in.status_n),
                                            .fields = origin,
                                            .request_time = q.asked_at,
                                            .response_time = ngx_time()},
                                           policy);
    if (!verdict.store()) return verdict.reason;
    if (!end_is_known(u)) return NotStored::incomplete;
    choose_key(q, selecting_fields(q, origin));

    q.expected_length = u.headers_in.content_length_n;
    const auto hint = static_cast<std::uint64_t>(std::max<std::int64_t>(q.expected_length, 0));
    if (hint > q.conf->zone->shape.max_object) return NotStored::too_large;
    const Visible visible{q, origin};
    const auto block = encode_stored({.kind = StoredKind::response,
                                      .status = static_cast<std::uint16_t>(u.headers_in.status_n),
                                      .lifetime = verdict.lifetime,
                                      .last_modified = parse_last_modified(visible.fields()),
                                      .number = 0,
                                      .key = ngx::view(q.selected_key),
                                      .fields = visible.fields()});
    if (block.empty()) return NotStored::too_large;
    q.fill = q.zone->begin(q.selected, hint);
    if (!q.fill || !q.fill.set_meta(block)) {
        q.fill = {};
        return NotStored::no_room;
    }
    q.stored_ttl = time_to_live(verdict.lifetime, ngx_time());
    observer.counted(Count::fill_started, 1);
    return NotStored::stored;
}

void finish_fill(Request& q)
{
    q.step = Request::Step::finished;
    const std::uint64_t size = q.fill.body_size();
    if (q.expected_length >= 0 && size != static_cast<std::uint64_t>(q.expected_length)) {
        observer.counted(Count::fill_aborted, 1);
        observer.not_stored(NotStored::incomplete);
        return;
    }
    if (!q.new_vary_names.empty() && !publish_vary(q)) {
        observer.counted(Count::fill_aborted, 1);
        return;
    }
    q.object = q.fill.finish();
    observer.counted(Count::fill_finished, 1);
    observer.counted(Count::bytes_stored, size);
}

bool renew_stored(Request& q, bool not_modified)
{
    const auto stored = Stored::parse(q.object.meta());
    if (!stored) return false;
    const PolicyConfig& policy = q.conf->settings->policy;
    const auto origin = origin_fields(q.r);
    const auto before = stored->fields();
    if (not_modified && !selects_stored(before, origin)) return false;

    // Judged by all the origin said, kept without what nginx hides.
    const auto judged = merge_304(before, origin, policy);
    const Visible visible{q, origin};
    const auto kept = merge_304(before, visible.fields(), policy);
    RequestFacts facts = q.facts;
    facts.method = Method::get;
    facts.has_range = false;
    facts.control = {};  // a client's no-store does not take away what others may use
    const StoreVerdict verdict = may_store(facts,
                                           {.status = stored->head().status,
                                            .fields = judged,
                                            .request_time = q.asked_at,
                                            .response_time = ngx_time()},
                                           policy);
    q.renewed = encode_stored({.kind = StoredKind::response,
                               .status = stored->head().status,
                               .lifetime = verdict.lifetime,
                               .last_modified = parse_last_modified(kept),
                               .number = 0,
                               .key = stored->key(),
                               .fields = kept});
    if (verdict.store() && !q.renewed.empty()) {
        q.stored_ttl = time_to_live(verdict.lifetime, ngx_time());
        static_cast<void>(q.zone->replace_meta(q.object, q.renewed));
    } else {
        q.zone->remove(q.object);
    }
    if (q.renewed.empty()) q.renewed.assign(q.object.meta().begin(), q.object.meta().end());
    return true;
}

void invalidate(Request& q)
{
    std::uint64_t removed = q.zone->remove(q.primary) ? 1 : 0;
    if (q.conf->key == nullptr) {  // another key's text for another URI is not ours to guess
        const std::string base = effective_uri(q.r);
        const std::string_view own = ngx::view(q.key);
        const std::string prefix{own.substr(0, own.find(' ') + 1)};
        ngx::for_each_header(q.r.headers_out.headers, [&](ngx_table_elt_t& line) {
            const std::string_view name = ngx::view(line.key);
            if (line.hash == 0 || !(ngx::equals_ignoring_case(name, "Location") ||
                                    ngx::equals_ignoring_case(name, "Content-Location"))) {
                return;
            }
            if (const auto target = same_origin_target(base, ngx::view(line.value))) {
                if (q.zone->remove(q.zone->hash(prefix + *target))) ++removed;
            }
        });
    }
    if (removed != 0) observer.counted(Count::invalidated, removed);
}

}
