#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "websocket/bytes.hpp"
#include "websocket/frame.hpp"

/// Which messages to the client may not wait for a batch.
namespace edge::websocket {

/// How many bytes of a message are looked at.
inline constexpr std::size_t kPeek = 256;

/// What engine.io (protocol 3 and 4) and socket.io (protocol 3 to 5) say with a text message.
struct Packet {
    enum class Kind : std::uint8_t {
        none,       ///< neither, or cut off before it could be told
        transport,  ///< engine.io: open, close, ping, pong, upgrade, noop, each in its exact form
        event,      ///< socket.io event, with or without binary attachments
        other,      ///< any other engine.io message
    };
    Kind kind = Kind::none;
    std::string_view space = "/";   ///< namespace of an event
    std::string_view event{};       ///< its name as written in the JSON, escapes and all; a view of the text
    std::uint32_t attachments = 0;  ///< binary messages that follow and belong to it
};

/// Of a text message; `text` is all of it, or its first kPeek bytes.
Packet parse_packet(std::string_view text, bool whole) noexcept;

/// The rules of one location, from the arguments of edge_websocket_priority:
///   event=NAME         socket.io event in any namespace; event=/NAMESPACE,NAME only in that one
///   prefix=TEXT        message begins with these bytes
///   binary             any binary message
///   smaller=SIZE larger=SIZE     of the message as the server sent it, bytes, or k, m
///   engineio=off       engine.io's own packets are nothing special (they are urgent without any rule)
/// One rule that matches is enough. Immutable after parse; shared by all connections.
class PriorityRules {
public:
    /// An error text says which argument is wrong and what would be right.
    static std::variant<PriorityRules, std::string> parse(std::span<const std::string_view> arguments);

    /// `first`: the message's beginning, at least min(size, kPeek) bytes. `packet`: of a text message.
    bool match(Opcode opcode, Bytes first, std::uint64_t size, const Packet& packet) const noexcept;

private:
    struct Event {
        std::string space;  // empty: any
        std::string name;
    };
    std::string add(std::string_view argument);

    std::vector<Event> events_;
    std::vector<std::string> prefixes_;
    std::uint64_t smaller_ = 0;
    std::uint64_t larger_ = UINT64_MAX;
    bool binary_ = false;
    bool engineio_ = true;
};

/// One connection's messages, in order: adds to the rules that the attachments of an urgent event are urgent.
class Classifier {
public:
    /// Null: no rules but that engine.io's own packets are urgent.
    explicit Classifier(const PriorityRules* rules) noexcept : rules_{rules} {}
    /// Whether the message is urgent. `first` as in PriorityRules::match.
    bool urgent(Opcode opcode, Bytes first, std::uint64_t size) noexcept;

private:
    const PriorityRules* rules_;
    std::uint32_t attachments_ = 0;
};

}
