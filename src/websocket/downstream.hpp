#pragma once

#include <cstdint>
#include <optional>

#include "websocket/batch_protocol.hpp"
#include "websocket/batch_window.hpp"
#include "websocket/close.hpp"
#include "websocket/deflate.hpp"
#include "websocket/frame.hpp"
#include "websocket/output_queue.hpp"
#include "websocket/priority.hpp"
#include "websocket/settings.hpp"
#include "websocket/utf8.hpp"

namespace edge::websocket {

/// One flush: what left together and why. For counters.
struct Flush {
    BatchWindow::Cause cause;
    std::uint32_t messages;  ///< 0 for parts of a large message or control frames alone
    std::uint64_t bytes;     ///< on the wire
    std::uint64_t held_ms;   ///< of the oldest
};

struct DownstreamCounts {
    std::uint64_t messages = 0;        ///< whole ones from the upstream
    std::uint64_t payload_bytes = 0;   ///< as the upstream sent it
    std::uint64_t frame_bytes_in = 0;  ///< with headers, control frames included
    std::uint64_t frame_bytes_out = 0;
    std::uint64_t compressed = 0;  ///< messages sent compressed, their bytes before and after
    std::uint64_t compressed_in = 0;
    std::uint64_t compressed_out = 0;
    std::uint64_t deflate_ns = 0;  ///< what compression took
    std::uint64_t streamed = 0;    ///< messages too large to be held whole
};

/// Server to client: frames from the upstream become frames for the client, in the same order (I8).
///
/// - Without a transform frames pass unchanged, fragment by fragment. With edge_deflate a message up to
///   `whole` bytes is put together, compressed if that makes it smaller, and sent as one frame; a control
///   frame between its fragments goes before it, as it did towards us. A larger one is compressed piece by
///   piece, and sent in fragments, if its beginning shrinks.
/// - With edge.batch.v1 messages up to `whole` bytes are put together too, and those of a batch are one
///   message, compressed as one. Larger ones are messages of their own.
/// - Otherwise a frame up to `whole` bytes is queued when it is complete, so that a Close can always follow;
///   larger ones stream through and leave at once.
/// - Text is checked to be UTF-8, Close payloads to be valid.
/// - After a Close, from the upstream or by send_close(), nothing more is queued.
///
/// Memory: the queue, at most `whole` bytes of an unfinished message and what one read adds, the Deflater.
class Downstream {
public:
    Downstream(const RelaySettings& settings, const Agreement& agreement, MemoryCount& memory);

    /// Takes all of `bytes` (changed in place). A violation: the upstream's; nothing more is taken after it.
    std::optional<Violation> feed(MutableBytes bytes, std::uint64_t now_ms);

    /// Queues a frame of the edge's own behind all that is there, and flushes. false: in the midst of a large
    /// frame, or after a Close: nothing was queued, the connection can only be cut or waited for.
    bool send_close(CloseCode code, std::string_view reason, BatchWindow::Cause cause, std::uint64_t now_ms);
    bool send_ping(Bytes payload, std::uint64_t now_ms);
    /// The upstream's Close, when it comes, reaches the client as this one. `instead`: its reason is a
    /// literal.
    void replace_close(const Violation& instead) noexcept { instead_ = instead; }

    /// Whether a message that came now would be held.
    bool in_burst(std::uint64_t now_ms) const noexcept { return window_.in_burst(now_ms); }
    /// When flush() is due; nullopt: nothing is held.
    std::optional<std::uint64_t> deadline() const noexcept { return window_.deadline(); }
    /// What batches are made to fit.
    void fit(const Segments& segments) noexcept { window_.fit(segments); }
    /// Makes ready what leaves for this cause, and that is everything queued but for a batch's last part of a
    /// segment.
    void flush(BatchWindow::Cause cause, std::uint64_t now_ms);
    /// The last flush since this was called last.
    std::optional<Flush> take_flush() noexcept;

    OutputQueue& queue() noexcept { return queue_; }
    const OutputQueue& queue() const noexcept { return queue_; }
    bool full() const noexcept { return queue_.size() + packed_.size() >= settings_->buffer; }
    /// The code of the Close that the upstream sent (no_code: an empty one).
    std::optional<CloseCode> close_received() const noexcept { return close_received_; }
    /// A Close for the client has been queued, the upstream's or ours.
    bool close_sent() const noexcept { return close_sent_; }
    /// A frame is half queued: only its rest may follow.
    bool mid_frame() const noexcept
    {
        return fate_ == Fate::stream && parser_.in_data_frame() && !close_sent_;
    }

    /// Frees the compressor and spare buffers; always allowed.
    void release_idle() noexcept;
    const DownstreamCounts& counts() const noexcept { return counts_; }

private:
    /// What becomes of the data frame that is arriving.
    enum class Fate : std::uint8_t {
        join,     ///< part of a message that is put together
        pass,     ///< queued as it is when complete
        stream,   ///< queued as it arrives
        probe,    ///< of a large message: kept until it is known whether it shrinks
        deflate,  ///< of a large message that does: compressed as it arrives
        drop,     ///< nothing more may follow
    };
    std::optional<Violation> on_event(const FrameParser::Event& event, std::uint64_t now_ms);
    std::optional<Violation> on_header();
    std::optional<Violation> on_payload(Bytes piece);
    std::optional<Violation> on_control();
    std::optional<Violation> on_end(std::uint64_t now_ms);
    void end_frame(Bytes payload, std::uint64_t now_ms);
    void on_large_payload(Bytes piece);
    void end_large_frame(std::uint64_t now_ms);
    void decide_large_message();
    void send_deflated(bool fin);
    void send_joined(Bytes message, std::uint64_t now_ms);
    void send_whole(Opcode opcode, Bytes message);
    void seal();
    std::optional<Bytes> compressed(Bytes message, std::size_t limit);
    std::uint64_t clock() const noexcept
    {
        return settings_->clock_ns != nullptr ? settings_->clock_ns() : 0;
    }
    void queue_frame(const FrameHeader& header, Bytes payload);
    void note(std::uint64_t now_ms, std::uint64_t wire_bytes, bool urgent);
    void decide(BatchWindow::Cause cause) noexcept
    {
        if (!due_ || !BatchWindow::takes_all(*due_)) due_ = cause;
    }

    const RelaySettings* settings_;
    OutputQueue queue_;
    FrameParser parser_;
    BatchWindow window_;
    Classifier classifier_;
    std::optional<Deflater> deflater_;  // there is one with edge_deflate only
    std::uint32_t min_compressed_;
    Buffer pending_;  // of the unfinished message (join) or frame (pass)
    Buffer packed_;   // the batch's messages, with edge.batch.v1
    Buffer scratch_;  // what the deflater writes; of a large message what has not been queued yet
    Bytes whole_;     // the frame's payload, when it came in one piece: then it is not in pending_
    std::array<Byte, kMaxControlPayload> control_{};
    std::uint64_t message_bytes_ = 0;  // of the message that is arriving
    std::uint64_t message_wire_ = 0;   // of its frames that were queued
    std::optional<CloseCode> close_received_;
    std::optional<Violation> instead_;  // of the upstream's Close
    std::optional<Flush> flush_;
    std::optional<BatchWindow::Cause> due_;  // a flush was decided, it happens when all of the read is in
    DownstreamCounts counts_;
    Utf8 utf8_;
    Fate fate_ = Fate::pass;
    Fate large_fate_ = Fate::pass;  // of a large message's frames: probe, deflate, or pass
    bool urgent_ = false;           // the message that is arriving, told by its first frame
    bool large_message_ = false;
    bool pack_;
    bool close_sent_ = false;
    bool failed_ = false;
};

}
