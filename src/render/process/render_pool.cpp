#include "render/process/render_pool.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

extern char** environ;

namespace edge::render {

namespace {

using State = RenderProcess::State;
using image::Reason;

constexpr std::uint64_t kStartMs = 30'000;   // from its start to its Hello
constexpr std::uint64_t kLeaveMs = 2000;     // from the end of its socket to its own
constexpr std::uint64_t kAbandonedMs = 250;  // a render that nobody waits for may go on
constexpr std::uint64_t kIdleMs = 60'000;    // all but one then go
constexpr unsigned kMostFailures = 12;

std::uint64_t resident_of(int pid) noexcept
{
    char path[40];
    std::snprintf(path, sizeof path, "/proc/%d/statm", pid);
    const image::Descriptor file{::open(path, O_RDONLY | O_CLOEXEC)};
    char text[100]{};
    if (!file || ::read(file.get(), text, sizeof text - 1) <= 0) return 0;
    unsigned long all = 0;
    unsigned long resident = 0;
    if (std::sscanf(text, "%lu %lu", &all, &resident) != 2) return 0;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

class FileActions {
public:
    FileActions() noexcept { posix_spawn_file_actions_init(&actions_); }
    ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
    posix_spawn_file_actions_t* get() noexcept { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

// The program this process runs, whatever lies at its path by now.
int spawn_render(int socket, std::uint64_t memory) noexcept
{
    constexpr int kSocket = 3;
    FileActions actions;
    posix_spawn_file_actions_adddup2(actions.get(), socket, kSocket);
    posix_spawn_file_actions_addclosefrom_np(actions.get(), kSocket + 1);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    std::string bytes = std::to_string(memory);
    char name[] = "edge_render", mode[] = "--render", fd[] = "--fd", three[] = "3", limit[] = "--memory";
    char* arguments[] = {name, mode, fd, three, limit, bytes.data(), nullptr};
    pid_t pid = -1;
    const int error = posix_spawn(&pid, "/proc/self/exe", actions.get(), &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        std::fprintf(stderr, "edge: a render process can't be started: %s\n", std::strerror(error));
        return -1;
    }
    return pid;
}

}

std::uint64_t now_us() noexcept
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

std::uint64_t now_ms() noexcept
{
    return now_us() / 1000;
}

RenderPool::~RenderPool()
{
    for (const auto& process : processes_) ::kill(process->pid, SIGKILL);
    for (const auto& process : processes_)
        while (::waitpid(process->pid, nullptr, 0) < 0 && errno == EINTR) {
        }
}

bool RenderPool::start(std::uint64_t now)
{
    auto pair = image::make_socket_pair();
    if (!pair) return false;
    const int pid = spawn_render(pair->worker.get(), options_.memory);
    if (pid < 0) return false;
    auto process = std::make_unique<RenderProcess>();
    process->number = ++last_number_;
    process->pid = pid;
    process->socket = std::move(pair->supervisor);
    process->since_ms = now;
    process->kill_at_ms = now + kStartMs;
    process->kill_reason = Reason::unavailable;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kTag | process->number;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, process->socket.get(), &event);
    processes_.push_back(std::move(process));
    ++counts_.started;
    return true;
}

void RenderPool::grow(std::size_t wanted, std::uint64_t now)
{
    wanted = std::min<std::size_t>(wanted, options_.processes);
    wants_more_ = processes_.size() < wanted;
    while (processes_.size() < wanted && now >= next_start_ms_) {
        if (start(now)) continue;
        failures_ = std::min(failures_ + 1, kMostFailures);
        next_start_ms_ = now + (50ULL << std::min(failures_, 8U));
        return;
    }
    if (processes_.size() >= wanted) wants_more_ = false;
}

bool RenderPool::has_idle() const noexcept
{
    return std::ranges::any_of(processes_, [](const auto& p) { return p->state == State::idle; });
}

void RenderPool::assign(WorkId work, const image::Submit& submit, int source, std::uint32_t time_ms,
                        std::uint64_t now)
{
    // The one used last: its memory is warm, and the others may become idle for long.
    RenderProcess* chosen = nullptr;
    for (const auto& process : processes_)
        if (process->state == State::idle && (chosen == nullptr || process->since_ms > chosen->since_ms))
            chosen = process.get();
    chosen->state = State::busy;
    chosen->since_ms = now;
    chosen->work = work;
    chosen->work_started_us = now_us();
    chosen->time_ms = time_ms;
    chosen->kill_at_ms = now + time_ms;
    chosen->kill_reason = Reason::timeout;
    image::Submit numbered = submit;
    numbered.id = work;
    // Its socket is empty. What fails here shows when the process's end is noticed.
    if (image::send(chosen->socket.get(), numbered, source) != image::Sent::yes)
        kill(*chosen, Reason::crashed, now);
}

void RenderPool::abandon(WorkId work, std::uint64_t now) noexcept
{
    for (const auto& process : processes_)
        if (process->state == State::busy && process->work == work &&
            now + kAbandonedMs < process->kill_at_ms) {
            process->kill_at_ms = now + kAbandonedMs;
            process->kill_reason = Reason::expired;
        }
}

void RenderPool::wanted(WorkId work) noexcept
{
    for (const auto& process : processes_)
        if (process->state == State::busy && process->work == work) {
            process->kill_at_ms = process->since_ms + process->time_ms;
            process->kill_reason = Reason::timeout;
        }
}

RenderProcess* RenderPool::find(std::uint32_t number) noexcept
{
    for (const auto& process : processes_)
        if (process->number == number) return process.get();
    return nullptr;
}

// False: it has to end.
bool RenderPool::read_from(RenderProcess& process, std::vector<Finished>& finished)
{
    for (;;) {
        image::Received received = image::receive(process.socket.get());
        if (received.kind == image::Received::Kind::nothing) return true;
        if (received.kind != image::Received::Kind::message) return false;
        if (process.state == State::starting && std::holds_alternative<image::Hello>(received.message)) {
            became_idle(process, now_ms());
            continue;
        }
        Finished done;
        done.work = process.work;
        if (const auto* answer = std::get_if<image::Done>(&received.message)) {
            // A process that has been taken over could send anything.
            const auto size = answer->original ? std::optional<std::size_t>{answer->bytes}
                                               : image::sealed_size(received.attached.get());
            if (size != answer->bytes) return false;
            done.answer = *answer;
            done.result = std::move(received.attached);
        } else if (const auto* answer = std::get_if<image::Refused>(&received.message))
            done.answer = *answer;
        else
            return false;
        if (process.state != State::busy) return false;
        finished.push_back(std::move(done));
        failures_ = 0;
        ++process.jobs;
        process.work = 0;
        became_idle(process, now_ms());
        if (!process.socket) return true;
    }
}

void RenderPool::became_idle(RenderProcess& process, std::uint64_t now)
{
    process.state = State::idle;
    process.since_ms = now;
    process.kill_at_ms = 0;
    const bool worn = process.jobs >= options_.jobs || resident_of(process.pid) > options_.memory / 4;
    if (!worn || process.jobs == 0) return;
    ++counts_.recycled;
    leave(process, now);
}

// End of file tells it to go.
void RenderPool::leave(RenderProcess& process, std::uint64_t now)
{
    process.socket.reset();
    process.state = State::leaving;
    process.since_ms = now;
    process.kill_at_ms = now + kLeaveMs;
}

void RenderPool::kill(RenderProcess& process, Reason reason, std::uint64_t now) noexcept
{
    ::kill(process.pid, SIGKILL);
    process.state = State::killed;
    process.since_ms = now;
    process.kill_at_ms = 0;
    process.kill_reason = reason;
    process.socket.reset();
}

void RenderPool::on_readable(std::uint32_t number, std::vector<Finished>& finished)
{
    RenderProcess* process = find(number);
    if (process == nullptr || !process->socket) return;
    // What ended by itself is noticed by SIGCHLD; killing it again does no harm.
    if (!read_from(*process, finished) && process->socket) kill(*process, Reason::crashed, now_ms());
}

void RenderPool::ended(const RenderProcess& process, int status, std::vector<Finished>& finished)
{
    const bool in_job = process.work != 0;
    const bool on_purpose = process.state == State::killed && process.kill_reason != Reason::crashed;
    if (in_job) {
        const bool over_cpu = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
        Finished done;
        done.work = process.work;
        image::Refused refused;
        refused.reason = on_purpose ? process.kill_reason : (over_cpu ? Reason::timeout : Reason::crashed);
        refused.render_us = static_cast<std::uint32_t>(now_us() - process.work_started_us);
        done.answer = refused;
        finished.push_back(std::move(done));
        if (on_purpose || over_cpu)
            ++counts_.killed;
        else {
            ++counts_.crashed;
            std::fprintf(stderr, "edge: a render process ended by signal %d in the middle of a job\n",
                         WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        }
    }
    // In the middle of a job its source is to blame, more likely than not: that slows down, but never stops
    // all.
    const bool failed = process.state == State::starting || (in_job && !on_purpose) ||
                        (process.state == State::killed && process.kill_reason == Reason::unavailable);
    if (!failed) return;
    if (process.state == State::starting)
        std::fprintf(stderr, "edge: a render process did not start: %s %d\n",
                     WIFSIGNALED(status) ? "signal" : "exit code",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (process.state == State::starting || failures_ < 3) failures_ = std::min(failures_ + 1, kMostFailures);
    // The first one is replaced at once.
    if (failures_ > 1) next_start_ms_ = now_ms() + (25ULL << std::min(failures_, 9U));
}

void RenderPool::on_child_ended(std::vector<Finished>& finished)
{
    for (std::size_t i = 0; i < processes_.size();) {
        RenderProcess& process = *processes_[i];
        int status = 0;
        if (::waitpid(process.pid, &status, WNOHANG) != process.pid) {
            ++i;
            continue;
        }
        // It may have answered before it ended.
        if (process.socket) read_from(process, finished);
        ended(process, status, finished);
        processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

void RenderPool::on_timer(std::uint64_t now)
{
    for (const auto& process : processes_) {
        if (process->kill_at_ms != 0 && now >= process->kill_at_ms) {
            const bool leaving = process->state == State::leaving;
            kill(*process, leaving ? Reason::timeout : process->kill_reason, now);
        }
    }
    std::size_t staying = processes_.size();
    for (const auto& process : processes_) {
        if (process->state == State::idle && staying > 1 && now >= process->since_ms + kIdleMs) {
            leave(*process, now);
            --staying;
        }
    }
}

std::optional<std::uint64_t> RenderPool::next_deadline() const noexcept
{
    std::optional<std::uint64_t> next;
    const auto at = [&next](std::uint64_t ms) { next = next ? std::min(*next, ms) : ms; };
    if (wants_more_) at(next_start_ms_);
    for (const auto& process : processes_) {
        if (process->kill_at_ms != 0) at(process->kill_at_ms);
        if (process->state == State::idle && processes_.size() > 1) at(process->since_ms + kIdleMs);
    }
    return next;
}

std::uint64_t RenderPool::resident() const noexcept
{
    std::uint64_t sum = 0;
    for (const auto& process : processes_) sum += resident_of(process->pid);
    return sum;
}

}
