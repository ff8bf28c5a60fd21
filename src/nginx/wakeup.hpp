#pragma once

#include <cstdint>

#include "nginx/ngx.hpp"

namespace edge::ngx {

/// Wake-ups between the workers of one master, of old configurations too: a fixed pool of eventfds that the
/// master makes once, before its first workers, and every worker inherits under the same numbers. Each worker
/// claims one slot for life. A wake-up carries no message: whoever is woken looks for itself what has
/// changed.
inline constexpr unsigned kMostWakeups = 256;

/// In the master (init_module of every configuration; only the first makes anything). false: no descriptors
/// or memory, said in the log; nobody can be woken then, and waiting is by polling.
bool make_wakeups(ngx_cycle_t* cycle) noexcept;

/// In a worker that starts: claims a slot. Returns it, or kMostWakeups when there is none to be had.
unsigned claim_wakeup(ngx_cycle_t* cycle) noexcept;
/// `woken` is called on each wake-up, from the event loop, after those that were named before. At most four.
void listen_for_wakeups(void (*woken)() noexcept) noexcept;
/// In a worker that ends.
void release_wakeup() noexcept;

/// Wakes the worker in `slot`, which may be this one: it is called from the event loop, never from in
/// here. Slots nobody has, and numbers out of range, are ignored.
void wake(unsigned slot) noexcept;

}
