#include <algorithm>
#include <array>
#include <charconv>

#include "cache/policy.hpp"
#include "cache/policy_control.hpp"
#include "http/etag.hpp"
#include "http/http_date.hpp"
#include "http/list.hpp"
#include "http/token.hpp"

namespace edge::cache {
namespace {

using http::equal_fold;

// RFC 9111 section 3.1 and RFC 9110 section 7.6.1; Trailer, as trailers are not kept; Set-Cookie (I4); Age,
// which the cache makes itself.
constexpr std::array<std::string_view, 12> kUnstored = {"age",
                                                        "connection",
                                                        "keep-alive",
                                                        "proxy-authenticate",
                                                        "proxy-authentication-info",
                                                        "proxy-authorization",
                                                        "proxy-connection",
                                                        "set-cookie",
                                                        "te",
                                                        "trailer",
                                                        "transfer-encoding",
                                                        "upgrade"};

// What describes the stored body and not the resource (RFC 9111 section 3.2).
constexpr std::array<std::string_view, 3> kOfTheBody = {"content-encoding", "content-length",
                                                        "content-range"};

template <class Names>
bool lists(const Names& names, std::string_view name)
{
    return std::any_of(names.begin(), names.end(),
                       [name](const auto& known) { return equal_fold(known, name); });
}

std::optional<std::string_view> find(http::Fields fields, std::string_view name)
{
    for (const http::Field& field : fields)
        if (equal_fold(field.name, name)) return field.value;
    return std::nullopt;
}

bool contains(http::Fields fields, std::string_view name)
{
    return find(fields, name).has_value();
}

// What a conversion on the way may add or take, the weakness, is no other representation.
bool same_tag(std::string_view a, std::string_view b)
{
    const auto x = http::parse_entity_tag(a);
    const auto y = http::parse_entity_tag(b);
    return x && y ? http::weak_match(*x, *y) : a == b;
}

// The same text, or the same second written in two ways.
bool same_time(std::string_view a, std::string_view b)
{
    if (a == b) return true;
    const auto x = http::parse_http_date(a, 0);
    const auto y = http::parse_http_date(b, 0);
    return x && y && *x == *y;
}

}

UnstoredFields::UnstoredFields(http::Fields response, const PolicyConfig& config)
{
    for (const http::Field& field : response) {
        if (!equal_fold(field.name, "connection")) continue;
        http::ListCursor members{field.value};
        while (const auto member = members.next()) {
            std::string& name = named_.emplace_back(*member);
            std::transform(name.begin(), name.end(), name.begin(), http::to_lower);
        }
    }
    ResponseControl control = read_control(response, config);
    std::move(control.withheld.begin(), control.withheld.end(), std::back_inserter(named_));
}

bool UnstoredFields::contains(std::string_view name) const noexcept
{
    return lists(kUnstored, name) || lists(named_, name);
}

std::vector<http::Field> merge_304(http::Fields stored, http::Fields received, const PolicyConfig& config)
{
    const UnstoredFields not_from_304{received, config};
    const auto replaces = [&](std::string_view name) {
        return !lists(kOfTheBody, name) && !not_from_304.contains(name);
    };
    std::vector<http::Field> merged;
    merged.reserve(stored.size() + received.size());
    for (const http::Field& field : stored)
        if (!replaces(field.name) || !contains(received, field.name)) merged.push_back(field);
    for (const http::Field& field : received)
        if (replaces(field.name)) merged.push_back(field);

    const UnstoredFields of_result{merged, config};
    std::erase_if(merged, [&](const http::Field& field) { return of_result.contains(field.name); });
    return merged;
}

bool selects_stored(http::Fields stored, http::Fields received_304)
{
    if (const auto text = find(received_304, "etag")) {
        const auto own = find(stored, "etag");
        if (!own) return false;
        const auto theirs = http::parse_entity_tag(*text);
        const auto ours = http::parse_entity_tag(*own);
        if (!theirs || !ours) return *text == *own;
        if (!theirs->weak) return http::strong_match(*theirs, *ours);
        if (!http::weak_match(*theirs, *ours)) return false;
    }
    if (const auto theirs = find(received_304, "last-modified")) {
        const auto ours = find(stored, "last-modified");
        if (ours) return same_time(*theirs, *ours);
        return contains(received_304, "etag");
    }
    return true;
}

bool head_contradicts(http::Fields stored, std::uint64_t stored_length, http::Fields head)
{
    if (const auto text = find(head, "content-length")) {
        std::uint64_t length = 0;
        const char* end = text->data() + text->size();
        const auto result = std::from_chars(text->data(), end, length);
        if (result.ec != std::errc{} || result.ptr != end || length != stored_length) return true;
    }
    const auto their_etag = find(head, "etag");
    const auto our_etag = find(stored, "etag");
    if (their_etag && our_etag && !same_tag(*their_etag, *our_etag)) return true;
    const auto their_time = find(head, "last-modified");
    const auto our_time = find(stored, "last-modified");
    return their_time && our_time && !same_time(*their_time, *our_time);
}

}
