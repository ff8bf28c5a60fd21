#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// What was purged, for all processes on a host: in shared memory beside a zone's store.
///
/// Every purge has a number: 1, 2, 3… An object carries the number of the newest purge that had begun when
/// its origin request started, and hashes of its tags. It is dead when one of its tags was purged later. So a
/// purge costs the same for one object and for a million, and an answer that was under way when the purge
/// came is dead on arrival.
///
/// Room is bounded. When a tag does not fit, the purge that is oldest among those in its way is forgotten,
/// and the *floor* is raised to its number: every object older than the floor is dead (or stale, where the
/// purge was soft). With kTags tags purged, everything older than roughly the first of these purges is gone.
namespace edge::cache {

/// What a tag is the name of; tags of different kinds never meet.
enum class TagKind : std::uint8_t {
    url,    ///< host[:port] path-and-query
    key,    ///< a primary cache key
    name,   ///< edge_cache_tag, edge_cache_tag_header
    group,  ///< RFC 9875, scoped to an origin
};

/// What decides whether an object is dead.
struct Purgeable {
    std::uint64_t sequence = 0;           ///< when its origin request started: PurgeTable::sequence()
    std::span<const std::uint64_t> tags;  ///< hashes, its URL's and its key's among them
    std::uint64_t key = 0;                ///< its primary key's hash
    std::string_view url;                 ///< host[:port] path-and-query, for prefixes
};

enum class Life : std::uint8_t { alive, stale, dead };

struct Judgement {
    Life life = Life::alive;
    std::int64_t since = 0;  ///< stale: Unix time of the soft purge
};

struct PurgeStats {
    std::uint64_t sequence;
    std::uint64_t floor;
    std::uint64_t soft_floor;
    std::uint64_t tags;  ///< remembered now
    std::uint64_t tags_limit;
    std::uint64_t prefixes;
    std::uint64_t overflows;  ///< purges forgotten for want of room; each raised a floor
};

/// A process's view of a table; copies are views of the same one. A default one belongs to no table: nothing
/// may be called on it but its bool.
///
/// Readers take no lock. Purges exclude each other by a robust mutex. A process may die at any instant of a
/// purge: what it had done of it stands, and nothing else is lost.
class PurgeTable {
public:
    static constexpr std::size_t kTags = 65536;
    static constexpr std::size_t kPrefixes = 64;

    /// Bytes to give to format(), 64-byte aligned.
    static std::size_t bytes_needed() noexcept;
    /// Whether `memory` holds a finished table of this layout.
    static bool usable(const void* memory) noexcept;
    /// Makes an empty table. `seed` is random. Must not run while another process uses the memory.
    static void format(void* memory, std::uint64_t seed) noexcept;

    PurgeTable() noexcept = default;
    /// `memory` is usable() and outlives the view.
    explicit PurgeTable(void* memory) noexcept : memory_{static_cast<std::byte*>(memory)} {}
    explicit operator bool() const noexcept { return memory_ != nullptr; }

    /// Never 0. The same on every host: purges and stored responses travel with it. Whoever makes two texts
    /// collide has both purged at once; where in a table they lie is another matter, and each table's own.
    static std::uint64_t hash(TagKind kind, std::string_view text) noexcept;

    /// The number an origin request takes along that starts now.
    std::uint64_t sequence() const noexcept;
    /// Whether `object` may be used. Nanoseconds when nothing was purged since.
    Judgement judge(const Purgeable& object) const noexcept;
    /// Whether an object that has just been stored was overtaken. Asked after it can be found, so that a
    /// write either sees the object or is seen here; then it is to be removed.
    bool dead_on_arrival(const Purgeable& object) const noexcept;

    struct Order {
        std::span<const std::uint64_t> tags;
        std::span<const std::string_view> prefixes;  ///< of Purgeable::url, not empty
        bool all = false;
        bool soft = false;     ///< stale from now on instead of dead
        std::int64_t now = 0;  ///< Unix time
    };
    /// When it returns, no process uses an older object with one of these tags. Returns the purge's number.
    std::uint64_t purge(const Order& order) noexcept;
    /// A write was answered: what is being stored under this key is dead on arrival. To be followed by the
    /// removal of what is stored. Costs a hit on anything else nothing but a look, and the table of tags
    /// no room: when too many writes come during one fill, it is that fill that is not kept.
    std::uint64_t note_write(std::uint64_t key) noexcept;

    // A table that follows a log has the log's numbers, instead of purge()'s own.
    /// As purge(), under a number higher than all before.
    void purge_as(std::uint64_t number, const Order& order) noexcept;
    /// What is older than `number` is dead.
    void raise_floor(std::uint64_t number) noexcept;
    /// Forgets everything; numbers may be lower than before from now on, and what is older than `number` is
    /// dead. While it runs all is dead, and stays so when it does not come to its end.
    void restart(std::uint64_t number) noexcept;
    /// All is dead until restart() is called: the log has not been followed yet.
    bool is_barred() const noexcept;
    void bar() noexcept { raise_floor(~std::uint64_t{0}); }

    PurgeStats stats() const noexcept;

private:
    class Writer;
    static void carry_out(Writer& writer, const Order& order) noexcept;
    std::byte* memory_ = nullptr;
};

}
