#pragma once

#include <cstdint>

/// What a process that decodes strangers' files may still do: compute, allocate up to a bound, start threads,
/// talk on the socket it has. It can open, connect, execute and signal nothing.
namespace edge::render {

/// The kernel kills this process when the one that started it dies. False (errno) when it can't.
bool die_with_parent() noexcept;

/// Low priority for the processor (SCHED_BATCH, nice 10), no core files, few descriptors, `memory` bytes of
/// address space more than there are now. Call when everything has been loaded.
void limit_resources(std::uint64_t memory) noexcept;

/// From now on system calls are filtered, in all threads, for ever. False (errno) when the kernel can't.
bool enter_sandbox() noexcept;

/// The processor's time this process may still use, beyond what it has used: the second line after the
/// supervisor, which kills what is over its time.
void limit_cpu_time(std::uint32_t ms) noexcept;

}
