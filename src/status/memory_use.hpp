#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// How much memory there is and how much is taken, out of what Linux says of it. Pure: the texts of the files
/// come in.
namespace edge::status {

/// Bytes.
struct MemoryUse {
    std::uint64_t used = 0;
    std::uint64_t limit = 0;  ///< 0: not known
};

/// The directory of a process's control group below /sys/fs/cgroup, by /proc/self/cgroup: what follows "0::"
/// in its line of version 2. std::nullopt: there is none, or it leads outside.
std::optional<std::string> cgroup_path(std::string_view proc_self_cgroup);
/// From memory.current and memory.max. std::nullopt: not understood, or without a limit.
std::optional<MemoryUse> cgroup_memory(std::string_view current, std::string_view max) noexcept;
/// The machine's, from /proc/meminfo: used is what is not available.
std::optional<MemoryUse> machine_memory(std::string_view meminfo) noexcept;

}
