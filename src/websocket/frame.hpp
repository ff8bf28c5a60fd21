#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "websocket/bytes.hpp"
#include "websocket/close.hpp"

/// Frames on the wire: RFC 6455 section 5.
namespace edge::websocket {

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

constexpr bool is_control(Opcode opcode) noexcept
{
    return static_cast<std::uint8_t>(opcode) >= 8;
}

using Mask = std::array<Byte, 4>;

struct FrameHeader {
    bool fin = true;
    bool rsv1 = false;
    bool masked = false;
    Opcode opcode = Opcode::text;
    std::uint64_t length = 0;  ///< of the payload; below 2^63
    Mask mask{};               ///< meaningless unless masked
};

/// The longest header: 2 bytes, 8 of length, 4 of mask.
inline constexpr std::size_t kMaxHeader = 14;
inline constexpr std::size_t kMaxControlPayload = 125;

/// A header as bytes, with the shortest length encoding.
class HeaderBytes {
public:
    explicit HeaderBytes(const FrameHeader& header) noexcept;
    Bytes bytes() const noexcept { return {bytes_.data(), size_}; }

private:
    std::array<Byte, kMaxHeader> bytes_{};
    std::size_t size_ = 0;
};

/// XORs with the mask; `offset` is the place of the first byte in the frame's payload (RFC 6455 section 5.3).
/// Masking and unmasking are the same.
void apply_mask(MutableBytes payload, const Mask& mask, std::uint64_t offset) noexcept;

/// Who sends the frames. A client's must be masked, a server's must not (section 5.1).
enum class Sender : std::uint8_t { client, server };

/// Takes one direction of a connection apart, strictly and incrementally. Checks everything that a header
/// tells: reserved bits and opcodes, masking, shortest length encoding, the 64-bit length's highest bit, size
/// and fragmentation of control frames, the order of fragments. Leaves to its caller: UTF-8, Close payloads,
/// size limits.
///
/// Memory: this object; owns no payload.
class FrameParser {
public:
    enum class Kind : std::uint8_t {
        more,     ///< all bytes are consumed, the next event needs more of them
        header,   ///< header() is a new frame's
        payload,  ///< piece: the next bytes of its payload, unmasked in place; never empty
        end,      ///< the frame is complete (comes for an empty payload too)
        error,    ///< violation; nothing else comes from this parser any more
    };
    struct Event {
        Kind kind = Kind::more;
        MutableBytes piece{};
        Violation violation{};
    };

    /// `deflate`: permessage-deflate is agreed, so RSV1 is allowed on the first frame of a data message
    /// (RFC 7692 section 6).
    FrameParser(Sender sender, bool deflate) noexcept : sender_{sender}, deflate_{deflate} {}

    /// The next event. What belongs to it is removed from the front of `bytes`. A piece has `max_piece` bytes
    /// at most (> 0).
    Event next(MutableBytes& bytes, std::size_t max_piece = SIZE_MAX) noexcept;

    /// Of the current frame; valid from `header` to `end`.
    const FrameHeader& header() const noexcept { return header_; }
    /// How much of the frame's payload has been handed out.
    std::uint64_t received() const noexcept { return received_; }
    /// Between the first frame of a data message and the end of its last one.
    bool in_message() const noexcept { return in_message_; }
    /// Between the header of a data frame and its end.
    bool in_data_frame() const noexcept { return step_ == Step::payload && !is_control(header_.opcode); }
    /// Of the message begun last: text or binary, and whether it is compressed.
    Opcode message_opcode() const noexcept { return message_opcode_; }
    bool message_compressed() const noexcept { return message_compressed_; }
    /// All payload has been handed out, `end` comes next, without more bytes.
    bool frame_complete() const noexcept { return step_ == Step::payload && received_ == header_.length; }
    /// Between frames: no byte of the next one has been consumed.
    bool at_boundary() const noexcept { return step_ == Step::header && have_ == 0; }

private:
    enum class Step : std::uint8_t { header, payload, failed };
    const char* read_first(Byte byte) noexcept;
    const char* read_second(Byte byte) noexcept;
    const char* read_rest() noexcept;
    const char* read_header(MutableBytes& bytes) noexcept;
    Event fail(const char* reason) noexcept;

    FrameHeader header_;
    std::uint64_t received_ = 0;
    std::array<Byte, kMaxHeader> raw_{};
    std::uint8_t have_ = 0;
    std::uint8_t need_ = 2;
    Sender sender_;
    Step step_ = Step::header;
    Opcode message_opcode_ = Opcode::text;
    bool deflate_;
    bool in_message_ = false;
    bool message_compressed_ = false;
};

}
