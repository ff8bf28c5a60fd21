#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// What the bytes of a zone mean. Every struct is fixed-width and standard-layout, all references are indices
/// or unit numbers, so that each process may map the zone where it likes. Any change here changes
/// kLayoutVersion.
///
/// Order in the mapping: Header, Shard[kShards], bitmap of units, bitmap of pages, Page[], index buckets,
/// ghosts, Entry[], then the pages that hold meta and bodies. All-zero tables are an empty zone: a page of
/// memory is first touched when it is first needed.
///
/// Truth: the entries. Index, queues and free lists of a shard, the bitmaps, page lists and totals can be
/// rebuilt from the entries alone, at any instant at which a process may have died.
namespace edge::cache::zone {

inline constexpr std::uint64_t kMagic = 0x31656e6f7a656465;  // "edezone1", little-endian
inline constexpr std::uint32_t kLayoutVersion = 3;
inline constexpr std::uint32_t kShards = 64;
inline constexpr std::uint32_t kSlots = 128;
inline constexpr std::uint32_t kUnitBytes = 256;
inline constexpr std::uint32_t kPageUnits = 256;
inline constexpr std::uint32_t kPageBytes = kUnitBytes * kPageUnits;
inline constexpr std::uint32_t kPageWords = kPageUnits / 64;
inline constexpr std::uint32_t kRunClasses = 8;  ///< of partly used pages, by log2 of their longest free run
inline constexpr std::uint32_t kBytesPerEntry = 1024;  ///< of the zone, for one entry
inline constexpr std::uint32_t kGhostWays = 4;
inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

/// A robust, process-shared pthread mutex.
struct Mutex {
    alignas(8) unsigned char storage[48];
    pthread_mutex_t* get() noexcept { return reinterpret_cast<pthread_mutex_t*>(storage); }
};
static_assert(sizeof(pthread_mutex_t) <= sizeof(Mutex) && alignof(pthread_mutex_t) <= alignof(Mutex));

/// `count` units from `unit` on. Units are numbered from the start of the mapping: 0 is the header, hence
/// "none".
struct Run {
    std::uint32_t unit;
    std::uint32_t count;
};
static_assert(sizeof(Run) == 8 && std::has_unique_object_representations_v<Run>);

/// A run as the entry lists it: changed by one store, so that it is always whole.
using ListedRun = std::atomic<Run>;
static_assert(ListedRun::is_always_lock_free && sizeof(ListedRun) == 8);

using Word32 = std::atomic<std::uint32_t>;
using Word64 = std::atomic<std::uint64_t>;
static_assert(Word32::is_always_lock_free && Word64::is_always_lock_free);

enum class State : std::uint32_t {
    free,     ///< on its shard's free list
    filling,  ///< being written by the process in slot `owner`; not findable
    live,     ///< in the index and in a queue
    dead,     ///< not findable, held by pins
    vacated,  ///< owns nothing any more; about to be free
};
enum class Queue : std::uint32_t { small, main };
inline constexpr unsigned kQueues = 2;

/// Entry::state taken apart.
struct Status {
    State state;
    Queue queue;              ///< live only
    std::uint32_t frequency;  ///< 0..3, live only
    std::uint32_t owner;      ///< slot, filling only
    bool whole = false;       ///< dead only: it was live before

    static constexpr Status of(std::uint32_t word) noexcept
    {
        return {static_cast<State>(word & 7), static_cast<Queue>(word >> 3 & 1), word >> 4 & 3,
                word >> 8 & 0xff, (word >> 6 & 1) != 0};
    }
    constexpr std::uint32_t word() const noexcept
    {
        return static_cast<std::uint32_t>(state) | static_cast<std::uint32_t>(queue) << 3 | frequency << 4 |
               (whole ? 1U << 6 : 0U) | owner << 8;
    }
};

inline constexpr std::uint32_t kInlineExtents = 3;
inline constexpr std::uint32_t kBlockExtents = 31;

/// One object. What it owns: the first `extent_count` extents, the overflow blocks these need, the meta's run
/// when it lies in none of them, the retired block and what its records list. Ownership and state change only
/// under the ledger's lock; index, queues and pins are set only under the shard's.
struct Entry {
    std::uint64_t hash_high, hash_low;
    Word64 pins[kSlots / 64];    ///< bit per slot: that process holds pins of the current version
    Word32 state;                ///< a Status
    Word32 version;              ///< of the meta; + 1 with each replacement
    std::uint32_t chain;         ///< next in the bucket, or next free; id + 1
    std::uint32_t older, newer;  ///< in the queue; id + 1
    std::uint32_t units;         ///< all it owns
    Word64 meta;                 ///< MetaPlace; 0: none yet

    Word64 body_size;
    Word64 sequence;            ///< when it joined its queue
    std::uint32_t body_offset;  ///< of the body in the first extent; the meta given first lies before it
    Word32 extent_count;
    std::uint32_t overflow;       ///< unit of the first ExtentBlock
    std::uint32_t overflow_last;  ///< and of the one being filled; filling only
    Word32 retired;               ///< unit of the RetiredBlock
    Word32 update_until;          ///< somebody renews it until then, Unix time in seconds; 0: nobody
    ListedRun extents[kInlineExtents];
};
static_assert(sizeof(Entry) == 128 && offsetof(Entry, body_size) == 64 && std::is_standard_layout_v<Entry>);

/// Entry::meta taken apart.
struct MetaPlace {
    std::uint32_t unit;
    std::uint32_t bytes;
    static constexpr MetaPlace of(std::uint64_t word) noexcept
    {
        return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
    }
    constexpr std::uint64_t word() const noexcept { return std::uint64_t{unit} << 32 | bytes; }
};

/// One unit of further extents.
struct ExtentBlock {
    std::uint32_t next;
    std::uint32_t reserved;
    ListedRun extents[kBlockExtents];
};
static_assert(sizeof(ExtentBlock) == kUnitBytes);

/// A meta that was replaced while it was being read.
struct RetiredMeta {
    Word64 pins[kSlots / 64];
    ListedRun run;  ///< to free with it; none when it lies in the first extent
    std::uint32_t version;
    Word32 used;
};
inline constexpr std::uint32_t kRetiredMetas = kUnitBytes / sizeof(RetiredMeta);
struct RetiredBlock {
    RetiredMeta metas[kRetiredMetas];
};
static_assert(sizeof(RetiredBlock) == kUnitBytes);

struct Page {
    std::uint16_t used;   ///< units
    std::uint8_t listed;  ///< 0: in no list, else run class + 1
    std::uint8_t reserved;
    std::uint32_t previous, next;  ///< in the list of its class; page number, 0: none (page 0 is the header)
};
static_assert(sizeof(Page) == 12);

struct GhostSlot {
    std::uint32_t fingerprint;  ///< 0: empty
    std::uint32_t stamp;        ///< Evictor::clock() when it was evicted or not admitted
};

struct QueueEnds {
    std::uint32_t oldest, newest;  ///< id + 1
};

/// Only the lock line is shared by hits; the other line changes with insertions.
struct alignas(64) Shard {
    Mutex mutex;
    unsigned char reserved[16];
    QueueEnds queues[kQueues];
    std::uint32_t free_entries;  ///< head of the list, id + 1
    std::uint32_t replacing;     ///< id + 1 of the entry whose meta is being exchanged
    Word32 high_water;           ///< entries of this shard ever used
};
static_assert(sizeof(Shard) == 128 && std::is_standard_layout_v<Shard>);

/// A process. `mutex` is held for its life.
struct alignas(64) Slot {
    Mutex mutex;
    Word32 used;
};
static_assert(sizeof(Slot) == 64);

/// What an entry's units are counted as.
enum class Account : std::uint32_t { none, filling, small, main, dead };
inline constexpr unsigned kAccounts = 5;

/// The allocator and the totals; all under `mutex`, the totals also read without.
struct alignas(64) LedgerState {
    Mutex mutex;
    std::uint32_t current_page;  ///< small runs come from here while they fit
    std::uint32_t page_hint;     ///< no wholly free page lies below
    std::uint32_t lists[kRunClasses];
    Word64 free_units;
    Word64 free_pages;
    Word64 units[kAccounts];
    Word64 entries[kAccounts];
};

struct alignas(64) Counters {
    Word64 evictions, evicted_units, refused, recoveries;
    Word64 passed_units;  ///< of objects that were not admitted
};

struct Geometry {
    std::uint32_t entries_per_shard;
    std::uint32_t buckets_per_shard;  ///< a power of two
    std::uint32_t ghosts_per_shard;   ///< a power of two, at least kGhostWays
    std::uint32_t first_page, end_page;
    std::uint32_t reserved;
    std::uint64_t shards_at, units_at, busy_pages_at, pages_at, buckets_at, ghosts_at, entries_at, tables_end;
};
static_assert(std::has_unique_object_representations_v<Geometry>);

struct alignas(64) Header {
    Word64 magic;  ///< written last
    std::uint32_t layout_version;
    std::uint32_t reserved;
    std::uint64_t bytes, max_object;
    std::uint64_t seed;
    Geometry geometry;
    alignas(64) Word64 number;
    Word64 sequence;
    Counters counters;
    LedgerState ledger;
    alignas(64) Word64 oldest[kQueues][kShards];  ///< sequence of each queue's oldest, kNever: empty; a hint
    Slot slots[kSlots];
};
static_assert(std::is_standard_layout_v<Header> && sizeof(Header) < kPageBytes);

/// The tables' places for a zone of `bytes`; first_page >= end_page: too small.
Geometry geometry_for(std::uint64_t bytes) noexcept;

constexpr std::uint32_t units_for(std::uint64_t bytes) noexcept
{
    return static_cast<std::uint32_t>((bytes + kUnitBytes - 1) / kUnitBytes);
}

/// A mapped zone: where the things are in this process. Copied freely.
struct Area {
    std::byte* base;

    Header& header() const noexcept { return *reinterpret_cast<Header*>(base); }
    const Geometry& geometry() const noexcept { return header().geometry; }
    Shard& shard(std::uint32_t i) const noexcept { return table<Shard>(geometry().shards_at)[i]; }
    std::uint64_t* unit_words(std::uint32_t page) const noexcept
    {
        return table<std::uint64_t>(geometry().units_at) + std::size_t{page} * kPageWords;
    }
    std::uint64_t* busy_pages() const noexcept { return table<std::uint64_t>(geometry().busy_pages_at); }
    Page& page(std::uint32_t i) const noexcept { return table<Page>(geometry().pages_at)[i]; }
    std::uint32_t* buckets(std::uint32_t shard) const noexcept
    {
        return table<std::uint32_t>(geometry().buckets_at) +
               std::size_t{shard} * geometry().buckets_per_shard;
    }
    GhostSlot* ghosts(std::uint32_t shard) const noexcept
    {
        return table<GhostSlot>(geometry().ghosts_at) + std::size_t{shard} * geometry().ghosts_per_shard;
    }
    Entry& entry(std::uint32_t id) const noexcept { return table<Entry>(geometry().entries_at)[id]; }
    std::uint32_t entries() const noexcept { return geometry().entries_per_shard * kShards; }
    std::uint32_t shard_of(std::uint32_t id) const noexcept { return id / geometry().entries_per_shard; }
    std::byte* unit(std::uint32_t number) const noexcept { return base + std::size_t{number} * kUnitBytes; }
    template <class T>
    T& at_unit(std::uint32_t number) const noexcept
    {
        return *reinterpret_cast<T*>(unit(number));
    }

private:
    template <class T>
    T* table(std::uint64_t offset) const noexcept
    {
        return reinterpret_cast<T*>(base + offset);
    }
};

}
