#include "cache/policy_control.hpp"

#include <algorithm>
#include <array>

#include "http/cache_control.hpp"
#include "http/list.hpp"
#include "http/structured_fields.hpp"
#include "http/token.hpp"

namespace edge::cache {

using http::equal_fold;

void Delta::add(std::optional<std::uint32_t> seconds) noexcept
{
    doubtful = doubtful || !seconds || (present && *seconds != first);
    if (!present && seconds) first = *seconds;
    present = true;
}

namespace {

// Without these the rest of a response can't be read, or can't be judged: naming one withholds everything.
constexpr std::array<std::string_view, 8> kEssential = {"cache-control",     "content-encoding",
                                                        "content-length",    "content-range",
                                                        "content-type",      "date",
                                                        "transfer-encoding", "vary"};

bool is_essential(std::string_view name)
{
    return std::any_of(kEssential.begin(), kEssential.end(),
                       [name](std::string_view essential) { return equal_fold(essential, name); });
}

// The argument of a qualified no-cache or private. false: it is to be taken as unqualified.
bool add_names(std::string_view argument, std::vector<std::string>& names)
{
    const std::size_t before = names.size();
    http::ListCursor members{argument};
    while (const auto member = members.next()) {
        if (!http::is_token(*member) || is_essential(*member)) {
            names.resize(before);
            return false;
        }
        std::string& name = names.emplace_back(*member);
        std::transform(name.begin(), name.end(), name.begin(), http::to_lower);
    }
    return names.size() != before;
}

// One directive in the form common to both syntaxes. A directive that forbids counts even when malformed, one
// that allows does not.
class ControlReader {
public:
    explicit ControlReader(ResponseControl& control) : control_{control} {}

    void flag(std::string_view name, bool well_formed)
    {
        if (equal_fold(name, "no-store")) {
            control_.no_store = true;
        } else if (equal_fold(name, "must-revalidate")) {
            control_.must_revalidate = true;
            control_.authorization = control_.authorization || well_formed;
        } else if (equal_fold(name, "proxy-revalidate")) {
            control_.proxy_revalidate = true;
        } else if (well_formed && equal_fold(name, "public")) {
            control_.is_public = control_.authorization = true;
        } else if (well_formed && equal_fold(name, "must-understand")) {
            control_.must_understand = true;
        }
    }

    void seconds(std::string_view name, std::optional<std::uint32_t> value)
    {
        if (Delta* delta = delta_of(name)) delta->add(value);
    }

    void qualified(std::string_view name, std::string_view names)
    {
        bool* whole = whole_of(name);
        if (whole != nullptr && !add_names(names, control_.withheld)) *whole = true;
    }

    void unqualified(std::string_view name)
    {
        if (bool* whole = whole_of(name)) *whole = true;
    }

    Delta* delta_of(std::string_view name)
    {
        if (equal_fold(name, "max-age")) return &control_.max_age;
        if (equal_fold(name, "s-maxage")) return &control_.s_maxage;
        if (equal_fold(name, "stale-while-revalidate")) return &control_.stale_while_revalidate;
        if (equal_fold(name, "stale-if-error")) return &control_.stale_if_error;
        return nullptr;
    }

    bool* whole_of(std::string_view name)
    {
        if (equal_fold(name, "no-cache")) return &control_.no_cache;
        if (equal_fold(name, "private")) return &control_.for_one;
        return nullptr;
    }

private:
    ResponseControl& control_;
};

void read_line(std::string_view line, ResponseControl& control)
{
    ControlReader reader{control};
    http::DirectiveCursor cursor{line};
    while (const auto directive = cursor.next()) {
        if (directive->has_argument && !directive->malformed)
            reader.qualified(directive->name, directive->argument);
        else
            reader.unqualified(directive->name);
        reader.seconds(directive->name,
                       directive->malformed ? std::nullopt : http::parse_delta_seconds(directive->argument));
        reader.flag(directive->name, !directive->malformed && !directive->has_argument);
    }
    control.unreadable = control.unreadable || cursor.unterminated();
}

bool is_flag(std::string_view name)
{
    return name == "no-store" || name == "must-revalidate" || name == "proxy-revalidate" ||
           name == "public" || name == "must-understand";
}

// RFC 9213 section 2.1: the directives' values have fixed types, and a value of another type must not be
// consumed. false: the field is to be ignored as a whole.
bool read_member(const http::sf::DictionaryMember& member, ResponseControl& control)
{
    ControlReader reader{control};
    const bool known = is_flag(member.key) || reader.delta_of(member.key) != nullptr ||
                       reader.whole_of(member.key) != nullptr;
    if (!known) return true;
    const auto* item = std::get_if<http::sf::Item>(&member.value);
    if (item == nullptr) return false;
    const auto* yes = std::get_if<bool>(&item->value);
    if (yes != nullptr && !*yes) return false;

    if (reader.delta_of(member.key) != nullptr) {
        const auto* integer = std::get_if<std::int64_t>(&item->value);
        if (integer == nullptr) return false;
        if (*integer < 0)
            reader.seconds(member.key, std::nullopt);
        else
            reader.seconds(member.key, static_cast<std::uint32_t>(
                                           std::min<std::int64_t>(*integer, http::kMaxDeltaSeconds)));
        return true;
    }
    if (is_flag(member.key)) {
        if (yes == nullptr) return false;
        reader.flag(member.key, true);
        return true;
    }
    if (yes != nullptr) {
        reader.unqualified(member.key);
        return true;
    }
    if (const auto* text = std::get_if<http::sf::String>(&item->value)) {
        reader.qualified(member.key, text->text);
        return true;
    }
    if (const auto* token = std::get_if<http::sf::Token>(&item->value)) {
        reader.qualified(member.key, token->text);
        return true;
    }
    return false;
}

std::optional<ResponseControl> read_target(http::Fields response, std::string_view target)
{
    std::string joined;
    bool given = false;
    for (const http::Field& field : response) {
        if (!equal_fold(field.name, target)) continue;
        given = true;
        if (!joined.empty()) joined += ", ";
        joined += field.value;
    }
    if (!given) return std::nullopt;
    const auto dictionary = http::sf::parse_dictionary(joined);
    if (!dictionary || dictionary->empty()) return std::nullopt;
    ResponseControl control;
    control.targeted = true;
    for (const auto& member : *dictionary)
        if (!read_member(member, control)) return std::nullopt;
    return control;
}

// Pragma says nothing defined in a response (5.4), but an origin that sends it alone is asking not to be
// cached.
bool asks_by_pragma(http::Fields response)
{
    for (const http::Field& field : response) {
        if (!equal_fold(field.name, "pragma")) continue;
        http::DirectiveCursor cursor{field.value};
        while (const auto directive = cursor.next())
            if (equal_fold(directive->name, "no-cache")) return true;
    }
    return false;
}

}

ResponseControl read_control(http::Fields response, const PolicyConfig& config)
{
    ResponseControl control;
    bool found = false;
    if (!config.ignore.targeted) {
        for (const std::string& target : config.targets) {
            auto targeted = read_target(response, target);
            if (!targeted) continue;
            control = std::move(*targeted);
            found = true;
            break;
        }
    }
    if (!found && !config.ignore.cache_control) {
        for (const http::Field& field : response) {
            if (!equal_fold(field.name, "cache-control")) continue;
            found = true;
            read_line(field.value, control);
        }
        if (!found && asks_by_pragma(response)) control.no_cache = true;
    }
    control.authorization = control.authorization || control.s_maxage.valid();
    return control;
}

}
