#include "cache/policy.hpp"
#include "http/etag.hpp"
#include "http/http_date.hpp"
#include "http/token.hpp"

namespace edge::cache {
namespace {

using OptionalText = std::optional<std::string_view>;

bool none_match_found(std::string_view if_none_match, OptionalText etag)
{
    if (http::trim(if_none_match) == "*") return true;
    const auto own = etag ? http::parse_entity_tag(*etag) : std::nullopt;
    if (!own) return false;
    http::EntityTagCursor tags{if_none_match};
    while (const auto tag = tags.next())
        if (http::weak_match(*tag, *own)) return true;
    return false;
}

// A response's own two-digit year is read as seen from the year 2000 when nobody says what time it is.
constexpr Seconds kAssumedNow = 946684800;

bool unmodified_since(std::string_view if_modified_since, OptionalText last_modified, OptionalText date,
                      Seconds now)
{
    const OptionalText& own = last_modified ? last_modified : date;
    if (!own) return false;
    const auto modified = http::parse_http_date(*own, now != 0 ? now : kAssumedNow);
    if (!modified) return false;
    const auto since = http::parse_http_date(if_modified_since, now != 0 ? now : *modified);
    return since && *modified <= *since;
}

}

Precondition evaluate_precondition(OptionalText if_none_match, OptionalText if_modified_since,
                                   OptionalText etag, OptionalText last_modified, OptionalText date,
                                   Seconds now) noexcept
{
    if (if_none_match)
        return none_match_found(*if_none_match, etag) ? Precondition::not_modified : Precondition::send;
    if (if_modified_since && unmodified_since(*if_modified_since, last_modified, date, now))
        return Precondition::not_modified;
    return Precondition::send;
}

bool range_applies(OptionalText if_range, OptionalText etag, OptionalText last_modified,
                   OptionalText date) noexcept
{
    if (!if_range) return true;
    if (const auto wanted = http::parse_entity_tag(*if_range)) {
        const auto own = etag ? http::parse_entity_tag(*etag) : std::nullopt;
        return own && http::strong_match(*wanted, *own);
    }
    // RFC 9110 section 8.8.2.2: a date is a strong validator only if the response was made a second or more
    // later.
    if (!last_modified || !date || *if_range != *last_modified) return false;
    const auto modified = http::parse_http_date(*last_modified, kAssumedNow);
    const auto made = http::parse_http_date(*date, modified.value_or(kAssumedNow));
    return modified && made && *made - *modified >= 1;
}

}
