#include "image/glue/render_generation.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <new>
#include <string>

namespace edge::image {

namespace {

constexpr int kFirst = 3;  // the supervisor's own descriptors begin here

/// File actions that free themselves.
class FileActions {
public:
    FileActions() noexcept { valid_ = posix_spawn_file_actions_init(&actions_) == 0; }
    ~FileActions()
    {
        if (valid_) posix_spawn_file_actions_destroy(&actions_);
    }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;

    bool put(int fd, int number) noexcept
    {
        return valid_ && posix_spawn_file_actions_adddup2(&actions_, fd, number) == 0;
    }
    bool null(int number, int flags) noexcept
    {
        return valid_ && posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", flags, 0) == 0;
    }
    bool close_from(int number) noexcept
    {
        return valid_ && posix_spawn_file_actions_addclosefrom_np(&actions_, number) == 0;
    }
    const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

private:
    posix_spawn_file_actions_t actions_;
    bool valid_;
};

/// nginx's workers block and handle signals; a child is not to inherit that.
class Attributes {
public:
    Attributes() noexcept
    {
        if (posix_spawnattr_init(&attributes_) != 0) return;
        valid_ = true;
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes_, &none);
        posix_spawnattr_setsigdefault(&attributes_, &all);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    ~Attributes()
    {
        if (valid_) posix_spawnattr_destroy(&attributes_);
    }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;

    const posix_spawnattr_t* get() const noexcept { return valid_ ? &attributes_ : nullptr; }

private:
    posix_spawnattr_t attributes_;
    bool valid_ = false;
};

}

bool RenderGeneration::open(unsigned workers, ngx_log_t* log) noexcept
{
    try {
        alive_ = create_memfd("edge render alive");
        for (unsigned i = 0; alive_ && i < workers; ++i) {
            auto pair = make_socket_pair();
            if (!pair) break;
            pairs_.push_back(std::move(*pair));
        }
    } catch (const std::bad_alloc&) {
        errno = ENOMEM;
    }
    if (alive_ && pairs_.size() == workers) return true;
    ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                  "edge: no sockets for the render processes: images go out as they are");
    pairs_.clear();
    return false;
}

int RenderGeneration::socket(unsigned worker) const noexcept
{
    return worker < pairs_.size() ? pairs_[worker].worker.get() : -1;
}

bool RenderGeneration::has_supervisor() const noexcept
{
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return fcntl(alive_.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool RenderGeneration::start_supervisor(const ProcessSettings& settings, ngx_log_t* log) const noexcept
{
    try {
        // Copies above all target numbers: a descriptor in the child must not be overwritten before it is
        // copied itself.
        const int alive = kFirst + static_cast<int>(pairs_.size());
        const int above = alive + 1;
        std::vector<Descriptor> copies;
        FileActions actions;
        bool ready = actions.null(0, O_RDONLY) && actions.null(1, O_WRONLY);
        const auto give = [&](int fd, int number) {
            copies.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, above));
            ready = ready && copies.back() && actions.put(copies.back().get(), number);
        };
        std::string numbers;
        int number = kFirst;
        for (const SocketPair& pair : pairs_) {
            numbers.append(numbers.empty() ? "" : ",").append(std::to_string(number));
            give(pair.supervisor.get(), number++);
        }
        give(alive_.get(), alive);
        give(log->file != nullptr && log->file->fd != NGX_INVALID_FILE ? log->file->fd : STDERR_FILENO,
             STDERR_FILENO);
        ready = ready && actions.close_from(above);

        std::array<std::string, 12> words{settings.program, "--supervisor",
                                          "--fds",          numbers,
                                          "--alive",        std::to_string(alive),
                                          "--processes",    std::to_string(settings.processes),
                                          "--memory",       std::to_string(settings.memory),
                                          "--queue",        std::to_string(settings.queue)};
        std::array<char*, 13> arguments{};
        for (std::size_t i = 0; i + 1 < arguments.size(); ++i) arguments[i] = words[i].data();
        char* const environment[] = {nullptr};
        const Attributes attributes;
        pid_t pid = 0;
        const int failed = !ready ? errno
                                  : posix_spawn(&pid, settings.program.c_str(), actions.get(),
                                                attributes.get(), arguments.data(), environment);
        if (ready && failed == 0) return true;
        ngx_log_error(NGX_LOG_ERR, log, failed, "edge: \"%s\" can't be started", settings.program.c_str());
    } catch (const std::bad_alloc&) {
        ngx_log_error(NGX_LOG_CRIT, log, 0, "edge: out of memory");
    }
    return false;
}

}
