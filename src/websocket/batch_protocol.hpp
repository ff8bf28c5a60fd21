#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "websocket/bytes.hpp"

/// edge.batch.v1, a subprotocol (RFC 6455 section 1.9) for clients that know the edge: several messages to
/// the client come in one.
///
/// A text message is what the app sent. A binary one is a list of entries, each a head and a payload. The
/// head is an unsigned LEB128 number, its low bit 1 for a binary payload and 0 for text, the next bit 1 if
/// the payload reaches to the message's end, the others the payload's length otherwise.
namespace edge::websocket {

inline constexpr std::string_view kBatchProtocol = "edge.batch.v1";

/// The head of a binary payload that reaches to the message's end.
inline constexpr Byte kBatchRest = 3;

void append_batch_entry(Buffer& out, bool binary, Bytes payload);

/// What a client offers with Sec-WebSocket-Protocol, in the order of its preference. Beside the app's
/// subprotocols it can offer edge.batch.v1, for an app that chooses none, and edge.batch.v1+NAME, for one
/// that chooses NAME.
class ProtocolOffer {
public:
    /// All lines of the field joined with ", ". More than 64 members: nothing is offered to the edge.
    explicit ProtocolOffer(std::string_view value);

    /// Some of it is for the edge.
    bool for_edge() const noexcept { return bare_ || !packed_.empty(); }
    /// The app's subprotocols, each once; empty: none.
    const std::string& for_upstream() const noexcept { return for_upstream_; }
    /// What the client is told when the app has chosen this one (empty: none); nullopt: what the app has
    /// said, and its messages come as they are.
    std::optional<std::string> answer(std::string_view chosen) const;

private:
    bool bare_ = false;
    std::vector<std::string> packed_;  // names after edge.batch.v1+
    std::string for_upstream_;
};

}
