#pragma once

#include <unistd.h>

#include "cache/zone.hpp"
#include "cache/zone_eviction.hpp"
#include "cache/zone_pins.hpp"

namespace edge::cache {

/// What a process has of a zone: where it is mapped, its slot, and how often it pinned what.
struct Zone::View {
    explicit View(void* memory) noexcept
        : area{static_cast<std::byte*>(memory)}, ledger{area}, evictor{area, ledger}
    {}

    static constexpr std::uint32_t kNoSlot = ~std::uint32_t{0};

    zone::Area area;
    zone::Ledger ledger;
    zone::Evictor evictor;
    zone::LocalPins pins;
    std::uint32_t slot = kNoSlot;
    pid_t process = 0;  ///< that took the slot
    std::uint64_t fills = 0;

    std::uint64_t slot_bit() const noexcept { return std::uint64_t{1} << slot % 64; }
    zone::Word64& slot_word(zone::Word64* pins_of) const noexcept { return pins_of[slot / 64]; }
    zone::LockedShard lock_shard_of(std::uint32_t id) noexcept { return {area, ledger, area.shard_of(id)}; }

    /// Counts a pin of the entry's newest version and sets this process's bit. The entry is locked, or
    /// filling by this process. false: no memory to count.
    bool pin(std::uint32_t id) noexcept;
    void unpin(std::uint32_t id, std::uint32_t version) noexcept;
    /// Clears what slot `of` holds: its pins, its fills.
    void sweep(std::uint32_t of) noexcept;

    /// Appends a run to an entry that this process fills, evicting others: `want` units if possible, less but
    /// at_least if not. None: no room.
    zone::Run reserve(zone::Entry& entry, std::uint32_t want, std::uint32_t at_least) noexcept;
    /// Calls `attempt()`, which says whether it found `units` in a row, evicting ever more in between. No
    /// shard is locked by the caller.
    template <class F>
    bool with_room(std::uint32_t units, F&& attempt) noexcept;

    std::span<const std::byte> meta(const zone::Entry& entry) const noexcept
    {
        const auto place = zone::MetaPlace::of(entry.meta.load(std::memory_order_acquire));
        if (place.unit == 0) return {};
        return {area.unit(place.unit), place.bytes};
    }

private:
    void unpin_locked(std::uint32_t id, std::uint32_t version, bool others) noexcept;
};

template <class F>
bool Zone::View::with_room(std::uint32_t units, F&& attempt) noexcept
{
    // Ends when nothing is left to evict; the number is for a zone whose other users take all that is freed.
    constexpr int kTries = 4096;
    std::uint64_t wanted = units;
    for (int i = 0; i < kTries; ++i) {
        const bool all_freed = evictor.free_up(wanted);
        if (attempt()) return true;
        if (!all_freed) return false;
        wanted = ledger.free_units() + units;
    }
    return false;
}

}
