#include "cache/zone_ledger.hpp"

#include <algorithm>
#include <cstring>

namespace edge::cache::zone {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kOrdered = std::memory_order_seq_cst;

unsigned number(Account account) noexcept
{
    return static_cast<unsigned>(account);
}

}

Account account_of(Status status) noexcept
{
    switch (status.state) {
        case State::filling:
            return Account::filling;
        case State::live:
            return status.queue == Queue::small ? Account::small : Account::main;
        case State::dead:
            return Account::dead;
        default:
            return Account::none;
    }
}

Run meta_run(const Entry& entry) noexcept
{
    const auto place = MetaPlace::of(entry.meta.load(std::memory_order_acquire));
    const bool inside =
        entry.extent_count.load(kRelaxed) != 0 && entry.extents[0].load(kRelaxed).unit == place.unit;
    if (place.unit == 0 || inside) return {place.unit, 0};
    return {place.unit, std::max(1U, units_for(place.bytes))};
}

bool any_pins(Area area, const Entry& entry) noexcept
{
    if ((entry.pins[0].load(kOrdered) | entry.pins[1].load(kOrdered)) != 0) return true;
    const std::uint32_t retired = entry.retired.load(kRelaxed);
    if (retired == 0) return false;
    for (const RetiredMeta& old : area.at_unit<RetiredBlock>(retired).metas) {
        if (old.used.load(kRelaxed) != 0 && (old.pins[0].load(kRelaxed) | old.pins[1].load(kRelaxed)) != 0)
            return true;
    }
    return false;
}

Ledger::Lock::Lock(Ledger& ledger) noexcept : mutex_{ledger.state_.mutex}
{
    if (lock_mutex(mutex_) != Taken::owner_died) return;
    ledger.rebuild();
    ledger.area_.header().counters.recoveries.fetch_add(1, kRelaxed);
    mark_consistent(mutex_);
}

void Ledger::charge(Entry& entry, std::uint32_t units) noexcept
{
    entry.units += units;
    state_.units[number(account_of(status_of(entry)))].fetch_add(units, kRelaxed);
}

void Ledger::credit(Entry& entry, std::uint32_t units) noexcept
{
    entry.units -= units;
    state_.units[number(account_of(status_of(entry)))].fetch_sub(units, kRelaxed);
}

void Ledger::set_status(Entry& entry, Status status) noexcept
{
    const Account from = account_of(status_of(entry)), to = account_of(status);
    // Ordered against unpinning, which clears its bit and then reads the state.
    entry.state.store(status.word(), kOrdered);
    if (from == to) return;
    if (from != Account::none) {
        state_.units[number(from)].fetch_sub(entry.units, kRelaxed);
        state_.entries[number(from)].fetch_sub(1, kRelaxed);
    }
    if (to != Account::none) {
        state_.units[number(to)].fetch_add(entry.units, kRelaxed);
        state_.entries[number(to)].fetch_add(1, kRelaxed);
    }
}

Run Ledger::extend(Entry& entry, std::uint32_t want, std::uint32_t at_least) noexcept
{
    const std::uint32_t index = entry.extent_count.load(kRelaxed);
    const std::uint32_t beyond = index - kInlineExtents;
    const bool new_block = index >= kInlineExtents && beyond % kBlockExtents == 0;
    if (free_units() < std::uint64_t{at_least} + (new_block ? 1 : 0)) return {};
    std::uint32_t block = entry.overflow_last;
    if (new_block) {
        block = units_.take(1).unit;
        area_.at_unit<ExtentBlock>(block).next = 0;
    }
    const Run run = units_.take(want);
    if (run.count < at_least) {
        if (run.count != 0) units_.give(run);
        if (new_block) units_.give({block, 1});
        return {};
    }
    if (index < kInlineExtents) {
        entry.extents[index].store(run, kRelaxed);
    } else {
        area_.at_unit<ExtentBlock>(block).extents[beyond % kBlockExtents].store(run, kRelaxed);
        if (new_block) {
            if (beyond == 0) {
                entry.overflow = block;
            } else {
                area_.at_unit<ExtentBlock>(entry.overflow_last).next = block;
            }
            entry.overflow_last = block;
        }
    }
    entry.extent_count.store(index + 1, kRelease);
    charge(entry, run.count + (new_block ? 1 : 0));
    return run;
}

void Ledger::trim(Entry& entry, std::uint32_t units) noexcept
{
    if (units == 0) return;
    const std::uint32_t last = entry.extent_count.load(kRelaxed) - 1;
    const std::uint32_t beyond = last - kInlineExtents;
    ListedRun& listed = last < kInlineExtents
                            ? entry.extents[last]
                            : area_.at_unit<ExtentBlock>(entry.overflow_last).extents[beyond % kBlockExtents];
    const Run run = listed.load(kRelaxed);
    if (units < run.count) {
        listed.store({run.unit, run.count - units}, kRelease);
    } else {
        entry.extent_count.store(last, kRelease);
        if (last >= kInlineExtents && beyond % kBlockExtents == 0) {
            credit(entry, 1);
            units_.give({entry.overflow_last, 1});
        }
    }
    credit(entry, units);
    units_.give({run.unit + run.count - units, units});
}

Run Ledger::store_meta(const void* bytes, std::uint32_t size) noexcept
{
    const std::uint32_t want = std::max(1U, units_for(size));
    const Run run = units_.take(want);
    if (run.count < want) {
        if (run.count != 0) units_.give(run);
        return {};
    }
    if (size != 0) std::memcpy(area_.unit(run.unit), bytes, size);
    return run;
}

void Ledger::set_meta(Entry& entry, Run run, std::uint32_t size) noexcept
{
    entry.meta.store(MetaPlace{run.unit, size}.word(), kRelease);
    entry.update_until.store(0, kRelaxed);
    charge(entry, run.count);
}

void Ledger::sweep_retired(Entry& entry) noexcept
{
    const std::uint32_t unit = entry.retired.load(kRelaxed);
    if (unit == 0) return;
    bool used = false;
    for (RetiredMeta& old : area_.at_unit<RetiredBlock>(unit).metas) {
        if (old.used.load(kRelaxed) == 0) continue;
        if ((old.pins[0].load(kRelaxed) | old.pins[1].load(kRelaxed)) != 0) {
            used = true;
            continue;
        }
        const Run run = old.run.load(kRelaxed);
        old.used.store(0, kRelease);
        if (run.count == 0) continue;
        credit(entry, run.count);
        units_.give(run);
    }
    if (used) return;
    entry.retired.store(0, kRelease);
    credit(entry, 1);
    units_.give({unit, 1});
}

bool Ledger::exchange_meta(Shard& shard, std::uint32_t id, Run run, std::uint32_t size) noexcept
{
    Entry& entry = area_.entry(id);
    sweep_retired(entry);
    if (entry.retired.load(kRelaxed) == 0) {
        const Run block = units_.take(1);
        if (block.count == 0) {
            units_.give(run);
            return false;
        }
        std::memset(area_.unit(block.unit), 0, kUnitBytes);
        entry.retired.store(block.unit, kRelease);
        charge(entry, 1);
    }
    RetiredMeta* place = nullptr;
    for (RetiredMeta& old : area_.at_unit<RetiredBlock>(entry.retired.load(kRelaxed)).metas) {
        if (old.used.load(kRelaxed) == 0) place = &old;
    }
    if (place == nullptr) {
        units_.give(run);
        return false;
    }
    // Whoever dies from here on leaves `replacing` behind: the shard's recovery then drops the object,
    // keeping every pin of any version.
    shard.replacing = id + 1;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const std::uint32_t version = entry.version.load(kRelaxed);
    place->run.store(meta_run(entry), kRelaxed);
    place->version = version;
    for (Word64& word : place->pins) word.store(0, kRelaxed);
    place->used.store(1, kRelease);
    // First the version, then the bits: who unpins meanwhile clears its bit and then reads the version, hence
    // either its bit is not seen here or it comes to clear the copy.
    entry.version.store(version + 1, kOrdered);
    std::uint64_t held[kSlots / 64];
    for (unsigned i = 0; i < kSlots / 64; ++i) {
        held[i] = entry.pins[i].load(kOrdered);
        place->pins[i].store(held[i], kOrdered);
    }
    entry.meta.store(MetaPlace{run.unit, size}.word(), kRelease);
    entry.update_until.store(0, kRelaxed);
    charge(entry, run.count);
    for (unsigned i = 0; i < kSlots / 64; ++i) entry.pins[i].fetch_and(~held[i], kOrdered);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    shard.replacing = 0;
    return true;
}

void Ledger::vacate(Entry& entry) noexcept
{
    // Nothing is owned from this store on, so a death below only leaves bits to rebuild.
    set_status(entry, {State::vacated, Queue::small, 0, 0});
    each_owned(area_, entry, [this](Run run) { units_.give(run); });
    entry.units = 0;
}

void Ledger::reset() noexcept
{
    units_.reset();
    for (Word64& word : state_.units) word.store(0, kRelaxed);
    for (Word64& word : state_.entries) word.store(0, kRelaxed);
}

void Ledger::rebuild() noexcept
{
    reset();
    const std::uint32_t per_shard = area_.geometry().entries_per_shard;
    for (std::uint32_t s = 0; s < kShards; ++s) {
        const std::uint32_t used = area_.shard(s).high_water.load(std::memory_order_acquire);
        for (std::uint32_t i = 0; i < used; ++i) {
            Entry& entry = area_.entry(s * per_shard + i);
            const Account account = account_of(status_of(entry));
            if (account == Account::none) continue;
            entry.units = 0;
            each_owned(area_, entry, [&](Run run) {
                units_.mark(run);
                entry.units += run.count;
            });
            state_.units[number(account)].fetch_add(entry.units, kRelaxed);
            state_.entries[number(account)].fetch_add(1, kRelaxed);
        }
    }
    units_.relist();
}

}
