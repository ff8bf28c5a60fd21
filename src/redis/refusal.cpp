#include "redis/refusal.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "redis/slot.hpp"

namespace edge::redis {

namespace {

using Kind = Refusal::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 8> kWords{{
    {"MOVED", Kind::moved},
    {"ASK", Kind::ask},
    {"TRYAGAIN", Kind::try_again},
    {"CLUSTERDOWN", Kind::cluster_down},
    {"LOADING", Kind::loading},
    {"BUSY", Kind::loading},
    {"READONLY", Kind::read_only},
    {"MASTERDOWN", Kind::master_down},
}};

std::string_view next_word(std::string_view& text) noexcept
{
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

std::optional<std::uint16_t> number(std::string_view text) noexcept
{
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}

std::string to_string(const HostPort& address)
{
    const bool v6 = address.host.find(':') != std::string::npos;
    return (v6 ? '[' + address.host + ']' : address.host) + ':' + std::to_string(address.port);
}

bool parse_host_port(std::string_view text, HostPort& address)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    const auto port = number(text.substr(colon + 1));
    if (!port || *port == 0) return false;
    std::string_view host = text.substr(0, colon);
    if (host == "?") host = {};
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.find_first_of(" \r\n[]/@") != std::string_view::npos || host.size() > 255) return false;
    address.host = host;
    address.port = *port;
    return true;
}

Refusal parse_refusal(std::string_view line)
{
    std::string_view rest = line;
    const std::string_view word = next_word(rest);
    Refusal refusal;
    for (const auto& [name, kind] : kWords) {
        if (word == name) refusal.kind = kind;
    }
    if (refusal.kind == Kind::moved || refusal.kind == Kind::ask) {
        const auto slot = number(next_word(rest));
        // Redis 7 may add the host's name after the address; the address is what connects.
        if (!slot || *slot >= kSlots || !parse_host_port(next_word(rest), refusal.address)) return {};
        refusal.slot = *slot;
    }
    return refusal;
}

}
