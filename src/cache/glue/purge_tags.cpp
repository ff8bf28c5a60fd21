#include <algorithm>
#include <array>
#include <new>
#include <string>

#include "cache/glue/held_answer.hpp"
#include "cache/glue/purge.hpp"
#include "cache/tag_list.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

constexpr std::string_view kGroups = "Cache-Groups";
constexpr std::string_view kGroupInvalidation = "Cache-Group-Invalidation";

std::string_view after_scheme(std::string_view uri) noexcept
{
    const std::size_t at = uri.find("://");
    return at == uri.npos ? uri : uri.substr(at + 3);
}

/// scheme "://" host[:port].
std::string origin_of(ngx_http_request_t& r)
{
    std::string uri = effective_uri(r);
    uri.resize(std::min(uri.find('/', uri.find("://") + 3), uri.size()));
    return uri;
}

bool is_tag_field(const LocConf& conf, std::string_view name) noexcept
{
    if (conf.tag_headers == nullptr) return false;
    const auto* names = static_cast<const ngx_str_t*>(conf.tag_headers->elts);
    for (ngx_uint_t i = 0; i < conf.tag_headers->nelts; ++i) {
        if (ngx::equals_ignoring_case(ngx::view(names[i]), name)) return true;
    }
    return false;
}

/// All lines of a field joined; std::nullopt: it has none.
std::optional<std::string> joined(http::Fields fields, std::string_view name)
{
    std::optional<std::string> value;
    for (const http::Field& field : fields) {
        if (!ngx::equals_ignoring_case(field.name, name)) continue;
        if (value)
            value->append(", ").append(field.value);
        else
            value = std::string{field.value};
    }
    return value;
}

std::uint64_t hash_group(const std::string& origin, const std::string& group)
{
    return PurgeTable::hash(TagKind::group, origin + "\n" + group);
}

class Collector {
public:
    Collector(Request& q, StoredTags& tags) noexcept : q_{q}, tags_{tags} {}

    /// edge_cache_tag: each value is one tag.
    bool configured()
    {
        const ngx_array_t* list = q_.conf->tags;
        if (list == nullptr) return true;
        auto* values = static_cast<ngx_http_complex_value_t*>(list->elts);
        for (ngx_uint_t i = 0; i < list->nelts; ++i) {
            ngx_str_t value{};
            if (ngx_http_complex_value(&q_.r, &values[i], &value) != NGX_OK) throw std::bad_alloc{};
            if (value.len == 0) continue;
            if (!count_.add(tags_.own, PurgeTable::hash(TagKind::name, ngx::view(value)))) return false;
        }
        return true;
    }
    bool user()
    {
        if (q_.identity.claim.empty()) return true;
        return count_.add(tags_.own, PurgeTable::hash(TagKind::name, "user:" + q_.identity.claim));
    }
    bool field(std::string_view value)
    {
        bool fits = true;
        for_each_tag(value, [&](std::string_view tag) {
            fits = count_.add(tags_.fields, PurgeTable::hash(TagKind::name, tag));
            return fits;
        });
        return fits;
    }
    bool groups(std::string_view value)
    {
        const std::string origin = origin_of(q_.r);
        for (const std::string& group : parse_groups(value)) {
            if (!count_.add(tags_.groups, hash_group(origin, group))) return false;
        }
        return true;
    }
    bool keep(std::vector<std::uint64_t>& list, const std::vector<std::uint64_t>& before)
    {
        for (const std::uint64_t hash : before) {
            if (!count_.add(list, hash)) return false;
        }
        return true;
    }

private:
    Request& q_;
    StoredTags& tags_;
    TagCount count_;
};

}

std::string purge_url(ngx_http_request_t& r, const LocConf& conf, std::string_view key)
{
    // The default key: the server's name, a space, the URI as far as it counts.
    if (conf.key == nullptr && !key.empty()) return std::string{after_scheme(key.substr(key.find(' ') + 1))};
    return std::string{after_scheme(effective_uri(r))};
}

std::optional<StoredTags> collect_tags(Request& q, http::Fields origin, const StoredTags* before)
{
    StoredTags tags;
    tags.own = {PurgeTable::hash(TagKind::url, purge_url(q.r, *q.conf, ngx::view(q.public_key))),
                PurgeTable::hash(TagKind::key, ngx::view(q.public_key))};
    Collector collector{q, tags};
    if (!collector.configured() || !collector.user()) return std::nullopt;
    bool named = false;
    for (const http::Field& field : origin) {
        if (!is_tag_field(*q.conf, field.name)) continue;
        named = true;
        if (!collector.field(field.value)) return std::nullopt;
    }
    if (!named && before != nullptr && !collector.keep(tags.fields, before->fields)) return std::nullopt;
    const auto groups = joined(origin, kGroups);
    if (groups && !collector.groups(*groups)) return std::nullopt;
    if (!groups && before != nullptr && !collector.keep(tags.groups, before->groups)) return std::nullopt;
    return tags;
}

void hide_tag_fields(Request& q)
{
    if (q.conf == nullptr || q.conf->tag_headers == nullptr) return;
    ngx::for_each_header(q.r.headers_out.headers, [&](ngx_table_elt_t& line) {
        if (line.hash != 0 && is_tag_field(*q.conf, ngx::view(line.key))) line.hash = 0;
    });
}

std::uint64_t purge_written(Request& q, std::string_view key)
{
    ZoneBinding& zone = *q.conf->zone;
    const std::array<std::uint64_t, 1> url{PurgeTable::hash(TagKind::url, purge_url(q.r, *q.conf, key))};
    // First the note, then the removal: what is being stored is seen by one or the other.
    const Purged noted = note_write(zone, PurgeTable::hash(TagKind::key, key), url[0], wants_sync(q));
    q.purge_ticket = std::max(q.purge_ticket, noted.ticket);
    const bool removed = q.zone->remove(q.zone->hash(key));
    // Something was there, perhaps also under other keys of the same URL; or what users have of it, what was
    // made of it, or Redis, which only the purge of its URL finds.
    if (!removed && !zone.has_others && !zone.log) return 0;
    zone.purges.purge({.tags = url, .prefixes = {}, .all = false, .soft = false, .now = ngx_time()});
    return removed ? 1 : 0;
}

void purge_groups(Request& q)
{
    const auto origin_lines = origin_fields(q.r);
    const auto value = joined(origin_lines, kGroupInvalidation);
    if (!value) return;
    const std::string origin = origin_of(q.r);
    std::vector<std::uint64_t> tags;
    for (const std::string& group : parse_groups(*value)) tags.push_back(hash_group(origin, group));
    if (tags.empty()) return;
    const Purged done = purge_zone(
        *q.conf->zone, {.tags = tags, .prefixes = {}, .all = false, .soft = false, .now = ngx_time()},
        wants_sync(q));
    q.purge_ticket = std::max(q.purge_ticket, done.ticket);
    observer.counted(Count::purged_groups, tags.size());
}

}
