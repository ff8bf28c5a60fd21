#include "cache/zone_eviction.hpp"

namespace edge::cache::zone {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

constexpr std::uint32_t kPromotedAt = 1;        ///< uses that move an object from small to main
constexpr std::uint32_t kMovesPerVictim = 128;  ///< then the next one goes, used or not
// Of the objects' bytes. A tenth, as S3-FIFO has it, answers up to two points more where popularity is all
// that counts, but up to three less than an LRU where recency is. See scripts/bench hitratio.
constexpr std::uint64_t kSmallPercent = 36;

Queue other(Queue queue) noexcept
{
    return queue == Queue::small ? Queue::main : Queue::small;
}

std::uint32_t fingerprint(const KeyHash& key) noexcept
{
    return static_cast<std::uint32_t>(key.low >> 32) | 1;
}

}

Queue Evictor::pressed() const noexcept
{
    const std::uint64_t small = ledger_.units(Account::small), main = ledger_.units(Account::main);
    return main == 0 || small * 100 > (small + main) * kSmallPercent ? Queue::small : Queue::main;
}

std::uint32_t Evictor::shard_of_oldest(Queue queue) const noexcept
{
    const Word64* oldest = area_.header().oldest[static_cast<unsigned>(queue)];
    std::uint32_t found = kShards;
    std::uint64_t least = kNever;
    for (std::uint32_t i = 0; i < kShards; ++i) {
        const std::uint64_t sequence = oldest[i].load(kRelaxed);
        if (sequence < least) {
            least = sequence;
            found = i;
        }
    }
    return found;
}

void Evictor::evict(LockedShard& shard, std::uint32_t id) noexcept
{
    Entry& entry = area_.entry(id);
    Counters& counters = area_.header().counters;
    counters.evictions.fetch_add(1, kRelaxed);
    counters.evicted_units.fetch_add(entry.units, kRelaxed);
    remember({entry.hash_high, entry.hash_low});
    shard.delist(id);
    shard.discard(id);
}

Evictor::Visit Evictor::visit(Queue queue, bool force) noexcept
{
    const std::uint32_t index = shard_of_oldest(queue);
    if (index == kShards) return Visit::none;
    LockedShard shard{area_, ledger_, index};
    const std::uint32_t id = shard.oldest(queue);
    if (id == kNoEntry) return Visit::moved;  // another process took it
    Entry& entry = area_.entry(id);
    Status status = status_of(entry);
    const bool used = status.frequency >= (queue == Queue::small ? kPromotedAt : 1);
    if (used && !force) {
        shard.requeue(id, queue, Queue::main);
        status.frequency = queue == Queue::small ? 0 : status.frequency - 1;
        status.queue = Queue::main;
        if (queue == Queue::main) {
            entry.state.store(status.word(), std::memory_order_release);
        } else {
            Ledger::Lock lock{ledger_};
            ledger_.set_status(entry, status);
        }
        return Visit::moved;
    }
    if (any_pins(area_, entry)) {
        shard.requeue(id, queue, queue);
        return Visit::pinned;
    }
    evict(shard, id);
    return Visit::freed;
}

bool Evictor::free_up(std::uint64_t units) noexcept
{
    std::uint32_t moved = 0;
    std::uint64_t pinned = 0;
    bool other_queue = false;
    while (ledger_.free_units() < units) {
        const Queue queue = other_queue ? other(pressed()) : pressed();
        Visit result = visit(queue, moved >= kMovesPerVictim);
        if (result == Visit::none) result = visit(other(queue), moved >= kMovesPerVictim);
        switch (result) {
            case Visit::none:
                return false;
            case Visit::freed:
                moved = 0;
                break;
            case Visit::moved:
                ++moved;
                break;
            case Visit::pinned:
                // A queue may be full of what is being sent just now.
                other_queue = !other_queue;
                if (++pinned >
                    2 * (ledger_.entries(Account::small) + ledger_.entries(Account::main)) + kShards) {
                    return false;
                }
                break;
        }
    }
    return true;
}

bool Evictor::free_entry(LockedShard& shard) noexcept
{
    for (const Queue queue : {pressed(), other(pressed())}) {
        std::uint32_t id = shard.oldest(queue);
        for (std::uint32_t i = 0; id != kNoEntry && i < area_.geometry().entries_per_shard; ++i) {
            if (!any_pins(area_, area_.entry(id))) {
                evict(shard, id);
                return true;
            }
            const std::uint32_t newer = area_.entry(id).newer;
            id = newer == 0 ? kNoEntry : newer - 1;
        }
    }
    return false;
}

std::uint32_t Evictor::clock() const noexcept
{
    const Counters& counters = area_.header().counters;
    return static_cast<std::uint32_t>(counters.evicted_units.load(kRelaxed) +
                                      counters.passed_units.load(kRelaxed));
}

bool Evictor::remembers(const KeyHash& key) const noexcept
{
    const std::uint32_t now = clock();
    const std::uint32_t mask = area_.geometry().ghosts_per_shard / kGhostWays - 1;
    const GhostSlot* ways = area_.ghosts(shard_for(key)) + (key.high & mask) * kGhostWays;
    for (std::uint32_t i = 0; i < kGhostWays; ++i) {
        if (ways[i].fingerprint == fingerprint(key) && now - ways[i].stamp <= ledger_.capacity()) return true;
    }
    return false;
}

void Evictor::pass(const KeyHash& key, std::uint32_t units) noexcept
{
    area_.header().counters.passed_units.fetch_add(units, kRelaxed);
    remember(key);
}

void Evictor::remember(const KeyHash& key) noexcept
{
    const std::uint32_t now = clock();
    const std::uint32_t mask = area_.geometry().ghosts_per_shard / kGhostWays - 1;
    GhostSlot* ways = area_.ghosts(shard_for(key)) + (key.high & mask) * kGhostWays;
    GhostSlot* place = ways;
    for (std::uint32_t i = 0; i < kGhostWays; ++i) {
        if (ways[i].fingerprint == 0 || ways[i].fingerprint == fingerprint(key)) {
            place = &ways[i];
            break;
        }
        if (now - ways[i].stamp > now - place->stamp) place = &ways[i];
    }
    *place = {fingerprint(key), now};
}

}
