#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "image/job.hpp"

/// What nginx's workers, the supervisor and its render processes say to each other: one message a datagram of
/// an AF_UNIX SOCK_SEQPACKET socket pair, non-blocking on both sides (channel.hpp sends and receives).
///
/// **Starting the supervisor.** Before its workers exist the master makes, all close-on-exec, one socket pair
/// for each worker and one memfd, "the alive file"; it keeps all of them open for respawned workers and
/// closes them with its cycle. Any worker may start the supervisor, by posix_spawn with the program's
/// absolute path, the supervisor's ends at numbers 3 and up, everything above closed
/// (posix_spawn_file_actions_addclosefrom_np) and standard error at nginx's error log:
///
///     edge_render --supervisor --fds 3,4,5 --alive 6 --processes 2 --memory 1073741824 --queue 256
///
/// --fds        its ends of the socket pairs, in the order of the workers' slots
/// --alive      the alive file. The supervisor holds a POSIX write lock (fcntl F_SETLK, whole file) on it for
///              life and ends at once, with code 0, when another one holds it. So several workers may try to
///              start it, and F_GETLK tells any worker whether it lives (l_type) and as which process
///              (l_pid).
/// --processes  the most render processes at a time (default 2, 1 … 64)
/// --memory     address space of a render process beyond what it has at start, in bytes (default 1 GiB); one
/// that
///              keeps more than a quarter of it after a job is replaced
/// --queue      the most jobs that wait (default 256); more are refused with queue_full
/// --jobs       a render process is replaced after so many (default 500)
///
/// It reads no environment of its own; pass an empty one. It writes lines to standard error only when
/// something went wrong, each "edge: …". It ignores SIGHUP, SIGINT, SIGQUIT and SIGUSR*, which a terminal or
/// nginx may send to the group; SIGTERM ends it. It ends, with all render processes, when all its sockets
/// have reached end of file, that is: when the last process of its master's generation has gone.
///
/// **The start.** The supervisor says Hello on each socket. A worker says Hello when it starts, which takes
/// back all that an earlier worker of its slot has submitted. A second Hello from the supervisor means that
/// it is a new one: what was submitted to the old one and not answered is lost, resubmit it or fall back.
/// Since all processes of a generation hold both ends, sockets do not show that the supervisor died: after
/// its Hello watch its process with pidfd_open (readable when it has ended), or ask the alive file while jobs
/// are pending.
///
/// **Limits.** One descriptor at most with a message: Submit and Discard bring a source, Done the result
/// (unless `original`). They are memfds sealed against writing, growing, shrinking and further seals
/// (sealed.hpp); a source may come settled, and the supervisor seals it. A result can be sent by sendfile or
/// mapped.
///
/// Format: host byte order, fixed sizes, no padding; a datagram that is not exactly one valid message of
/// this version decodes to nothing, and its sender's socket is closed by the supervisor.
namespace edge::image {

inline constexpr std::uint16_t kProtocolVersion = 3;
/// No message is longer.
inline constexpr std::size_t kMaxMessage = 256;

using JobId = std::uint64_t;

/// Both ways: the sender has (re)started and knows of nothing.
struct Hello {
    std::uint32_t pid = 0;
};

/// To the supervisor, with the source's descriptor; also from the supervisor to a render process.
struct Submit {
    /// The sender's choice, given back with the answer. Not used twice by a slot, not even by the worker that
    /// replaces a dead one: begin at a random number.
    JobId id = 0;
    /// The same for the same job on the same source bytes, so that it is rendered once for all who wait: a
    /// collision-resistant hash, for example the start of a SHA-256. All zero: not shared with anyone.
    std::array<std::uint8_t, 16> key{};
    Priority priority = Priority::interactive;
    /// CLOCK_MONOTONIC, milliseconds: after it nobody wants the result. A job that has not begun by then is
    /// refused as expired; one that has begun goes on within its time limit.
    std::uint64_t deadline_ms = 0;
    Job job;
};

/// To the supervisor: this worker no longer wants it. Not answered; an answer may be under way already.
/// A render that nobody waits for any more is dropped from the queue, or killed when it has begun.
struct Cancel {
    JobId id = 0;
};

/// To the supervisor, with a descriptor, which it closes a moment later: to free the memory of a large file
/// takes time that a worker has not, which closes its own at once.
struct Discard {};

/// From the supervisor, with the result's descriptor unless `original`.
struct Done {
    JobId id = 0;
    bool original = false;         ///< the source itself is the best answer (Job::prefer_original)
    bool shared = false;           ///< rendered for someone else too: counts as one render there
    Format format = Format::none;  ///< of the result; of the source when `original`
    Format source_format = Format::none;
    std::uint32_t width = 0;  ///< of the result, of one frame
    std::uint32_t height = 0;
    std::uint32_t frames = 1;
    std::uint32_t source_width = 0;  ///< upright
    std::uint32_t source_height = 0;
    std::uint64_t bytes = 0;      ///< of the result
    std::uint32_t queue_us = 0;   ///< waiting, microseconds
    std::uint32_t render_us = 0;  ///< rendering, microseconds
};

/// From the supervisor.
struct Refused {
    JobId id = 0;
    Reason reason = Reason::unavailable;
    std::uint32_t queue_us = 0;
    std::uint32_t render_us = 0;
};

/// To the supervisor, answered with Stats.
struct StatsRequest {};

/// From the supervisor: of the whole host; the totals count from its own start.
struct Stats {
    std::uint32_t queued_interactive = 0;
    std::uint32_t queued_prewarm = 0;
    std::uint32_t running = 0;
    std::uint32_t processes = 0;
    std::uint64_t started = 0;   ///< render processes, in all
    std::uint64_t recycled = 0;  ///< replaced after --jobs jobs or for their memory
    std::uint64_t crashed = 0;   ///< ended by themselves in the middle of a job
    std::uint64_t killed = 0;    ///< over their time, or nobody waited any more
    std::uint64_t rendered = 0;  ///< jobs that gave a result
    std::uint64_t refused = 0;
    std::uint64_t coalesced = 0;  ///< jobs that shared another's render
    std::uint64_t memory = 0;     ///< bytes resident in the render processes, about a second old at most
};

using Message = std::variant<Hello, Submit, Cancel, Done, Refused, StatsRequest, Stats, Discard>;

/// A message as bytes.
class EncodedMessage {
public:
    std::span<const std::byte> bytes() const noexcept { return {bytes_.data(), size_}; }

private:
    friend class MessageWriter;
    std::array<std::byte, kMaxMessage> bytes_{};
    std::size_t size_ = 0;
};

EncodedMessage encode(const Message& message) noexcept;

/// Nothing unless `bytes` is exactly one message of this version with values in their ranges.
std::optional<Message> decode(std::span<const std::byte> bytes) noexcept;

/// Whether a descriptor has to come with it.
bool has_descriptor(const Message& message) noexcept;

/// Whether all values are in the ranges job.hpp gives; what decode() lets through.
bool is_valid(const Job& job) noexcept;

/// Whether both ask for the same result.
bool same_job(const Job& a, const Job& b) noexcept;

}
