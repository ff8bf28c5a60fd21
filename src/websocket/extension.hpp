#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Sec-WebSocket-Extensions (RFC 6455 section 9.1) and permessage-deflate's parameters (RFC 7692
/// section 7.1).
namespace edge::websocket {

struct ExtensionParameter {
    std::string name;
    std::optional<std::string> value;  ///< a token, or a quoted string whose content is a token, unquoted
};

struct Extension {
    std::string name;
    std::vector<ExtensionParameter> parameters;
};

/// All lines of the field joined with ", ". nullopt: not the grammar, or more than 64 extensions or
/// parameters: then nothing of it is to be used.
std::optional<std::vector<Extension>> parse_extensions(std::string_view value);

/// What client and server agreed on.
struct DeflateParameters {
    bool server_context_takeover = true;       ///< for what goes to the client
    bool client_context_takeover = true;       ///< for what comes from it
    std::uint8_t server_max_window_bits = 15;  ///< 8 to 15
    std::uint8_t client_max_window_bits = 15;  ///< 8 to 15
    friend bool operator==(const DeflateParameters&, const DeflateParameters&) = default;
};

/// What the edge would like.
struct DeflateWishes {
    bool server_context_takeover = true;
    /// false: the client is told to start afresh with each message, so that no inflate state has to be kept.
    bool client_context_takeover = true;
    std::uint8_t server_window_bits = 15;  ///< 9 to 15
    /// Asked of the client if it offers to be asked; 9 to 15.
    std::uint8_t client_window_bits = 15;
};

struct DeflateAgreement {
    DeflateParameters parameters;
    std::string response;  ///< the value for Sec-WebSocket-Extensions of the 101
};

/// Accepts the first of the client's permessage-deflate offers that is legal (7.1: no unknown, repeated or
/// ill-valued parameter); illegal offers and other extensions are declined. nullopt: none accepted, the 101
/// gets no field.
std::optional<DeflateAgreement> negotiate_deflate(std::string_view offers, const DeflateWishes& wishes);

/// A server's answer, for pass-through: what an upstream agreed on with the client itself.
struct UpstreamAnswer {
    enum class Kind : std::uint8_t {
        none,     ///< no extension
        deflate,  ///< permessage-deflate alone, and legal; `parameters` are its
        other,    ///< another extension, several, or nothing legal: only opaque bytes can be relayed
    };
    Kind kind = Kind::none;
    DeflateParameters parameters;
};
UpstreamAnswer parse_upstream_answer(std::string_view value);

}
