#include "render/process/memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace edge::render {

namespace {

// Segments that can't be written have never been, so that the file still has all of them.
int release_segments(dl_phdr_info* info, std::size_t, void*) noexcept
{
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
        const auto& segment = info->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
        // Whole pages within it: the first and the last may be shared with a segment that is written.
        const std::uintptr_t start = (info->dlpi_addr + segment.p_vaddr + page - 1) / page * page;
        const std::uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz) / page * page;
        if (end > start) ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
    }
    return 0;
}

}

void release_memory() noexcept
{
    ::malloc_trim(0);
    ::dl_iterate_phdr(release_segments, nullptr);
}

}
