#pragma once

#include <vector>

#include "image/channel.hpp"
#include "image/settings.hpp"
#include "nginx/ngx.hpp"

namespace edge::image {

/// The sockets between the workers of one configuration and their supervisor, and its start. The master makes
/// them before it forks: every worker has all ends, so that each of them can start the supervisor, and a
/// worker that takes a dead one's place finds the same socket. They close with the configuration in the
/// master; when the last worker has gone too, the supervisor reads end of file and ends.
class RenderGeneration {
public:
    /// In the master, or the single process. false: no descriptors, said in the log.
    bool open(unsigned workers, ngx_log_t* log) noexcept;
    bool is_open() const noexcept { return !pairs_.empty(); }

    /// The end of the worker with this number; -1: there is none.
    int socket(unsigned worker) const noexcept;
    /// Whether a supervisor runs. One system call.
    bool has_supervisor() const noexcept;
    /// In a worker: starts one. That it could not run shows later only. false: no process, said in the log.
    bool start_supervisor(const ProcessSettings& settings, ngx_log_t* log) const noexcept;

private:
    std::vector<SocketPair> pairs_;
    Descriptor alive_;  ///< locked by the supervisor for life
};

}
