#include "cache/zone_lock.hpp"

#include <cerrno>
#include <cstdlib>

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
    const Taken result = taken(pthread_mutex_lock(mutex.get()));
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
