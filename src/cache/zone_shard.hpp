#pragma once

#include "cache/zone.hpp"
#include "cache/zone_ledger.hpp"

namespace edge::cache::zone {

inline constexpr std::uint32_t kNoEntry = ~std::uint32_t{0};

inline std::uint32_t shard_for(const KeyHash& key) noexcept
{
    return static_cast<std::uint32_t>(key.high >> 58);
}

/// A shard held locked by this object; at most one at a time in a process. Entries are given by id, and
/// belong to this shard. If the lock's holder died, the shard is rebuilt from its entries first.
class LockedShard {
public:
    LockedShard(Area area, Ledger& ledger, std::uint32_t index) noexcept;
    ~LockedShard() { unlock_mutex(shard_.mutex); }
    LockedShard(const LockedShard&) = delete;
    LockedShard& operator=(const LockedShard&) = delete;

    Shard& state() noexcept { return shard_; }

    /// The live entry under `key`; kNoEntry: none.
    std::uint32_t find(const KeyHash& key) const noexcept
    {
        for (std::uint32_t link = bucket(key); link != 0;) {
            const Entry& entry = area_.entry(link - 1);
            if (entry.hash_low == key.low && entry.hash_high == key.high) return link - 1;
            link = entry.chain;
        }
        return kNoEntry;
    }

    /// A free entry, its fields as for an object without bytes; still State::free. kNoEntry: all are in use.
    std::uint32_t take_entry() noexcept;
    /// Puts an entry that owns nothing on the free list.
    void give_entry(std::uint32_t id) noexcept;

    /// Into the index and the newest end of `queue`. The status is the caller's to set.
    void enlist(std::uint32_t id, Queue queue) noexcept;
    /// Out of index and queue.
    void delist(std::uint32_t id) noexcept;
    void requeue(std::uint32_t id, Queue from, Queue to) noexcept;
    std::uint32_t oldest(Queue queue) const noexcept
    {
        const std::uint32_t link = ends(queue).oldest;
        return link == 0 ? kNoEntry : link - 1;
    }

    /// A delisted or filling entry that nobody shall find: freed, or dead until its last pin goes. Takes the
    /// ledger's lock.
    void discard(std::uint32_t id) noexcept;
    /// Frees `id` if it is dead and no pin is left. Takes the ledger's lock.
    void bury(std::uint32_t id) noexcept;

private:
    std::uint32_t& bucket(const KeyHash& key) const noexcept
    {
        return area_.buckets(index_)[key.low & (area_.geometry().buckets_per_shard - 1)];
    }
    QueueEnds& ends(Queue queue) const noexcept { return shard_.queues[static_cast<unsigned>(queue)]; }
    void push(std::uint32_t id, Queue queue) noexcept;
    void unlink(std::uint32_t id, Queue queue) noexcept;
    void publish_oldest(Queue queue) noexcept;
    void index_insert(std::uint32_t id) noexcept;
    void index_erase(std::uint32_t id) noexcept;
    void rebuild() noexcept;
    void finish_exchange() noexcept;

    Area area_;
    Ledger& ledger_;
    std::uint32_t index_;
    Shard& shard_;
};

}
