#pragma once

#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "render/process/render_pool.hpp"
#include "render/process/worker_link.hpp"
#include "render/scheduler.hpp"

/// Between nginx's workers and the render processes: takes jobs, has them done in the right order, answers.
namespace edge::render {

class Supervisor {
public:
    /// `options` outlive it.
    explicit Supervisor(const SupervisorOptions& options);

    /// Until all workers have gone, or SIGTERM. Returns the process's exit code.
    int run();

private:
    /// A render: what a process will be given.
    struct Work {
        image::Submit submit;
        SharedDescriptor source;
    };

    /// What a worker has discarded: not closed before the worker has, which says so before.
    struct Discarded {
        image::Descriptor file;
        std::uint64_t until_ms;
    };

    void step();
    int wait_time() const;
    void read_worker(std::uint32_t slot);
    void on_submit(std::uint32_t slot, const image::Submit& submit, image::Descriptor source);
    void on_worker_gone(std::uint32_t slot);
    void on_left(const Scheduler::Left& left);
    void on_discard(image::Descriptor file);
    void close_discarded(std::uint64_t now_ms);
    void on_signal();
    void start_work();
    void answer_all(std::vector<Finished>& finished);
    void refuse(Waiter waiter, image::Reason reason, std::uint32_t render_us = 0);
    void send_stats(std::uint32_t slot);
    std::uint32_t forget_since(Waiter waiter, std::uint64_t until_us);

    image::Descriptor epoll_;
    image::Descriptor signals_;
    Scheduler scheduler_;
    RenderPool pool_;
    std::vector<WorkerLink> workers_;
    std::unordered_map<WorkId, Work> works_;
    std::map<Waiter, std::uint64_t> since_us_;  ///< when each submitted
    std::deque<Discarded> discarded_;           ///< in the order of their times
    image::Stats totals_;
    bool ending_ = false;
};

/// Supervisor mode of the program.
int run_supervisor(const SupervisorOptions& options, int argc, char** argv);

}
