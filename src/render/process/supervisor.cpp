#include "render/process/supervisor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "render/process/memory.hpp"
#include "render/process/title.hpp"
#include "render/sniff.hpp"

namespace edge::render {

namespace {

using image::Reason;

constexpr std::uint64_t kSignals = 2ULL << 32;
// After so many messages of one worker the others have their turn.
constexpr int kMessages = 64;
// A worker closes a file right after it has said so; it may have lost its processor in between.
constexpr std::uint64_t kDiscardedMs = 100;
constexpr std::size_t kMostDiscarded = 64;

sigset_t watched_signals() noexcept
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    return set;
}

// What its first bytes say, without parsing them.
Sniffed sniff_file(int fd) noexcept
{
    std::array<std::byte, 4096> start;
    const ssize_t size = ::pread(fd, start.data(), start.size(), 0);
    return sniff({start.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))});
}

}

Supervisor::Supervisor(const SupervisorOptions& options)
    : epoll_{::epoll_create1(EPOLL_CLOEXEC)},
      scheduler_{options.processes, options.queue},
      pool_{options, epoll_.get()}
{
    const sigset_t set = watched_signals();
    ::sigprocmask(SIG_SETMASK, &set, nullptr);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kSignals;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, signals_.get(), &event);
    std::uint32_t slot = 0;
    for (const int socket : options.sockets) workers_.emplace_back(socket, epoll_.get(), slot++);
}

int Supervisor::run()
{
    image::Hello hello;
    hello.pid = static_cast<std::uint32_t>(::getpid());
    for (WorkerLink& worker : workers_) worker.send(hello);
    while (!ending_ && std::ranges::any_of(workers_, &WorkerLink::is_open)) step();
    return 0;
}

int Supervisor::wait_time() const
{
    std::optional<std::uint64_t> next = pool_.next_deadline();
    const auto deadline = scheduler_.next_deadline();
    if (deadline && (!next || *deadline < *next)) next = deadline;
    if (!discarded_.empty() && (!next || discarded_.front().until_ms < *next))
        next = discarded_.front().until_ms;
    if (!next) return -1;
    const std::uint64_t now = now_ms();
    return *next <= now ? 0 : static_cast<int>(std::min<std::uint64_t>(*next - now, 60'000));
}

void Supervisor::step()
{
    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_time());
    std::vector<Finished> finished;
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        const auto number = static_cast<std::uint32_t>(event.data.u64);
        if (event.data.u64 == kSignals) {
            on_signal();
            pool_.on_child_ended(finished);
        } else if ((event.data.u64 & RenderPool::kTag) != 0)
            pool_.on_readable(number, finished);
        else {
            if ((event.events & EPOLLOUT) != 0) workers_[number].on_writable();
            if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) read_worker(number);
        }
    }
    answer_all(finished);
    std::vector<WorkId> gone;
    for (const auto& expired : scheduler_.expire(now_ms(), gone)) refuse(expired.waiter, Reason::expired);
    for (const WorkId work : gone) works_.erase(work);
    pool_.on_timer(now_ms());
    start_work();
    close_discarded(now_ms());  // takes milliseconds: last
}

void Supervisor::on_signal()
{
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        if (info.ssi_signo == SIGTERM) ending_ = true;
}

void Supervisor::read_worker(std::uint32_t slot)
{
    WorkerLink& worker = workers_[slot];
    for (int n = 0; n < kMessages && worker.is_open(); ++n) {
        image::Received received = image::receive(worker.socket());
        if (received.kind == image::Received::Kind::nothing) return;
        if (received.kind != image::Received::Kind::message) {
            if (received.kind == image::Received::Kind::malformed)
                std::fprintf(stderr,
                             "edge: a worker and the render supervisor are not of the same version\n");
            worker.close();
            break;
        }
        if (const auto* submit = std::get_if<image::Submit>(&received.message))
            on_submit(slot, *submit, std::move(received.attached));
        else if (const auto* cancelled = std::get_if<image::Cancel>(&received.message)) {
            since_us_.erase({slot, cancelled->id});
            on_left(scheduler_.cancel({slot, cancelled->id}));
        } else if (std::holds_alternative<image::StatsRequest>(received.message))
            send_stats(slot);
        else if (std::holds_alternative<image::Discard>(received.message))
            on_discard(std::move(received.attached));
        else if (std::holds_alternative<image::Hello>(received.message))
            on_worker_gone(slot);
    }
    if (!worker.is_open()) on_worker_gone(slot);
}

void Supervisor::on_discard(image::Descriptor file)
{
    if (discarded_.size() >= kMostDiscarded) discarded_.pop_front();
    discarded_.push_back({std::move(file), now_ms() + kDiscardedMs});
}

void Supervisor::close_discarded(std::uint64_t now_ms)
{
    while (!discarded_.empty() && discarded_.front().until_ms <= now_ms) discarded_.pop_front();
}

void Supervisor::on_worker_gone(std::uint32_t slot)
{
    for (const auto& left : scheduler_.cancel_slot(slot)) on_left(left);
    since_us_.erase(since_us_.lower_bound({slot, 0}), since_us_.lower_bound({slot + 1, 0}));
}

void Supervisor::on_left(const Scheduler::Left& left)
{
    if (left.dropped) works_.erase(*left.dropped);
    if (left.abandoned) pool_.abandon(*left.abandoned, now_ms());
}

void Supervisor::on_submit(std::uint32_t slot, const image::Submit& submit, image::Descriptor source)
{
    const Waiter waiter{slot, submit.id};
    if (image::is_settled(source.get())) image::seal(source.get());
    const auto size = image::sealed_size(source.get());
    if (!size) return refuse(waiter, Reason::bad_request);
    if (*size > submit.job.limits.source_bytes) return refuse(waiter, Reason::source_too_large);
    const Sniffed sniffed = sniff_file(source.get());
    if (sniffed.format == image::Format::none)
        return refuse(waiter, sniffed.known ? Reason::unsupported : Reason::not_an_image);
    const std::uint64_t now = now_us();
    if (pool_.is_broken(now / 1000)) return refuse(waiter, Reason::unavailable);

    const std::uint64_t cost = estimate_cost_us(submit.job, sniffed.format, *size);
    const auto admitted = scheduler_.submit(waiter, submit, *size, cost, now / 1000);
    for (const Waiter& displaced : admitted.displaced) refuse(displaced, Reason::queue_full);
    works_.erase(admitted.displaced_work);
    switch (admitted.admission) {
        case Scheduler::Admission::full:
            return refuse(waiter, Reason::queue_full);
        case Scheduler::Admission::duplicate:
            return refuse(waiter, Reason::bad_request);
        case Scheduler::Admission::joined:
            ++totals_.coalesced;
            pool_.wanted(admitted.work);
            break;
        case Scheduler::Admission::queued:
            works_.emplace(admitted.work,
                           Work{submit, std::make_shared<image::Descriptor>(std::move(source))});
            break;
    }
    since_us_.emplace(waiter, now);
}

void Supervisor::start_work()
{
    const std::uint64_t now = now_ms();
    const auto queued =
        scheduler_.queued(image::Priority::interactive) + scheduler_.queued(image::Priority::prewarm);
    pool_.grow(scheduler_.running() + queued, now);
    while (pool_.has_idle()) {
        const auto work = scheduler_.start_next(now);
        if (!work) return;
        const Work& what = works_.at(*work);
        pool_.assign(*work, what.submit, what.source->get(), what.submit.job.limits.time_ms, now);
    }
}

// How long the waiter waited until then; he is answered now.
std::uint32_t Supervisor::forget_since(Waiter waiter, std::uint64_t until_us)
{
    const auto found = since_us_.find(waiter);
    if (found == since_us_.end()) return 0;
    const std::uint64_t waited = until_us > found->second ? until_us - found->second : 0;
    since_us_.erase(found);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(waited, UINT32_MAX));
}

void Supervisor::answer_all(std::vector<Finished>& finished)
{
    for (Finished& each : finished) {
        const std::uint64_t now = now_us();
        const auto result = std::make_shared<const image::Descriptor>(std::move(each.result));
        const SharedDescriptor attached = *result ? result : nullptr;
        auto* done = std::get_if<image::Done>(&each.answer);
        const std::uint32_t render_us =
            done != nullptr ? done->render_us : std::get<image::Refused>(each.answer).render_us;
        bool first = true;
        for (const Waiter& waiter : scheduler_.finish(each.work)) {
            if (done == nullptr) {
                refuse(waiter, std::get<image::Refused>(each.answer).reason, render_us);
                continue;
            }
            done->id = waiter.id;
            done->shared = !first;
            done->queue_us = forget_since(waiter, now - std::min<std::uint64_t>(render_us, now));
            workers_[waiter.slot].send(*done, attached);
            first = false;
        }
        if (done != nullptr) ++totals_.rendered;
        works_.erase(each.work);
    }
}

void Supervisor::refuse(Waiter waiter, Reason reason, std::uint32_t render_us)
{
    ++totals_.refused;
    image::Refused refused;
    refused.id = waiter.id;
    refused.reason = reason;
    refused.queue_us = forget_since(waiter, now_us() - render_us);
    refused.render_us = render_us;
    workers_[waiter.slot].send(refused);
}

void Supervisor::send_stats(std::uint32_t slot)
{
    image::Stats stats = totals_;
    stats.queued_interactive = static_cast<std::uint32_t>(scheduler_.queued(image::Priority::interactive));
    stats.queued_prewarm = static_cast<std::uint32_t>(scheduler_.queued(image::Priority::prewarm));
    stats.running = static_cast<std::uint32_t>(scheduler_.running());
    stats.processes = static_cast<std::uint32_t>(pool_.size());
    const RenderPool::Counts& counts = pool_.counts();
    stats.started = counts.started;
    stats.recycled = counts.recycled;
    stats.crashed = counts.crashed;
    stats.killed = counts.killed;
    stats.memory = pool_.resident();
    workers_[slot].send(stats);
}

int run_supervisor(const SupervisorOptions& options, int argc, char** argv)
{
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE})
        ::signal(signal, SIG_IGN);
    if (options.alive >= 0) {
        ::fcntl(options.alive, F_SETFD, FD_CLOEXEC);
        struct flock lock {};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        if (::fcntl(options.alive, F_SETLK, &lock) != 0) {
            if (errno == EACCES || errno == EAGAIN) return 0;
            std::fprintf(stderr, "edge: --alive is no file to lock: %s\n", std::strerror(errno));
            return 1;
        }
    }
    set_title(argc, argv, "nginx: edge render supervisor");
    // libvips is here for the render processes: this one never runs it.
    release_memory();
    Supervisor supervisor{options};
    return supervisor.run();
}

}
