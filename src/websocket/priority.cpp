#include "websocket/priority.hpp"

#include <algorithm>
#include <optional>

#include "http/token.hpp"

namespace edge::websocket {

namespace {

std::optional<std::uint32_t> take_number(std::string_view& text) noexcept
{
    std::uint32_t number = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && digits < 9 && http::is_digit(text[digits]); ++digits)
        number = number * 10 + static_cast<std::uint32_t>(text[digits] - '0');
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    return number;
}

// The end of a JSON string whose opening quote was taken; npos: not in this text.
std::size_t string_end(std::string_view text) noexcept
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') return i;
        if (text[i] == '\\') ++i;
    }
    return std::string_view::npos;
}

// engine.io's packets but `message`, exact so that few other protocols' messages look like them.
bool is_transport(std::string_view text, bool whole) noexcept
{
    if (text.starts_with("0{")) return true;
    if (!whole) return false;
    for (const std::string_view packet : {"1", "2", "3", "5", "6", "2probe", "3probe"})
        if (text == packet) return true;
    return false;
}

// What follows the packet type: ["attachments-"]["/namespace,"][ack id]["event",...]
Packet parse_event(std::string_view text, bool with_attachments) noexcept
{
    const Packet other{.kind = Packet::Kind::other};
    Packet packet{.kind = Packet::Kind::event};
    if (with_attachments) {
        const auto attachments = take_number(text);
        if (!attachments || !text.starts_with('-')) return other;
        packet.attachments = *attachments;
        text.remove_prefix(1);
    }
    if (text.starts_with('/')) {
        const std::size_t comma = text.find(',');
        if (comma == text.npos) return other;
        packet.space = text.substr(0, std::min(comma, text.find('?')));
        text.remove_prefix(comma + 1);
    }
    while (take_number(text)) {
    }
    if (!text.starts_with('[')) return other;
    text.remove_prefix(1);
    text = http::trim(text);
    if (!text.starts_with('"')) return other;
    text.remove_prefix(1);
    const std::size_t end = string_end(text);
    if (end == text.npos) return other;
    packet.event = text.substr(0, end);
    return packet;
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept
{
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    if (text.empty()) return *number;
    if (text == "k" || text == "K") return std::uint64_t{*number} << 10;
    if (text == "m" || text == "M") return std::uint64_t{*number} << 20;
    return std::nullopt;
}

}

Packet parse_packet(std::string_view text, bool whole) noexcept
{
    text = text.substr(0, kPeek);
    if (is_transport(text, whole)) return {.kind = Packet::Kind::transport};
    if (text.size() < 2 || text[0] != '4' || text[1] < '0' || text[1] > '6') return {};
    if (text[1] == '2' || text[1] == '5') return parse_event(text.substr(2), text[1] == '5');
    return {.kind = Packet::Kind::other};
}

std::string PriorityRules::add(std::string_view argument)
{
    const std::size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const std::string_view value = equals == argument.npos ? "" : argument.substr(equals + 1);
    const auto wrong = [&](std::string_view right) {
        return std::string{"invalid \""}.append(argument).append("\", ").append(right);
    };
    if (argument == "binary") {
        binary_ = true;
    } else if (name == "event") {
        const std::size_t comma = value.starts_with('/') ? value.find(',') : value.npos;
        Event event{std::string{comma == value.npos ? "" : value.substr(0, comma)},
                    std::string{comma == value.npos ? value : value.substr(comma + 1)}};
        if (event.name.empty()) return wrong("it must be event=NAME or event=/NAMESPACE,NAME");
        events_.push_back(std::move(event));
    } else if (name == "prefix") {
        if (value.empty() || value.size() > kPeek) return wrong("a prefix has 1 to 256 bytes");
        prefixes_.emplace_back(value);
    } else if (name == "smaller" || name == "larger") {
        const auto size = parse_size(value);
        if (!size) return wrong("it must be a size as in smaller=200 or larger=16k");
        (name == "smaller" ? smaller_ : larger_) = *size;
    } else if (argument == "engineio=off" || argument == "engineio=on") {
        engineio_ = value == "on";
    } else {
        return wrong("it must be event=, prefix=, smaller=, larger=, binary or engineio=off");
    }
    return {};
}

std::variant<PriorityRules, std::string> PriorityRules::parse(std::span<const std::string_view> arguments)
{
    PriorityRules rules;
    for (const std::string_view argument : arguments)
        if (std::string error = rules.add(argument); !error.empty()) return error;
    return rules;
}

bool PriorityRules::match(Opcode opcode, Bytes first, std::uint64_t size, const Packet& packet) const noexcept
{
    if (opcode == Opcode::binary && binary_) return true;
    if (size < smaller_ || size > larger_) return true;
    if (packet.kind == Packet::Kind::transport && engineio_) return true;
    const std::string_view text = as_text(first);
    if (std::any_of(prefixes_.begin(), prefixes_.end(),
                    [&](const auto& prefix) { return text.starts_with(prefix); }))
        return true;
    return packet.kind == Packet::Kind::event &&
           std::any_of(events_.begin(), events_.end(), [&](const Event& event) {
               return event.name == packet.event && (event.space.empty() || event.space == packet.space);
           });
}

bool Classifier::urgent(Opcode opcode, Bytes first, std::uint64_t size) noexcept
{
    static const PriorityRules kNone;
    const PriorityRules& rules = rules_ != nullptr ? *rules_ : kNone;
    if (opcode == Opcode::binary && attachments_ > 0) {
        --attachments_;
        return true;
    }
    Packet packet;
    if (opcode == Opcode::text) {
        packet = parse_packet(as_text(first), first.size() == size);
        // A text message where attachments were due: they never came.
        attachments_ = 0;
    }
    const bool urgent = rules.match(opcode, first, size, packet);
    if (urgent) attachments_ = packet.attachments;
    return urgent;
}

}
