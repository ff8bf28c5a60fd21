#include <algorithm>
#include <array>
#include <string>

#include "cache/glue/collapse.hpp"
#include "cache/glue/encode.hpp"
#include "cache/glue/purge.hpp"
#include "cache/glue/redis_flight.hpp"
#include "cache/glue/redis_level.hpp"
#include "cache/glue/request.hpp"
#include "cache/glue/use_counting.hpp"
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

/// nginx takes a FastCGI answer without Content-Length for whole when the connection just closes; only the
/// records that end it say so.
bool end_was_seen(const Request& q) noexcept
{
    const ngx_http_upstream_t* u = q.r.upstream;
    if (q.expected_length >= 0 || u == nullptr || !ngx::view(u->schema).starts_with("fastcgi")) return true;
    return u->buffering ? u->pipe->upstream_done != 0 : u->length == 0;
}

/// Whoever else reads this answer may see another end than nginx does (RFC 9112 section 6.3).
bool length_contradicts(http::Fields origin) noexcept
{
    std::string_view length;
    bool coded = false;
    for (const http::Field& field : origin) {
        if (ngx::equals_ignoring_case(field.name, "Transfer-Encoding")) coded = true;
        if (!ngx::equals_ignoring_case(field.name, "Content-Length")) continue;
        if (!length.empty() && length != field.value) return true;
        length = field.value;
    }
    return coded && !length.empty();
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

/// The number of the vary record for `names`: of the one there is, which another request may have made
/// meanwhile, or of a new one, which is found at once, so that whoever follows this answer knows what selects
/// it. 0: no room.
std::uint64_t publish_vary(Request& q, const std::vector<std::string>& names)
{
    const Pin there = q.zone->find(q.primary);
    const auto stored = there ? Stored::parse(there.meta()) : std::nullopt;
    if (stored && stored->head().kind == StoredKind::vary && stored->key() == ngx::view(q.key)) {
        const auto fields = stored->fields();
        const auto same = [](const std::string& name, const http::Field& field) {
            return name == field.name;
        };
        if (std::equal(names.begin(), names.end(), fields.begin(), fields.end(), same))
            return stored->head().number;
    }
    const std::uint64_t number = q.conf->redis != nullptr ? shared_number() : q.zone->next_number();
    std::vector<http::Field> lines;
    for (const std::string& name : names) lines.push_back({name, {}});
    const auto block = encode_stored({.kind = StoredKind::vary,
                                      .status = 0,
                                      .lifetime = {},
                                      .last_modified = -1,
                                      .number = number,
                                      .key = ngx::view(q.key),
                                      .fields = lines});
    Fill record = q.zone->begin(q.primary, 0);
    return record && record.set_meta(block) && record.finish() ? number : 0;
}

/// Decides under which key the answer goes: the primary one, or a variant's. false: no room for the vary
/// record.
bool choose_key(Request& q, const std::vector<std::string>& names)
{
    q.selected_key = q.key;
    if (!names.empty()) {
        const std::uint64_t number = publish_vary(q, names);
        if (number == 0) return false;
        q.selected_key = variant_key(q, names, number);
    }
    q.selected = q.zone->hash(ngx::view(q.selected_key));
    return true;
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
    StoreVerdict verdict = may_store(q.facts,
                                     {.status = static_cast<std::uint16_t>(u.headers_in.status_n),
                                      .fields = origin,
                                      .request_time = q.asked_at,
                                      .response_time = ngx_time()},
                                     policy);
    const bool inherits = q.derived != nullptr && !q.derived->by_own_lines;
    if (!verdict.store() && !inherits) return verdict.reason;
    if (length_contradicts(origin)) return NotStored::malformed;
    if (!end_is_known(u)) return NotStored::incomplete;
    auto tags = collect_tags(q, origin);
    if (!tags) return NotStored::tags;
    if (inherits) {
        const std::uint64_t known = q.purge_sequence;
        const auto lifetime = inherit(q, q.purge_sequence, *tags);
        // How far other hosts' purges were known when the source was asked for, nobody can say any more.
        if (q.purge_sequence != known) q.value_position = {};
        if (!lifetime) return verdict.store() ? NotStored::other : verdict.reason;
        verdict = {NotStored::stored, *lifetime};
    }
    if (has_heirs(q)) tell_provenance(q, verdict.lifetime, q.purge_sequence, *tags, std::nullopt);
    if (q.conf->min_uses > 1 && !q.object && count_use(*q.conf->zone, q.primary) < q.conf->min_uses)
        return NotStored::uses;
    if (!choose_key(q, selecting_fields(q, origin))) return NotStored::no_room;

    q.expected_length = u.headers_in.content_length_n;
    const auto hint = static_cast<std::uint64_t>(std::max<std::int64_t>(q.expected_length, 0));
    if (hint > q.conf->zone->shape.max_object) return NotStored::too_large;
    const Visible visible{q, origin};
    const std::uint64_t number =
        body_number(*q.conf, static_cast<std::uint16_t>(u.headers_in.status_n), visible.fields());
    const auto block = encode_stored({.kind = StoredKind::response,
                                      .status = static_cast<std::uint16_t>(u.headers_in.status_n),
                                      .lifetime = verdict.lifetime,
                                      .last_modified = parse_last_modified(visible.fields()),
                                      .number = number,
                                      .key = ngx::view(q.selected_key),
                                      .fields = visible.fields(),
                                      .url = purge_url(r, *q.conf, ngx::view(q.public_key)),
                                      .sequence = q.purge_sequence,
                                      .tags = std::move(*tags),
                                      .unasked = is_refill(r)});
    if (block.empty()) return NotStored::too_large;
    q.fill = q.zone->begin(q.selected, hint);
    if (!q.fill || !q.fill.set_meta(block)) {
        q.fill = {};
        return NotStored::no_room;
    }
    q.negotiated = number != 0 && (q.expected_length < 0 || hint >= q.conf->encode->least);
    q.stored_ttl = time_to_live(verdict.lifetime, ngx_time());
    observer.counted(Count::fill_started, 1);
    announce_fill(q, verdict.lifetime);
    return NotStored::stored;
}

void finish_fill(Request& q)
{
    q.step = Request::Step::finished;
    const std::uint64_t size = q.fill.body_size();
    if ((q.expected_length >= 0 && size != static_cast<std::uint64_t>(q.expected_length)) ||
        !end_was_seen(q)) {
        observer.counted(Count::fill_aborted, 1);
        observer.not_stored(NotStored::incomplete);
        return;
    }
    const bool findable = arrive(q);
    end_flight(q);
    const bool shared = findable && store_in_redis(q, q.object.meta());
    if (q.across != nullptr && !shared) q.across->refused();
    encode_arrived(q);
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
    StoreVerdict verdict = may_update(facts, stored->head().status, judged,
                                      {.status = NGX_HTTP_NOT_MODIFIED,
                                       .fields = origin,
                                       .request_time = q.asked_at,
                                       .response_time = ngx_time()},
                                      policy);
    // What this client was told because of its credentials says nothing of what others may use.
    const bool denied = verdict.reason == NotStored::authorization || verdict.reason == NotStored::cookie;
    if (denied && q.derived == nullptr) {
        q.renewed.assign(q.object.meta().begin(), q.object.meta().end());
        q.stored_ttl = time_to_live(stored->head().lifetime, ngx_time());
        return true;
    }
    // The answer to a HEAD says nothing of the body: that is as old as it was.
    const std::uint64_t number = body_number(*q.conf, stored->head().status, kept, stored->head().number);
    const StoredTags tags_before = stored->tags();
    auto tags = not_modified ? collect_tags(q, origin, &tags_before) : tags_before;
    std::uint64_t sequence = not_modified ? q.purge_sequence : stored->head().sequence;
    if (q.derived != nullptr && !q.derived->by_own_lines && tags) {
        const auto lifetime = inherit(q, sequence, *tags);
        verdict = lifetime ? StoreVerdict{NotStored::stored, *lifetime} : StoreVerdict{};
        if (sequence != q.purge_sequence) q.value_position = {};
    }
    q.renewed = encode_stored({.kind = StoredKind::response,
                               .status = stored->head().status,
                               .lifetime = verdict.lifetime,
                               .last_modified = parse_last_modified(kept),
                               .number = number,
                               .key = stored->key(),
                               .fields = kept,
                               .url = stored->url(),
                               .sequence = sequence,
                               .tags = tags.value_or(tags_before)});
    if (verdict.store() && tags && !q.renewed.empty()) {
        q.stored_ttl = time_to_live(verdict.lifetime, ngx_time());
        // How far purges were known when its body was asked for, the answer to a HEAD does not say.
        if (q.zone->replace_meta(q.object, q.renewed) && not_modified)
            static_cast<void>(store_in_redis(q, q.renewed));
    } else {
        forget(q);
    }
    if (q.renewed.empty()) q.renewed.assign(q.object.meta().begin(), q.object.meta().end());
    return true;
}

void forget(Request& q)
{
    q.zone->remove(q.object);
    forget_in_redis(q);
}

void invalidate_written(Request& q)
{
    if (q.written || q.zone == nullptr || q.key.data == nullptr || q.r.upstream == nullptr) return;
    const auto status = static_cast<std::uint16_t>(q.r.upstream->headers_in.status_n);
    if (q.facts.method != Method::unsafe || status == 0) return;
    q.written = true;
    purge_groups(q);
    if (!invalidates(q.facts.method, status)) return;
    std::uint64_t removed = purge_written(q, ngx::view(q.key));
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
                removed += purge_written(q, prefix + key_target(*q.conf, *target));
            }
        });
    }
    if (removed != 0) observer.counted(Count::invalidated, removed);
}

}
