#pragma once

#include <cstdint>
#include <optional>

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
    /// A pong with this payload (the edge's own ping's; 8 bytes at most are kept) is not passed on.
    void swallow_pong(Bytes payload) noexcept;
    /// One has come since the last swallow_pong().
    bool pong_came() const noexcept { return pong_came_; }

    OutputQueue& queue() noexcept { return queue_; }
    const OutputQueue& queue() const noexcept { return queue_; }
    bool full() const noexcept { return queue_.size() >= settings_->buffer; }
    std::optional<CloseCode> close_received() const noexcept { return close_received_; }
    bool close_sent() const noexcept { return close_sent_; }
    bool mid_frame() const noexcept
    {
        return fate_ == Fate::stream && parser_.in_data_frame() && !close_sent_;
    }

    /// Frees what can be had again: the inflater keeps no more than the history the client may refer to.
    void release_idle();
    const UpstreamCounts& counts() const noexcept { return counts_; }

private:
    /// What becomes of the data frame that is arriving.
    enum class Fate : std::uint8_t {
        inflate,  ///< part of a compressed message
        pass,     ///< queued as it is when complete
        stream,   ///< queued as it arrives
        drop,     ///< nothing more may follow
    };
    std::optional<Violation> on_event(const FrameParser::Event& event, std::uint64_t now_ms);
    std::optional<Violation> on_header(std::uint64_t now_ms);
    std::optional<Violation> on_payload(Bytes piece);
    std::optional<Violation> on_control();
    std::optional<Violation> on_end();
    std::optional<Violation> inflated(std::optional<Violation> violation, std::size_t from);
    void send_fragment(Bytes payload, bool fin);
    void queue_frame(const FrameHeader& header, Bytes payload);

    const RelaySettings* settings_;
    OutputQueue queue_;
    FrameParser parser_;
    FrameRate rate_;
    std::optional<Inflater> inflater_;  // there is one with edge_deflate only
    Buffer pending_;                    // of the unfinished frame, or the decompressed message
    Bytes whole_;  // the frame's payload, when it came in one piece: then it is not in pending_
    std::array<Byte, kMaxControlPayload> control_{};
    std::array<Byte, 8> own_ping_{};
    std::uint64_t message_bytes_ = 0;  // of the message that is arriving, as the client sent it
    std::uint64_t random_;
    std::optional<CloseCode> close_received_;
    UpstreamCounts counts_;
    Mask message_mask_{};
    std::uint8_t own_ping_size_ = 0;
    Utf8 utf8_;
    Fate fate_ = Fate::pass;
    bool pong_awaited_ = false;
    bool pong_came_ = false;
    bool close_sent_ = false;
    bool fragment_sent_ = false;  // of the decompressed message
    bool failed_ = false;
};

}
