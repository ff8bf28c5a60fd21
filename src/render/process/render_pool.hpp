#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "image/channel.hpp"
#include "render/process/options.hpp"
#include "render/scheduler.hpp"

/// The render processes as their supervisor sees them: started when there is work, watched, ended.
namespace edge::render {

/// Milliseconds of CLOCK_MONOTONIC.
std::uint64_t now_ms() noexcept;
/// Microseconds of the same clock.
std::uint64_t now_us() noexcept;

/// How a render ended.
struct Finished {
    WorkId work = 0;
    std::variant<image::Done, image::Refused> answer;
    image::Descriptor result;  ///< sealed; set when the answer is a Done that is not `original`
};

/// A process: what is known of it.
struct RenderProcess {
    enum class State : std::uint8_t {
        starting,  ///< until its Hello
        idle,
        busy,
        leaving,  ///< its socket is closed, it ends by itself
        killed,
    };
    std::uint32_t number = 0;  ///< never used twice
    int pid = -1;
    image::Descriptor socket;
    State state = State::starting;
    std::uint64_t since_ms = 0;    ///< in this state
    std::uint64_t kill_at_ms = 0;  ///< 0: not at all
    image::Reason kill_reason = image::Reason::timeout;
    std::uint32_t jobs = 0;
    WorkId work = 0;            ///< 0: none
    std::uint32_t time_ms = 0;  ///< it may take
    std::uint64_t work_started_us = 0;
};

class RenderPool {
public:
    struct Counts {
        std::uint64_t started = 0, recycled = 0, crashed = 0, killed = 0;
    };

    /// `epoll`: where the processes' sockets are to be watched, with kTag | number as data.
    RenderPool(const SupervisorOptions& options, int epoll) noexcept : options_{options}, epoll_{epoll} {}
    ~RenderPool();
    RenderPool(const RenderPool&) = delete;
    RenderPool& operator=(const RenderPool&) = delete;

    static constexpr std::uint64_t kTag = 1ULL << 32;

    /// Starts processes until `wanted` are there, within the options and the back-off.
    void grow(std::size_t wanted, std::uint64_t now);
    /// Whether a process is ready for work.
    bool has_idle() const noexcept;
    /// Processes keep ending before they are ready: nothing can be rendered at present.
    bool is_broken() const noexcept { return failures_ >= 5; }

    /// Hands it to an idle process, which there must be. `time_ms`: it is killed after that.
    void assign(WorkId work, const image::Submit& submit, int source, std::uint32_t time_ms,
                std::uint64_t now);
    /// Nobody waits for it: its process is killed unless it ends soon by itself, or wanted() comes.
    void abandon(WorkId work, std::uint64_t now) noexcept;
    void wanted(WorkId work) noexcept;

    /// Something arrived from the process `number`.
    void on_readable(std::uint32_t number, std::vector<Finished>& finished);
    /// SIGCHLD came.
    void on_child_ended(std::vector<Finished>& finished);
    /// Kills what is over its time, ends what has been idle for long.
    void on_timer(std::uint64_t now);
    /// When on_timer() or grow() has something to do at the earliest.
    std::optional<std::uint64_t> next_deadline() const noexcept;

    const Counts& counts() const noexcept { return counts_; }
    std::size_t size() const noexcept { return processes_.size(); }
    /// Bytes resident in all of them.
    std::uint64_t resident() const noexcept;

private:
    bool start(std::uint64_t now);
    bool read_from(RenderProcess& process, std::vector<Finished>& finished);
    void became_idle(RenderProcess& process, std::uint64_t now);
    void leave(RenderProcess& process, std::uint64_t now);
    void kill(RenderProcess& process, image::Reason reason, std::uint64_t now) noexcept;
    void ended(const RenderProcess& process, int status, std::vector<Finished>& finished);
    RenderProcess* find(std::uint32_t number) noexcept;

    const SupervisorOptions& options_;
    int epoll_;
    std::vector<std::unique_ptr<RenderProcess>> processes_;
    std::uint32_t last_number_ = 0;
    unsigned failures_ = 0;  ///< ends before a first answer, one after the other
    std::uint64_t next_start_ms_ = 0;
    bool wants_more_ = false;
    Counts counts_;
};

}
