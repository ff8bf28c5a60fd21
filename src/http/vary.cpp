#include "http/vary.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "http/list.hpp"
#include "http/token.hpp"

namespace edge::http {
namespace {

// How far the value of a selecting field may be rewritten without changing what it asks for.
enum class Shape {
    opaque,             // taken as it is
    list,               // white space around members says nothing
    weighted,           // members carry q=, by which they can be sorted; letter case says nothing
    weighted_unordered  // and members of equal weight have no order
};

struct Known {
    std::string_view name;
    Shape shape;
};

// Accept keeps its order: RFC 9110 gives it no meaning, but common server frameworks break ties by it and
// clients often list types without weights. For languages 12.5.4 says that order can't be relied upon.
constexpr std::array kKnown = {
    Known{"accept", Shape::weighted},
    Known{"accept-charset", Shape::weighted_unordered},
    Known{"accept-encoding", Shape::weighted_unordered},
    Known{"accept-language", Shape::weighted_unordered},
    Known{"authorization", Shape::opaque},
    Known{"cookie", Shape::opaque},
    Known{"proxy-authorization", Shape::opaque},
};

Shape shape_of(std::string_view name)
{
    for (const Known& known : kKnown)
        if (equal_fold(known.name, name)) return known.shape;
    return Shape::list;
}

struct Member {
    std::string text;  // lower case, without its weight
    std::uint32_t weight = 1000;
};

// qvalue of RFC 9110 section 12.4.2, in thousandths.
std::optional<std::uint32_t> parse_weight(std::string_view text)
{
    if (text.empty() || text.size() > 5 || (text.front() != '0' && text.front() != '1')) return std::nullopt;
    if (text.size() > 1 && text[1] != '.') return std::nullopt;
    std::uint32_t value = text.front() == '1' ? 1000 : 0;
    std::uint32_t place = 100;
    for (char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
        if (!is_digit(c)) return std::nullopt;
        value += static_cast<std::uint32_t>(c - '0') * place;
        place /= 10;
    }
    return value <= 1000 ? std::optional{value} : std::nullopt;
}

std::string lower(std::string_view text)
{
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), to_lower);
    return result;
}

// A member of an Accept field. Only plain tokens and q= are understood: anything richer is kept out of the
// sorting.
std::optional<Member> parse_member(std::string_view text)
{
    Member member;
    bool weighted = false;
    for (bool first = true; !text.empty() || first; first = false) {
        const std::size_t end = std::min(text.find(';'), text.size());
        const std::string_view part = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        // What follows a weight is an extension of older syntax.
        if (weighted || part.empty()) return std::nullopt;
        for (char c : part)
            if (!is_tchar(c) && c != '/' && c != '=') return std::nullopt;
        if (!first && part.size() > 2 && to_lower(part[0]) == 'q' && part[1] == '=') {
            const auto weight = parse_weight(part.substr(2));
            if (!weight) return std::nullopt;
            member.weight = *weight;
            weighted = true;
        } else if (first) {
            if (part.front() == '=') return std::nullopt;  // what sorted_list() marks other text with
            member.text = lower(part);
        } else {
            // A parameter's value may be case-sensitive, its name is not.
            const std::size_t name_end = std::min(part.find('='), part.size());
            member.text += ';';
            member.text += lower(part.substr(0, name_end));
            member.text += part.substr(name_end);
        }
    }
    return member;
}

using Lines = std::span<const std::string_view>;

std::string folded_list(Lines lines)
{
    std::string result;
    for (std::string_view line : lines) {
        ListCursor members{line};
        while (const auto member = members.next()) {
            if (!result.empty()) result += ',';
            result += *member;
        }
    }
    return result;
}

std::string sorted_list(Lines lines, bool ordered)
{
    std::vector<Member> members;
    for (std::string_view line : lines) {
        ListCursor cursor{line};
        while (const auto text = cursor.next()) {
            auto member = parse_member(*text);
            if (!member) return '=' + folded_list(lines);  // no sorted text begins like this
            members.push_back(std::move(*member));
        }
    }
    std::stable_sort(members.begin(), members.end(), [ordered](const Member& a, const Member& b) {
        if (a.weight != b.weight) return a.weight > b.weight;
        return !ordered && a.text < b.text;
    });
    std::string result;
    for (const Member& member : members) {
        if (!result.empty()) result += ',';
        result += member.text;
        if (member.weight != 1000) result += ";q=" + std::to_string(member.weight);
    }
    return result;
}

void append_prefixed(std::string& to, std::string_view text)
{
    to += std::to_string(text.size());
    to += ':';
    to += text;
}

/// The value of a field that the request has, as the key holds it.
void append_normalised(std::string& key, Shape shape, Lines lines)
{
    switch (shape) {
        case Shape::opaque:
            key += std::to_string(lines.size());
            key += '/';
            for (std::string_view line : lines) append_prefixed(key, trim(line));
            break;
        case Shape::list:
            append_prefixed(key, folded_list(lines));
            break;
        case Shape::weighted:
            append_prefixed(key, sorted_list(lines, true));
            break;
        case Shape::weighted_unordered:
            append_prefixed(key, sorted_list(lines, false));
            break;
    }
}

}

Vary parse_vary(Fields response)
{
    Vary vary;
    for (const Field& field : response) {
        if (!equal_fold(field.name, "vary")) continue;
        ListCursor members{field.value};
        while (const auto member = members.next()) {
            if (*member == "*" || !is_token(*member))
                vary.star = true;
            else
                vary.names.push_back(lower(*member));
        }
    }
    std::sort(vary.names.begin(), vary.names.end());
    vary.names.erase(std::unique(vary.names.begin(), vary.names.end()), vary.names.end());
    return vary;
}

std::size_t NormalisedValues::place(std::string_view name, std::string_view value) noexcept
{
    return (std::hash<std::string_view>{}(value) + name.size()) % kPlaces;
}

const std::string* NormalisedValues::find(std::string_view name, std::string_view value) const noexcept
{
    if (value.size() > kLongest) return nullptr;
    const Kept& kept = kept_[place(name, value)];
    return kept.value == value && kept.name == name ? &kept.text : nullptr;
}

void NormalisedValues::keep(std::string_view name, std::string_view value, std::string_view text)
{
    if (name.size() + value.size() + text.size() > 2 * kLongest || value.size() > kLongest) return;
    Kept& kept = kept_[place(name, value)];
    kept.name.clear();  // none is whole while the copies are made: they may throw
    kept.value = value;
    kept.text = text;
    kept.name = name;
}

void append_secondary_key(std::string& key, const std::vector<std::string>& names, Fields request,
                          NormalisedValues* known)
{
    std::vector<std::string_view> more;
    for (const std::string& name : names) {
        std::string_view only;
        std::size_t count = 0;
        for (const Field& field : request) {
            if (!equal_fold(field.name, name)) continue;
            if (count++ == 0) only = field.value;
        }
        append_prefixed(key, name);
        if (count == 0) {
            key += '-';
            continue;
        }
        const Shape shape = shape_of(name);
        if (count > 1) {
            more.clear();
            for (const Field& field : request)
                if (equal_fold(field.name, name)) more.push_back(field.value);
            append_normalised(key, shape, more);
            continue;
        }
        // Secrets are not kept, and there is nothing to save.
        NormalisedValues* values = shape == Shape::opaque ? nullptr : known;
        if (const std::string* text = values != nullptr ? values->find(name, only) : nullptr) {
            key += *text;
            continue;
        }
        const std::size_t before = key.size();
        append_normalised(key, shape, {&only, 1});
        if (values != nullptr) values->keep(name, only, std::string_view{key}.substr(before));
    }
}

std::string secondary_key(const std::vector<std::string>& names, Fields request)
{
    std::string key;
    append_secondary_key(key, names, request, nullptr);
    return key;
}

}
