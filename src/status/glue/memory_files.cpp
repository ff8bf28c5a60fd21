#include "status/glue/memory_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace edge::status {

namespace {

/// The first 8 KB; empty: it can't be read.
std::string text_of(const std::string& path)
{
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::array<char, 8192> buffer;
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    close(fd);
    return n > 0 ? std::string{buffer.data(), static_cast<std::size_t>(n)} : std::string{};
}

}

MemoryUse read_memory_use()
{
    if (const auto group = cgroup_path(text_of("/proc/self/cgroup"))) {
        const std::string dir = "/sys/fs/cgroup" + *group;
        if (const auto use = cgroup_memory(text_of(dir + "/memory.current"), text_of(dir + "/memory.max")))
            return *use;
    }
    return machine_memory(text_of("/proc/meminfo")).value_or(MemoryUse{});
}

}
