#pragma once

#include "cache/zone_layout.hpp"

namespace edge::cache::zone {

/// Makes a robust, process-shared mutex of zeroed memory. Once, before anybody uses it.
void make_mutex(Mutex& mutex) noexcept;

enum class Taken { no, clean, owner_died };

/// Waits for the mutex. After owner_died: repair, then mark_consistent(), then unlock; who dies before that
/// leaves the same verdict to the next.
Taken lock_mutex(Mutex& mutex) noexcept;
/// Taken::no: somebody alive holds it.
Taken try_lock_mutex(Mutex& mutex) noexcept;
void mark_consistent(Mutex& mutex) noexcept;
void unlock_mutex(Mutex& mutex) noexcept;

}
