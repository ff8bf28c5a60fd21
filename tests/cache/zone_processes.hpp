#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <new>
#include <random>
#include <string>
#include <utility>

/// Other processes for the store's tests.
namespace edge::cache {

/// A T that this process and its children share; all zeroes at first.
template <class T>
class Shared {
public:
    Shared()
    {
        void* memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        object_ = ::new (memory) T{};
    }
    ~Shared() { munmap(object_, sizeof(T)); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    T* operator->() const { return object_; }
    T& operator*() const { return *object_; }

private:
    T* object_;
};

/// A forked process that runs `body()` and ends with what it returns. Killed when this object goes.
class Child {
public:
    template <class F>
    explicit Child(F&& body) : pid_{fork()}
    {
        if (pid_ != 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // no test that is killed leaves one running
        int code = 99;
        try {
            code = body();
        } catch (...) {
        }
        _exit(code);
    }
    Child(Child&& other) noexcept : pid_{std::exchange(other.pid_, -1)} {}
    Child& operator=(Child&& other) noexcept
    {
        std::swap(pid_, other.pid_);
        return *this;
    }
    ~Child()
    {
        if (pid_ > 0) kill_now();
    }

    pid_t pid() const { return pid_; }
    /// The exit code; 128 + the signal that ended it. SIGKILL, if it does not end within five minutes.
    int wait()
    {
        int status = 0;
        for (int i = 0; waitpid(pid_, &status, WNOHANG) == 0; ++i) {
            if (i == 600000) ::kill(pid_, SIGKILL);
            usleep(500);
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    /// Ended by SIGKILL wherever it is just now; true: that is what ended it.
    bool kill_now()
    {
        ::kill(pid_, SIGKILL);
        int status = 0;
        waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }

private:
    pid_t pid_;
};

/// What children found wrong: the first of them, for a test's message.
struct Findings {
    std::atomic<unsigned> count;
    char first[200];

    void add(const std::string& what)
    {
        if (count.fetch_add(1) == 0) std::snprintf(first, sizeof first, "%s", what.c_str());
    }
};

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_{seed} {}
    std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

private:
    std::mt19937_64 engine_;
};

}
