#include "cache/zone_shard.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

namespace edge::cache::zone {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

}

LockedShard::LockedShard(Area area, Ledger& ledger, std::uint32_t index) noexcept
    : area_{area}, ledger_{ledger}, index_{index}, shard_{area.shard(index)}
{
    if (lock_mutex(shard_.mutex) != Taken::owner_died) return;
    rebuild();
    area_.header().counters.recoveries.fetch_add(1, kRelaxed);
    mark_consistent(shard_.mutex);
}

std::uint32_t LockedShard::take_entry() noexcept
{
    std::uint32_t id = kNoEntry;
    if (shard_.free_entries != 0) {
        id = shard_.free_entries - 1;
        shard_.free_entries = area_.entry(id).chain;
    } else {
        const std::uint32_t used = shard_.high_water.load(kRelaxed);
        if (used == area_.geometry().entries_per_shard) return kNoEntry;
        id = index_ * area_.geometry().entries_per_shard + used;
        std::memset(static_cast<void*>(&area_.entry(id)), 0, sizeof(Entry));
        shard_.high_water.store(used + 1, std::memory_order_release);
    }
    Entry& entry = area_.entry(id);
    // The version goes on from the last object's: no process takes a pin of that one for one of this.
    for (Word64& word : entry.pins) word.store(0, kRelaxed);
    entry.chain = entry.older = entry.newer = entry.units = 0;
    entry.version.fetch_add(1, kRelaxed);
    entry.meta.store(0, kRelaxed);
    entry.body_size.store(0, kRelaxed);
    entry.body_offset = entry.overflow = entry.overflow_last = 0;
    entry.extent_count.store(0, kRelaxed);
    entry.retired.store(0, kRelaxed);
    entry.update_until.store(0, kRelaxed);
    return id;
}

void LockedShard::give_entry(std::uint32_t id) noexcept
{
    Entry& entry = area_.entry(id);
    entry.state.store(Status{State::free, Queue::small, 0, 0}.word(), std::memory_order_release);
    entry.chain = shard_.free_entries;
    shard_.free_entries = id + 1;
}

void LockedShard::index_insert(std::uint32_t id) noexcept
{
    Entry& entry = area_.entry(id);
    std::uint32_t& head = bucket({entry.hash_high, entry.hash_low});
    entry.chain = head;
    head = id + 1;
}

void LockedShard::index_erase(std::uint32_t id) noexcept
{
    Entry& entry = area_.entry(id);
    std::uint32_t* link = &bucket({entry.hash_high, entry.hash_low});
    while (*link != 0 && *link != id + 1) link = &area_.entry(*link - 1).chain;
    if (*link != 0) *link = entry.chain;
}

void LockedShard::publish_oldest(Queue queue) noexcept
{
    const std::uint32_t link = ends(queue).oldest;
    const std::uint64_t sequence = link == 0 ? kNever : area_.entry(link - 1).sequence.load(kRelaxed);
    area_.header().oldest[static_cast<unsigned>(queue)][index_].store(sequence, kRelaxed);
}

void LockedShard::push(std::uint32_t id, Queue queue) noexcept
{
    Entry& entry = area_.entry(id);
    QueueEnds& q = ends(queue);
    entry.older = q.newest;
    entry.newer = 0;
    if (q.newest != 0) area_.entry(q.newest - 1).newer = id + 1;
    q.newest = id + 1;
    if (q.oldest != 0) return;
    q.oldest = id + 1;
    publish_oldest(queue);
}

void LockedShard::unlink(std::uint32_t id, Queue queue) noexcept
{
    Entry& entry = area_.entry(id);
    QueueEnds& q = ends(queue);
    if (entry.newer != 0) {
        area_.entry(entry.newer - 1).older = entry.older;
    } else {
        q.newest = entry.older;
    }
    if (entry.older != 0) {
        area_.entry(entry.older - 1).newer = entry.newer;
        return;
    }
    q.oldest = entry.newer;
    publish_oldest(queue);
}

void LockedShard::enlist(std::uint32_t id, Queue queue) noexcept
{
    index_insert(id);
    area_.entry(id).sequence.store(area_.header().sequence.fetch_add(1, kRelaxed), kRelaxed);
    push(id, queue);
}

void LockedShard::delist(std::uint32_t id) noexcept
{
    index_erase(id);
    unlink(id, status_of(area_.entry(id)).queue);
}

void LockedShard::requeue(std::uint32_t id, Queue from, Queue to) noexcept
{
    unlink(id, from);
    area_.entry(id).sequence.store(area_.header().sequence.fetch_add(1, kRelaxed), kRelaxed);
    push(id, to);
}

void LockedShard::discard(std::uint32_t id) noexcept
{
    Entry& entry = area_.entry(id);
    const bool whole = status_of(entry).state == State::live;
    {
        Ledger::Lock lock{ledger_};
        // Dead first: of a process that unpins now, either the bit is gone below or it sees the state and
        // comes back.
        if (any_pins(area_, entry)) ledger_.set_status(entry, {State::dead, Queue::small, 0, 0, whole});
        if (any_pins(area_, entry)) return;
        ledger_.vacate(entry);
    }
    give_entry(id);
}

void LockedShard::bury(std::uint32_t id) noexcept
{
    Entry& entry = area_.entry(id);
    if (status_of(entry).state != State::dead || any_pins(area_, entry)) return;
    {
        Ledger::Lock lock{ledger_};
        ledger_.vacate(entry);
    }
    give_entry(id);
}

/// A process died while it exchanged the meta of this entry: which pins count for which meta is unknown, so
/// the object is given up and all of them hold all of it.
void LockedShard::finish_exchange() noexcept
{
    Entry& entry = area_.entry(shard_.replacing - 1);
    if (status_of(entry).state == State::live) {
        Ledger::Lock lock{ledger_};
        if (const std::uint32_t unit = entry.retired.load(kRelaxed); unit != 0) {
            for (RetiredMeta& old : area_.at_unit<RetiredBlock>(unit).metas) {
                if (old.used.load(kRelaxed) == 0) continue;
                for (unsigned i = 0; i < kSlots / 64; ++i) entry.pins[i].fetch_or(old.pins[i].load(kRelaxed));
                if (old.run.load(kRelaxed).unit == meta_run(entry).unit) old.run.store({}, kRelaxed);
            }
        }
        ledger_.set_status(entry, {State::dead, Queue::small, 0, 0, true});
    }
    shard_.replacing = 0;
}

void LockedShard::rebuild() noexcept
{
    if (shard_.replacing != 0) finish_exchange();

    std::memset(area_.buckets(index_), 0, area_.geometry().buckets_per_shard * sizeof(std::uint32_t));
    shard_.free_entries = 0;
    for (QueueEnds& q : shard_.queues) q = {};

    const std::uint32_t first = index_ * area_.geometry().entries_per_shard;
    const std::uint32_t end = first + shard_.high_water.load(kRelaxed);
    std::vector<std::uint32_t> live;
    try {
        live.reserve(end - first);
    } catch (const std::bad_alloc&) {
        // Without memory to sort in, the queues are in the table's order.
    }
    for (std::uint32_t id = first; id < end; ++id) {
        Entry& entry = area_.entry(id);
        const Status status = status_of(entry);
        switch (status.state) {
            case State::free:
            case State::vacated:
                give_entry(id);
                break;
            case State::live:
                index_insert(id);
                if (live.capacity() != 0) {
                    live.push_back(id);
                } else {
                    push(id, status.queue);
                }
                break;
            case State::filling:
            case State::dead:
                break;
        }
    }
    std::sort(live.begin(), live.end(), [this](std::uint32_t a, std::uint32_t b) {
        return area_.entry(a).sequence.load(kRelaxed) < area_.entry(b).sequence.load(kRelaxed);
    });
    for (const std::uint32_t id : live) push(id, status_of(area_.entry(id)).queue);
    publish_oldest(Queue::small);
    publish_oldest(Queue::main);
    for (std::uint32_t id = first; id < end; ++id) bury(id);
}

}
