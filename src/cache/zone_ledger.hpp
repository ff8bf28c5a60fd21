#pragma once

#include "cache/zone_layout.hpp"
#include "cache/zone_lock.hpp"
#include "cache/zone_units.hpp"

namespace edge::cache::zone {

Account account_of(Status status) noexcept;
inline Status status_of(const Entry& entry) noexcept
{
    return Status::of(entry.state.load(std::memory_order_acquire));
}
/// The meta's own run; none when it lies in the first extent or there is no meta.
Run meta_run(const Entry& entry) noexcept;
/// Whether any process holds a pin, of whatever version.
bool any_pins(Area area, const Entry& entry) noexcept;

/// Calls f(Run) for each of the entry's extents, in order.
template <class F>
void each_extent(Area area, const Entry& entry, F&& f) noexcept
{
    const std::uint32_t count = entry.extent_count.load(std::memory_order_acquire);
    std::uint32_t block = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (i < kInlineExtents) {
            f(entry.extents[i].load(std::memory_order_relaxed));
            continue;
        }
        const std::uint32_t in_block = (i - kInlineExtents) % kBlockExtents;
        if (in_block == 0) block = block == 0 ? entry.overflow : area.at_unit<ExtentBlock>(block).next;
        f(area.at_unit<ExtentBlock>(block).extents[in_block].load(std::memory_order_relaxed));
    }
}

/// Calls f(Run) for everything the entry owns, in no order. f may give the run away.
template <class F>
void each_owned(Area area, const Entry& entry, F&& f) noexcept
{
    each_extent(area, entry, f);
    const std::uint32_t count = entry.extent_count.load(std::memory_order_acquire);
    std::uint32_t block = entry.overflow;
    for (std::uint32_t i = kInlineExtents; i < count; i += kBlockExtents) {
        // The next link is read before f() may give the block away.
        const std::uint32_t next = area.at_unit<ExtentBlock>(block).next;
        f(Run{block, 1});
        block = next;
    }
    const Run meta = meta_run(entry);
    if (meta.count != 0) f(meta);
    if (const std::uint32_t retired = entry.retired.load(std::memory_order_acquire); retired != 0) {
        for (const RetiredMeta& old : area.at_unit<RetiredBlock>(retired).metas) {
            const Run run = old.run.load(std::memory_order_relaxed);
            // A process that died while it retired a meta left it listed twice.
            if (old.used.load(std::memory_order_acquire) != 0 && run.count != 0 && run.unit != meta.unit)
                f(run);
        }
        f(Run{retired, 1});
    }
}

/// Who owns which units, and the totals. Every change of ownership and of an entry's account happens inside
/// one hold of its lock, together with the entry's list: whoever gets the lock after a death rebuilds all of
/// it from the entries. Taken after a shard's lock, never before.
class Ledger {
public:
    explicit Ledger(Area area) noexcept : area_{area}, units_{area}, state_{area.header().ledger} {}

    class Lock {
    public:
        explicit Lock(Ledger& ledger) noexcept;
        ~Lock() { unlock_mutex(mutex_); }
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;

    private:
        Mutex& mutex_;
    };

    // Under the lock:

    void set_status(Entry& entry, Status status) noexcept;
    /// Appends a run of at_least..want units to the entry's extents. None: there is no such run; nothing
    /// changed.
    Run extend(Entry& entry, std::uint32_t want, std::uint32_t at_least) noexcept;
    /// Takes the last `units` off the last extent.
    void trim(Entry& entry, std::uint32_t units) noexcept;
    /// Copies `bytes` to a run of its own, not listed yet: list it with set_meta() or exchange_meta() in this
    /// hold.
    Run store_meta(const void* bytes, std::uint32_t size) noexcept;
    void set_meta(Entry& entry, Run run, std::uint32_t size) noexcept;
    /// Makes `run` the entry's meta, keeping the old one for those who pinned it. false: too many are kept,
    /// or there is no unit to note it in; `run` is given back. The shard's lock is held, too.
    bool exchange_meta(Shard& shard, std::uint32_t id, Run run, std::uint32_t size) noexcept;
    /// Frees retired metas without pins. The shard's lock is held, too.
    void sweep_retired(Entry& entry) noexcept;
    /// Frees all the entry owns.
    void vacate(Entry& entry) noexcept;

    std::uint64_t free_units() const noexcept { return state_.free_units.load(std::memory_order_relaxed); }
    std::uint64_t capacity() const noexcept { return units_.capacity(); }
    std::uint64_t units(Account account) const noexcept
    {
        return state_.units[static_cast<unsigned>(account)].load(std::memory_order_relaxed);
    }
    std::uint64_t entries(Account account) const noexcept
    {
        return state_.entries[static_cast<unsigned>(account)].load(std::memory_order_relaxed);
    }

    /// All free, no totals: for format().
    void reset() noexcept;

private:
    void rebuild() noexcept;
    void charge(Entry& entry, std::uint32_t units) noexcept;
    void credit(Entry& entry, std::uint32_t units) noexcept;

    Area area_;
    Units units_;
    LedgerState& state_;
};

}
