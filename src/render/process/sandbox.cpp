#include "render/process/sandbox.hpp"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace edge::render {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

// Memory, time, threads of this process, and descriptors it has already. Memory may become code: libvips'
// loops are compiled when they are needed.
constexpr int kAllowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(fcntl),
    SCMP_SYS(ftruncate),
    SCMP_SYS(memfd_create),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(getrusage),
    SCMP_SYS(times),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getcpu),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(membarrier),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
};

// What only a taken-over process would try: it ends there.
constexpr int kDeadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(socket),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(bpf),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
};

scmp_arg_cmp first_is(scmp_datum_t value) noexcept
{
    return {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

bool add_rules(scmp_filter_ctx filter) noexcept
{
    for (const int call : kAllowed)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0) return false;
    // Not on every architecture.
    for (const int call : kDeadly) seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0);
    const auto pid = static_cast<scmp_datum_t>(::getpid());
    const auto thread = static_cast<scmp_datum_t>(CLONE_THREAD);
    int failed = 0;
    // Threads, not processes. clone3 hides its flags in memory: libc then takes clone.
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    // fstat() of libc; with this flag a path could be named all the same, which tells nothing but sizes and
    // times.
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                               SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
    // abort() of itself, and nobody else.
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, first_is(pid));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, first_is(PR_SET_NAME));
    // Its own limits only.
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, first_is(0));
    return failed == 0;
}

void limit(__rlimit_resource resource, rlim_t value) noexcept
{
    const rlimit limits{value, value};
    ::setrlimit(resource, &limits);
}

// Bytes of address space in use.
rlim_t address_space() noexcept
{
    unsigned long pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
        if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
        std::fclose(file);
    }
    return static_cast<rlim_t>(pages) * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

}

bool die_with_parent() noexcept
{
    return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

void limit_resources(std::uint64_t memory) noexcept
{
    const sched_param parameters{};
    ::sched_setscheduler(0, SCHED_BATCH, &parameters);
    if (::setpriority(PRIO_PROCESS, 0, 10) != 0) errno = 0;
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 32);
    const rlim_t used = address_space();
    // AddressSanitizer's shadow has no bound.
    if (!kSanitized && used > 0) limit(RLIMIT_AS, used + memory);
}

bool enter_sandbox() noexcept
{
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    // What is not named fails as if it were forbidden: libraries ask for more than they need.
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == nullptr) return false;
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    const bool ready = add_rules(filter);
    const int result = ready ? seccomp_load(filter) : -EINVAL;
    seccomp_release(filter);
    if (result != 0) errno = -result;
    return result == 0;
}

void limit_cpu_time(std::uint32_t ms) noexcept
{
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    rlimit limits{};
    limits.rlim_cur = static_cast<rlim_t>(used.tv_sec) + ms / 1000 + 2;
    limits.rlim_max = RLIM_INFINITY;
    ::setrlimit(RLIMIT_CPU, &limits);
}

}
