#include "cache/zone_lock.hpp"

#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace edge::cache::zone {

namespace {

Taken taken(int rc) noexcept
{
    if (rc == 0) return Taken::clean;
    if (rc == EOWNERDEAD) return Taken::owner_died;
    return Taken::no;
}

}

void make_mutex(Mutex& mutex) noexcept
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex.get(), &attributes);
    pthread_mutexattr_destroy(&attributes);
}

Taken lock_mutex(Mutex& mutex) noexcept
{
    int rc = pthread_mutex_trylock(mutex.get());
    while (rc == EBUSY || rc == ETIMEDOUT) {
        // A process that is killed just after an unlock woke it takes that wake-up with it; if a third one
        // has the mutex by then, the kernel does not wake another in its stead. So nobody waits for ever.
        constexpr long kRetry = 10'000'000, kSecond = 1'000'000'000;  // ns
        timespec until{};
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += kRetry;
        if (until.tv_nsec >= kSecond) {
            until.tv_nsec -= kSecond;
            ++until.tv_sec;
        }
        rc = pthread_mutex_clocklock(mutex.get(), CLOCK_MONOTONIC, &until);
    }
    const Taken result = taken(rc);
    // Only memory that is no mutex gets here: going on would serve wrong bytes.
    if (result == Taken::no) std::abort();
    return result;
}

Taken try_lock_mutex(Mutex& mutex) noexcept
{
    return taken(pthread_mutex_trylock(mutex.get()));
}

void mark_consistent(Mutex& mutex) noexcept
{
    pthread_mutex_consistent(mutex.get());
}

void unlock_mutex(Mutex& mutex) noexcept
{
    pthread_mutex_unlock(mutex.get());
}

}
