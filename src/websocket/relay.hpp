#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "websocket/downstream.hpp"
#include "websocket/upstream.hpp"

namespace edge::websocket {

/// One WebSocket connection through the edge: both directions, their closing handshakes, and what a failure
/// of one side means for the other. The only class the glue needs; it knows no socket and no clock.
///
/// The glue's loop, for each side: while wants_X() read, hand the bytes over; write what queue.ready() says;
/// set one timer to deadline(); after each call look at ended() and take_flush(). Bytes handed over are
/// changed in place and need not outlive the call.
///
/// Units:  now_ms: milliseconds of one monotonic clock.
/// Errors: a peer's violations are handled inside (see below) and reported by violation(). Throws only
///         std::bad_alloc; the relay is then to be destroyed.
///
/// Closing. A Close of either side is checked and passed on in order; its answer too. What the edge sends of
/// its own accord:
///   client violates     1001 to the upstream; what it says until its answer still reaches the client, for at
///                       most kAnswersMs: they answer what the client said before; then Close with the code
///                       to the client; ended
///   upstream violates   Close with the code to the upstream; 1011 to the client; ended once that is answered
///   upstream ends without Close   1011 to the client; ended once that is answered
///   client ends         ended (there is nobody to talk to; the upstream gets what was already queued); but
///   after
///                       its Close it gets the answer first
///   close_client()      Close to the client; its messages until its answer still reach the upstream, then
///   the
///                       answer does
/// A side in the midst of a large frame gets no Close (Close frames are frames): it sees the connection cut.
/// Whoever must wait for an answer waits with a timer of its own: closing() says when.
class Relay {
public:
    static constexpr std::uint64_t kAnswersMs = 1000;

    /// `settings` and `memory` must outlive the relay. mask_seed: random.
    Relay(const RelaySettings& settings, const Agreement& agreement, std::uint64_t mask_seed,
          MemoryCount& memory)
        : settings_{&settings},
          down_{settings, agreement, memory},
          up_{settings, agreement, mask_seed, memory}
    {}

    /// Bytes the client sent. How many were taken: less than all only when the queue to the upstream is full;
    /// hand over the rest again when wants_client() is true.
    std::size_t from_client(MutableBytes bytes, std::uint64_t now_ms);
    /// Bytes the upstream sent. All are taken (and dropped if nobody wants them any more).
    void from_upstream(MutableBytes bytes, std::uint64_t now_ms);
    /// No more comes from the client. `broken`: nothing reaches it either. A client that has said Close and
    /// then ends its side still gets the answer, as RFC 6455 section 7.1.1 has it wait for the server's end;
    /// anyone else's end is an end.
    void client_ended(bool broken) noexcept
    {
        client_silent_ = true;
        client_gone_ = broken || client_failed_ || !up_.close_received() || client_gone_;
    }
    bool client_gone() const noexcept { return client_gone_; }
    void upstream_ended(std::uint64_t now_ms);

    /// Whether to read (false: the other side's queue is full, or nothing is wanted any more).
    bool wants_client() const noexcept
    {
        return !client_silent_ && !client_failed_ && !up_.full() && !ended();
    }
    bool wants_upstream() const noexcept
    {
        return !upstream_gone_ && !upstream_failed_ && !down_.full() && !ended();
    }

    OutputQueue& to_client() noexcept { return down_.queue(); }
    OutputQueue& to_upstream() noexcept { return up_.queue(); }  // all of it is always ready

    /// What batches for the client are made to fit; once it is known.
    void fit(const Segments& segments) noexcept { down_.fit(segments); }
    /// When to call on_deadline(); nullopt: not at all.
    std::optional<std::uint64_t> deadline() const noexcept
    {
        const auto flush = down_.deadline();
        if (!answers_until_) return flush;
        return flush ? std::min(*flush, *answers_until_) : answers_until_;
    }
    /// Whether a message that came from the upstream now would be held (unless it is urgent).
    bool in_burst(std::uint64_t now_ms) const noexcept { return down_.in_burst(now_ms); }
    /// Does what is due by the deadline; harmless at any other time.
    void on_deadline(std::uint64_t now_ms);
    /// Flushes what is held, whatever the deadline.
    void flush(std::uint64_t now_ms) { down_.flush(BatchWindow::Cause::drain, now_ms); }
    /// The last flush since this was called last. No call makes more than one.
    std::optional<Flush> take_flush() noexcept { return down_.take_flush(); }

    /// Starts the closing handshake with the client: drain (going_away), time-outs. false: too late, or in
    /// the midst of a large frame (try again later, or cut).
    bool close_client(CloseCode code, std::string_view reason, std::uint64_t now_ms);
    /// Sends a Ping of the edge's own; the Pong to it is not passed on. false: not possible now. `number`
    /// goes into the payload.
    bool ping_client(std::uint64_t number, std::uint64_t now_ms);
    bool pong_came() const noexcept { return up_.pong_came(); }
    /// Pings a client that has been silent for `ping_after_ms`, and closes one that stays so. Call it now and
    /// then; true: something is to be sent.
    bool keep_alive(std::uint64_t now_ms);

    /// A Close was sent to or received from someone: the rest should come within a few seconds.
    bool closing() const noexcept
    {
        return down_.close_sent() || up_.close_sent() || down_.close_received() || up_.close_received() ||
               violation_ || upstream_gone_ || client_gone_;
    }
    /// Nothing more is to come: write what is ready, then close both connections (after a violation of the
    /// client's linger: read and drop for a moment, so that the Close is not lost in a reset).
    bool ended() const noexcept;

    /// The first violation, and whose it was.
    const std::optional<Violation>& violation() const noexcept { return violation_; }
    bool client_failed() const noexcept { return client_failed_; }
    bool upstream_failed() const noexcept { return upstream_failed_; }
    /// The code this connection ended with, for logs and counters: of the first Close seen or sent; abnormal
    /// if there was none.
    CloseCode close_code() const noexcept { return close_code_; }

    /// Call when nothing has moved for a while: frees zlib's memory and empty buffers. Traffic allocates them
    /// anew.
    void release_idle();

    const DownstreamCounts& down() const noexcept { return down_.counts(); }
    const UpstreamCounts& up() const noexcept { return up_.counts(); }

private:
    void note_close(std::optional<CloseCode> code) noexcept;
    void fail_client(const Violation& violation, std::uint64_t now_ms);
    void close_failed_client(std::uint64_t now_ms);
    void fail_upstream(const Violation& violation, std::uint64_t now_ms);

    const RelaySettings* settings_;
    Downstream down_;
    Upstream up_;
    std::uint64_t heard_at_ = 0;   // when the client last sent something; 0: not known yet
    std::uint64_t pinged_at_ = 0;  // 0: no answer is awaited
    std::uint64_t pings_ = 0;
    std::optional<Violation> violation_;
    std::optional<std::uint64_t>
        answers_until_;  // a client that has violated the protocol waits for its Close
    CloseCode close_code_ = CloseCode::abnormal;
    bool closed_ = false;         // close_code_ is the first Close's
    bool client_gone_ = false;    // there is nobody to talk to
    bool client_silent_ = false;  // its side has ended
    bool upstream_gone_ = false;
    bool client_failed_ = false;
    bool upstream_failed_ = false;
};

}
