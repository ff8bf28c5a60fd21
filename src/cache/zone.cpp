#include "cache/zone.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <new>

#include "cache/zone_view.hpp"

namespace edge::cache {

using zone::Account;
using zone::Entry;
using zone::kNoEntry;
using zone::Ledger;
using zone::LockedShard;
using zone::Queue;
using zone::Slot;
using zone::State;
using zone::Status;
using zone::Taken;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::uint64_t kDeadShare = 4;  // dead bytes may be 1 / this of the zone

static_assert(Zone::kSlots == zone::kSlots);

}

Zone::Zone(void* memory) noexcept : view_{new (std::nothrow) View{memory}} {}

Zone::~Zone()
{
    detach();
}

bool Zone::attached() const noexcept
{
    return view_ && view_->slot != View::kNoSlot;
}

bool Zone::idle() const noexcept
{
    return !view_ || (view_->pins.total() == 0 && view_->fills == 0);
}

bool Zone::attach() noexcept
{
    if (!view_ || !view_->pins.open(view_->area.entries())) return false;
    if (attached()) return true;
    reclaim_dead();
    for (std::uint32_t i = 0; i < kSlots; ++i) {
        Slot& slot = view_->area.header().slots[i];
        const Taken taken = zone::try_lock_mutex(slot.mutex);
        if (taken == Taken::no) continue;
        if (slot.used.load(kRelaxed) != 0) view_->sweep(i);
        slot.used.store(1, std::memory_order_release);
        if (taken == Taken::owner_died) zone::mark_consistent(slot.mutex);
        view_->slot = i;
        view_->process = getpid();
        return true;
    }
    return false;
}

void Zone::detach() noexcept
{
    // A slot that still holds something, or that a parent took, is left to be found dead.
    if (!attached() || !idle() || view_->process != getpid()) return;
    Slot& slot = view_->area.header().slots[view_->slot];
    slot.used.store(0, std::memory_order_release);
    zone::unlock_mutex(slot.mutex);
    view_->slot = View::kNoSlot;
}

unsigned Zone::reclaim_dead() noexcept
{
    if (!view_) return 0;
    unsigned found = 0;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
        Slot& slot = view_->area.header().slots[i];
        if (i == view_->slot || slot.used.load(std::memory_order_acquire) == 0) continue;
        const Taken taken = zone::try_lock_mutex(slot.mutex);
        if (taken == Taken::no) continue;
        if (slot.used.load(kRelaxed) != 0) {
            view_->sweep(i);
            ++found;
        }
        slot.used.store(0, std::memory_order_release);
        if (taken == Taken::owner_died) zone::mark_consistent(slot.mutex);
        zone::unlock_mutex(slot.mutex);
    }
    return found;
}

KeyHash Zone::hash(std::string_view key) const noexcept
{
    const XXH128_hash_t h = XXH3_128bits_withSeed(key.data(), key.size(), view_->area.header().seed);
    return {h.high64, h.low64};
}

Pin Zone::find(const KeyHash& key) noexcept
{
    Pin pin;
    if (!attached()) return pin;
    LockedShard shard{view_->area, view_->ledger, zone::shard_for(key)};
    const std::uint32_t id = shard.find(key);
    if (id == kNoEntry || !view_->pin(id)) return pin;
    Entry& entry = view_->area.entry(id);
    Status status = zone::status_of(entry);
    if (status.frequency < 3) {
        ++status.frequency;
        // Released: who follows the object's fill may see this store instead of that of finish().
        entry.state.store(status.word(), std::memory_order_release);
    }
    pin.zone_ = this;
    pin.entry_ = id;
    pin.version_ = entry.version.load(kRelaxed);
    pin.meta_ = view_->meta(entry);
    return pin;
}

Pin Zone::join(const KeyHash& key, std::uint32_t id) noexcept
{
    Pin pin;
    if (!attached() || id >= view_->area.entries()) return pin;
    if (view_->area.shard_of(id) != zone::shard_for(key)) return pin;
    LockedShard shard = view_->lock_shard_of(id);
    // Beyond the mark an entry's memory was never made one.
    if (id % view_->area.geometry().entries_per_shard >= shard.state().high_water.load(kRelaxed)) return pin;
    Entry& entry = view_->area.entry(id);
    const State state = zone::status_of(entry).state;
    if (state != State::filling && state != State::live) return pin;
    if (KeyHash{entry.hash_high, entry.hash_low} != key) return pin;
    if (entry.meta.load(std::memory_order_acquire) == 0 || !view_->pin(id)) return pin;
    pin.zone_ = this;
    pin.entry_ = id;
    pin.version_ = entry.version.load(kRelaxed);
    pin.meta_ = view_->meta(entry);
    return pin;
}

bool Zone::admits(const KeyHash& key, std::uint64_t bytes) noexcept
{
    if (!attached()) return false;
    const std::uint32_t units = zone::units_for(bytes);
    if (view_->ledger.free_units() >= units) return true;
    LockedShard shard{view_->area, view_->ledger, zone::shard_for(key)};
    if (view_->evictor.remembers(key)) return true;
    view_->evictor.pass(key, units);
    return false;
}

Fill Zone::begin(const KeyHash& key, std::uint64_t body_hint) noexcept
{
    Fill fill;
    if (!attached()) return fill;
    zone::Header& header = view_->area.header();
    const bool too_dead = view_->ledger.units(Account::dead) * kDeadShare > view_->ledger.capacity();
    if (body_hint > header.max_object || too_dead) {
        header.counters.refused.fetch_add(1, kRelaxed);
        return fill;
    }
    LockedShard shard{view_->area, view_->ledger, zone::shard_for(key)};
    std::uint32_t id = shard.take_entry();
    if (id == kNoEntry && view_->evictor.free_entry(shard)) id = shard.take_entry();
    if (id == kNoEntry) {
        header.counters.refused.fetch_add(1, kRelaxed);
        return fill;
    }
    Entry& entry = view_->area.entry(id);
    entry.hash_high = key.high;
    entry.hash_low = key.low;
    entry.sequence.store(0, kRelaxed);  // not that of the object before it
    {
        Ledger::Lock lock{view_->ledger};
        view_->ledger.set_status(entry, {State::filling, Queue::small, 0, view_->slot});
    }
    ++view_->fills;
    fill.zone_ = this;
    fill.entry_ = id;
    fill.hint_ = body_hint;
    return fill;
}

bool Zone::replace_meta(const Pin& object, std::span<const std::byte> meta) noexcept
{
    if (!object || object.zone_ != this) return false;
    Entry& entry = view_->area.entry(object.entry_);
    if (meta.size() + entry.body_size.load(kRelaxed) > view_->area.header().max_object) return false;
    const auto size = static_cast<std::uint32_t>(meta.size());
    bool replaced = false;
    view_->with_room(zone::units_for(size) + 2, [&] {
        LockedShard shard = view_->lock_shard_of(object.entry_);
        if (zone::status_of(entry).state != State::live) return true;
        Ledger::Lock lock{view_->ledger};
        const zone::Run run = view_->ledger.store_meta(meta.data(), size);
        if (run.count == 0) return false;
        replaced = view_->ledger.exchange_meta(shard.state(), object.entry_, run, size);
        return true;
    });
    return replaced;
}

bool Zone::claim_update(const Pin& object, std::int64_t now, std::uint32_t lease) noexcept
{
    if (!object || object.zone_ != this) return false;
    zone::Word32& until = view_->area.entry(object.entry_).update_until;
    const auto time = static_cast<std::uint32_t>(now);
    std::uint32_t seen = until.load(kRelaxed);
    return seen <= time && until.compare_exchange_strong(seen, time + lease, kRelaxed);
}

bool Zone::remove(const KeyHash& key) noexcept
{
    if (!attached()) return false;
    LockedShard shard{view_->area, view_->ledger, zone::shard_for(key)};
    const std::uint32_t id = shard.find(key);
    if (id == kNoEntry) return false;
    // What was popular before a purge is so after it.
    if (zone::status_of(view_->area.entry(id)).queue == Queue::main) view_->evictor.remember(key);
    shard.delist(id);
    shard.discard(id);
    return true;
}

bool Zone::remove(const Pin& object) noexcept
{
    if (!object || object.zone_ != this) return false;
    LockedShard shard = view_->lock_shard_of(object.entry_);
    if (zone::status_of(view_->area.entry(object.entry_)).state != State::live) return false;
    shard.delist(object.entry_);
    shard.discard(object.entry_);
    return true;
}

void Zone::clear() noexcept
{
    constexpr int kPerHold = 64;
    if (!attached()) return;
    for (std::uint32_t s = 0; s < zone::kShards; ++s) {
        std::uint32_t left = view_->area.geometry().entries_per_shard;
        while (left != 0) {
            LockedShard shard{view_->area, view_->ledger, s};
            for (int i = 0; i < kPerHold && left != 0; ++i, --left) {
                std::uint32_t id = shard.oldest(Queue::small);
                if (id == kNoEntry) id = shard.oldest(Queue::main);
                if (id == kNoEntry) {
                    left = 1;
                    continue;
                }
                shard.delist(id);
                shard.discard(id);
            }
        }
    }
}

ZoneStats Zone::stats() const noexcept
{
    if (!view_) return {};
    const Ledger& ledger = view_->ledger;
    const zone::Counters& counters = view_->area.header().counters;
    const std::uint64_t capacity = ledger.capacity() * zone::kUnitBytes;
    return {
        .capacity_bytes = capacity,
        .used_bytes = capacity - ledger.free_units() * zone::kUnitBytes,
        .dead_bytes = ledger.units(Account::dead) * zone::kUnitBytes,
        .objects = ledger.entries(Account::small) + ledger.entries(Account::main),
        .entries_capacity = view_->area.entries(),
        .evictions = counters.evictions.load(kRelaxed),
        .evicted_bytes = counters.evicted_units.load(kRelaxed) * zone::kUnitBytes,
        .refused = counters.refused.load(kRelaxed),
        .recoveries = counters.recoveries.load(kRelaxed),
    };
}

std::uint64_t Zone::next_number() noexcept
{
    return view_->area.header().number.fetch_add(1, kRelaxed) + 1;
}

}
