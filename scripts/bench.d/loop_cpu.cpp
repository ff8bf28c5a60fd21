// Preloaded into nginx: how much processor time one turn of a worker's event loop takes, from the return of
// epoll_wait to the next call of it. Time that the processor gives to others meanwhile does not count.
//
// EDGE_LOOP_CPU: a file of 4096 bytes, shared by all workers; what is in it can be read, and set to zero, at
// any time: "turns, nanoseconds in all, the longest, turns over 1 ms", 64-bit numbers. Turns without events do
// not count.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

struct Page {
    std::atomic<std::uint64_t> turns, all, longest, over;
};

std::uint64_t used() noexcept
{
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

Page* page() noexcept
{
    const char* const path = std::getenv("EDGE_LOOP_CPU");
    // The render supervisor has a loop of its own.
    if (path == nullptr || std::strstr(program_invocation_short_name, "nginx") == nullptr) return nullptr;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return nullptr;
    void* const at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<Page*>(at);
}

Page* const shared = page();  // before the workers are forked
std::uint64_t returned = 0;   // when epoll_wait last did, with events

}

extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int timeout)
{
    using Call = int (*)(int, epoll_event*, int, int);
    static const Call call = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "epoll_wait"));
    if (shared != nullptr && returned != 0) {
        const std::uint64_t took = used() - returned;
        ++shared->turns;
        shared->all += took;
        if (took > 1'000'000) ++shared->over;
        std::uint64_t longest = shared->longest;
        while (took > longest && !shared->longest.compare_exchange_weak(longest, took)) {
        }
    }
    const int n = call(epoll, events, most, timeout);
    returned = shared != nullptr && n >= 0 ? used() : 0;
    return n;
}
