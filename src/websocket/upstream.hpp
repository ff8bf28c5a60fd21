#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "websocket/close.hpp"
#include "websocket/deflate.hpp"
#include "websocket/frame.hpp"
#include "websocket/frame_rate.hpp"
#include "websocket/output_queue.hpp"
#include "websocket/settings.hpp"
#include "websocket/utf8.hpp"

namespace edge::websocket {

struct UpstreamCounts {
    std::uint64_t messages = 0;        ///< whole ones from the client
    std::uint64_t payload_bytes = 0;   ///< as the upstream gets it
    std::uint64_t frame_bytes_in = 0;  ///< with headers, control frames included
    std::uint64_t frame_bytes_out = 0;
    std::uint64_t compressed = 0;  ///< messages that came compressed, their bytes before and after
    std::uint64_t compressed_in = 0;
    std::uint64_t compressed_out = 0;
};

/// Client to server: frames of the client become frames for the upstream, in the same order (I8). Nothing is
/// held back longer than until a frame, or a compressed message of up to `whole` bytes, is complete.
///
/// - Uncompressed frames pass with the client's own mask, fragment by fragment; those over `whole` bytes
/// stream.
/// - Compressed messages (edge_deflate) are decompressed and sent as one frame, masked with the mask of the
///   client's first frame of that message: as unpredictable for whoever wrote the payload as the client made
///   it. Larger ones are sent in fragments of `whole` bytes.
/// - Text is checked to be UTF-8 as it arrives, Close payloads to be valid, limits are kept.
///
/// Memory: the queue, at most `whole` bytes (and what one piece of 512 bytes decompresses to), the Inflater.
class Upstream {
public:
    /// `mask_seed`: random; for the masks of the edge's own frames.
    Upstream(const RelaySettings& settings, const Agreement& agreement, std::uint64_t mask_seed,
             MemoryCount& memory);

    struct Taken {
        std::size_t bytes = 0;               ///< of the input; less than all only if the queue is full
        std::optional<Violation> violation;  ///< the client's; nothing more is taken after it
    };
    /// Takes `bytes` (changed in place) until the queue is full.
    Taken feed(MutableBytes bytes, std::uint64_t now_ms);

    /// As Downstream's.
    bool send_close(CloseCode code, std::string_view reason);
    bool send_ping(Bytes payload);
    /// A pong with this payload (the edge's own ping's; 8 bytes at most are kept) is not passed on.
    void swallow_pong(Bytes payload) noexcept;
    /// One has come since the last swallow_pong().
    bool pong_came() const noexcept { return pong_came_; }

    OutputQueue& queue() noexcept { return queue_; }
    const OutputQueue& queue() const noexcept { return queue_; }
    bool full() const noexcept { return queue_.size() >= settings_->buffer; }
    std::optional<CloseCode> close_received() const noexcept { return close_received_; }
    bool close_sent() const noexcept { return close_sent_; }
    bool mid_frame() const noexcept { return streaming_frame_; }

    /// Frees what can be had again: the inflater keeps no more than the history the client may refer to.
    void release_idle();
    const UpstreamCounts& counts() const noexcept { return counts_; }

private:
    std::optional<Violation> on_header(std::uint64_t now_ms);
    std::optional<Violation> on_payload(Bytes piece);
    std::optional<Violation> on_end();
    std::optional<Violation> on_control();
    std::optional<Violation> on_inflated(std::size_t from);
    void emit_inflated(bool fin);
    void queue_frame(const FrameHeader& header, Bytes payload);
    FrameHeader own_header(Opcode opcode, std::size_t length) noexcept;

    const RelaySettings* settings_;
    MemoryCount* memory_;
    OutputQueue queue_;
    FrameParser parser_;
    FrameRate rate_;
    Utf8 utf8_;
    std::optional<Inflater> inflater_;
    std::vector<Byte> pending_;  // of the unfinished frame, or the decompressed message
    std::array<Byte, kMaxControlPayload> control_{};
    std::array<Byte, 8> own_ping_{};
    std::uint64_t message_bytes_ = 0;
    std::uint64_t random_;
    std::optional<CloseCode> close_received_;
    UpstreamCounts counts_;
    Mask message_mask_{};
    std::uint8_t own_ping_size_ = 0;
    bool pong_awaited_ = false;
    bool pong_came_ = false;
    bool close_sent_ = false;
    bool streaming_frame_ = false;
    bool fragment_sent_ = false;  // of the decompressed message
};

}
