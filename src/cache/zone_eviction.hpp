#pragma once

#include "cache/zone_shard.hpp"

namespace edge::cache::zone {

/// S3-FIFO over the whole zone: objects join the small queue; those used again move to main when they reach
/// its end, the others leave, remembered by a fingerprint that lets them join main at once if they come back
/// soon. Hits only count. Each shard has its part of both queues and publishes the age of its oldest; the
/// next victim is the oldest of all, so that the order is that of one queue however few objects a shard
/// holds.
class Evictor {
public:
    Evictor(Area area, Ledger& ledger) noexcept : area_{area}, ledger_{ledger} {}

    /// Evicts until `units` are free. false: nothing is left that could go. No lock is held by the caller.
    bool free_up(std::uint64_t units) noexcept;
    /// Evicts one object of this shard, for its entry. false: none could go.
    bool free_entry(LockedShard& shard) noexcept;

    /// Which queue an object under `key` joins. Under the shard's lock.
    Queue queue_for(const KeyHash& key) const noexcept { return remembers(key) ? Queue::main : Queue::small; }
    /// Whether it was evicted or not admitted lately. Under the shard's lock.
    bool remembers(const KeyHash& key) const noexcept;
    /// An object of so many units is not admitted: as if it had been evicted at once. Under the shard's lock.
    void pass(const KeyHash& key, std::uint32_t units) noexcept;
    /// Notes that an object was worth keeping, or has been evicted just now. Under the shard's lock.
    void remember(const KeyHash& key) noexcept;

private:
    enum class Visit { freed, moved, pinned, none };
    Visit visit(Queue queue, bool force) noexcept;
    void evict(LockedShard& shard, std::uint32_t id) noexcept;
    Queue pressed() const noexcept;
    std::uint32_t clock() const noexcept;
    std::uint32_t shard_of_oldest(Queue queue) const noexcept;

    Area area_;
    Ledger& ledger_;
};

}
