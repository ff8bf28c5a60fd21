#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "cache/zone.hpp"
#include "cache/zone_ledger.hpp"

namespace edge::cache {

namespace zone {

namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint32_t kFewestEntries = 16;  // of a shard

std::uint64_t place(std::uint64_t& end, std::uint64_t bytes) noexcept
{
    const std::uint64_t at = end;
    end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return at;
}

/// Zeroes memory without making it resident where the system can: shared memory is punched out.
void zero(std::byte* from, std::byte* to) noexcept
{
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto begin = (reinterpret_cast<std::uintptr_t>(from) + page - 1) / page * page;
    const auto end = reinterpret_cast<std::uintptr_t>(to) / page * page;
    if (begin < end && madvise(reinterpret_cast<void*>(begin), end - begin, MADV_REMOVE) == 0) {
        std::memset(from, 0, begin - reinterpret_cast<std::uintptr_t>(from));
        std::memset(reinterpret_cast<void*>(end), 0, reinterpret_cast<std::uintptr_t>(to) - end);
    } else {
        std::memset(from, 0, static_cast<std::size_t>(to - from));
    }
}

}

Geometry geometry_for(std::uint64_t bytes) noexcept
{
    Geometry g{};
    const std::uint64_t pages = bytes / kPageBytes;
    g.entries_per_shard =
        static_cast<std::uint32_t>(std::max<std::uint64_t>(kFewestEntries, bytes / kBytesPerEntry / kShards));
    g.buckets_per_shard = std::bit_ceil(g.entries_per_shard);
    g.ghosts_per_shard = std::bit_ceil(g.entries_per_shard);
    std::uint64_t end = 0;
    place(end, sizeof(Header));
    g.shards_at = place(end, sizeof(Shard) * kShards);
    g.units_at = place(end, pages * kPageWords * sizeof(std::uint64_t));
    g.busy_pages_at = place(end, (pages + 63) / 64 * sizeof(std::uint64_t));
    g.pages_at = place(end, pages * sizeof(Page));
    g.buckets_at = place(end, std::uint64_t{kShards} * g.buckets_per_shard * sizeof(std::uint32_t));
    g.ghosts_at = place(end, std::uint64_t{kShards} * g.ghosts_per_shard * sizeof(GhostSlot));
    // Entries need no zeroes: each is made when its shard's high water mark reaches it.
    g.entries_at = g.tables_end = end;
    place(end, std::uint64_t{kShards} * g.entries_per_shard * sizeof(Entry));
    g.first_page = static_cast<std::uint32_t>((end + kPageBytes - 1) / kPageBytes);
    g.end_page = static_cast<std::uint32_t>(pages);
    return g;
}

}

bool Zone::usable(const void* memory, const ZoneShape& shape) noexcept
{
    const auto& header = *static_cast<const zone::Header*>(memory);
    if (reinterpret_cast<std::uintptr_t>(memory) % zone::kAlignment != 0) return false;
    if (header.magic.load(std::memory_order_acquire) != zone::kMagic) return false;
    if (header.layout_version != zone::kLayoutVersion) return false;
    if (header.bytes != shape.bytes || header.max_object != shape.max_object) return false;
    const zone::Geometry geometry = zone::geometry_for(shape.bytes);
    return std::memcmp(&geometry, &header.geometry, sizeof geometry) == 0;
}

void Zone::format(void* memory, const ZoneShape& shape, std::uint64_t seed) noexcept
{
    const zone::Area area{static_cast<std::byte*>(memory)};
    const zone::Geometry geometry = zone::geometry_for(shape.bytes);
    zone::Header& header = area.header();
    header.magic.store(0);
    if (shape.bytes < kMinimumBytes || geometry.first_page >= geometry.end_page) return;
    zone::zero(area.base, area.base + geometry.tables_end);

    header.layout_version = zone::kLayoutVersion;
    header.bytes = shape.bytes;
    header.max_object = shape.max_object;
    header.seed = seed;
    std::memcpy(&header.geometry, &geometry, sizeof geometry);
    zone::make_mutex(header.ledger.mutex);
    for (std::uint32_t i = 0; i < zone::kShards; ++i) zone::make_mutex(area.shard(i).mutex);
    for (zone::Slot& slot : header.slots) zone::make_mutex(slot.mutex);
    for (auto& queue : header.oldest) {
        for (zone::Word64& sequence : queue) sequence.store(zone::kNever);
    }
    zone::Ledger{area}.reset();
    header.magic.store(zone::kMagic, std::memory_order_release);
}

}
