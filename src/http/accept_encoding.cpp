#include "http/accept_encoding.hpp"

#include <algorithm>
#include <optional>

#include "http/list.hpp"
#include "http/token.hpp"

namespace edge::http {

namespace {

/// qvalue (RFC 9110 section 12.4.2) in thousandths.
std::optional<std::uint16_t> parse_weight(std::string_view text) noexcept
{
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
    if (text.size() > 1 && text[1] != '.') return std::nullopt;
    std::uint16_t weight = text[0] == '1' ? 1000 : 0;
    std::uint16_t unit = 100;
    for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
        if (!is_digit(c)) return std::nullopt;
        weight = static_cast<std::uint16_t>(weight + (c - '0') * unit);
        unit = static_cast<std::uint16_t>(unit / 10);
    }
    return weight <= 1000 ? std::optional{weight} : std::nullopt;
}

/// What follows the coding's name: nothing, or `;q=…`.
std::uint16_t weight_of(std::string_view rest) noexcept
{
    if (rest.empty()) return 1000;
    rest = trim(rest.substr(1));
    if (rest.size() < 2 || to_lower(rest[0]) != 'q' || rest[1] != '=') return 0;
    return parse_weight(rest.substr(2)).value_or(0);
}

std::optional<Coding> known_coding(std::string_view name) noexcept
{
    for (std::size_t i = 0; i < kCodings; ++i) {
        if (equal_fold(name, coding_name(static_cast<Coding>(i)))) return static_cast<Coding>(i);
    }
    if (equal_fold(name, "x-gzip")) return Coding::gzip;  // section 8.4.1.3
    return std::nullopt;
}

}

void AcceptEncoding::add(std::string_view value) noexcept
{
    ListCursor members{value};
    while (const auto member = members.next()) {
        const std::size_t end = std::min(member->find(';'), member->size());
        const std::string_view name = trim(member->substr(0, end));
        const std::uint16_t weight = weight_of(member->substr(end));
        if (name == "*") {
            any_ = std::min(any_, weight);
        } else if (const auto coding = known_coding(name)) {
            std::uint16_t& slot = weights_[static_cast<std::size_t>(*coding)];
            slot = std::min(slot, weight);
        }
    }
}

std::uint16_t AcceptEncoding::weight(Coding coding) const noexcept
{
    const std::uint16_t own = weights_[static_cast<std::size_t>(coding)];
    if (own != kUnsaid) return own;
    if (any_ != kUnsaid) return any_;
    return coding == Coding::identity ? kLeast : 0;
}

Choice AcceptEncoding::choose(std::span<const Coding> offered) const noexcept
{
    const std::uint16_t least = std::max(weight(Coding::identity), kLeast);
    std::array<Coding, kCodings> taken{};
    std::size_t count = 0;
    for (const Coding coding : offered) {
        if (coding == Coding::identity || count == taken.size() || weight(coding) < least) continue;
        // Insertion keeps the order of equals.
        std::size_t at = count++;
        for (; at > 0 && weight(taken[at - 1]) < weight(coding); --at) taken[at] = taken[at - 1];
        taken[at] = coding;
    }
    Choice choice;
    for (std::size_t i = 0; i < count; ++i) choice.add(taken[i]);
    return choice;
}

}
