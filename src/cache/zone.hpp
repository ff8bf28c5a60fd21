#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

/// The shared-memory store: sharded index, S3-FIFO eviction by bytes, bodies in extents that readers send
/// from without copying. Knows bytes and keys, nothing of HTTP or nginx.
namespace edge::cache {

/// A 128-bit hash of a cache key, seeded per zone (`Zone::hash`). The full key is compared by the caller.
struct KeyHash {
    std::uint64_t high;
    std::uint64_t low;
    friend bool operator==(const KeyHash&, const KeyHash&) = default;
};

/// The shape of a zone; stored in it, so that a reload with other values is noticed.
struct ZoneShape {
    std::uint64_t bytes;       ///< of the whole mapping, at least Zone::kMinimumBytes
    std::uint64_t max_object;  ///< bytes of meta and body together; at most bytes / 4
    friend bool operator==(const ZoneShape&, const ZoneShape&) = default;
};

/// Totals since the zone was made; read without locks, each value exact, the set not a snapshot.
struct ZoneStats {
    std::uint64_t capacity_bytes;  ///< what meta and bodies can occupy
    std::uint64_t used_bytes;      ///< occupied, whole allocation units
    std::uint64_t dead_bytes;      ///< of these: removed, but still pinned by a reader
    std::uint64_t objects;         ///< findable
    std::uint64_t entries_capacity;
    std::uint64_t evictions;
    std::uint64_t evicted_bytes;
    std::uint64_t refused;     ///< fills that found no room
    std::uint64_t recoveries;  ///< shards rebuilt after a worker died holding a lock
};

class Zone;

/// An object of a zone, among all that it has had.
struct Stamp {
    std::uint64_t zone;  ///< tells it from other zones
    std::uint64_t object;
    friend bool operator==(const Stamp&, const Stamp&) = default;
};

/// How far the writing of a pinned object has come.
enum class Progress {
    filling,   ///< its Fill is under way, or its process died and was not found dead yet
    complete,  ///< Fill::finish() ran; stays so when the object is evicted, removed or replaced
    broken,    ///< the fill was dropped, or its process was found dead: no more bytes will come
};

/// A stored object held against being freed, in this process only. Move-only; letting go is its destructor's
/// work. Must not outlive its Zone, and is not shared between threads. An object removed or replaced
/// meanwhile stays readable, unchanged, until the last pin goes.
class Pin {
public:
    Pin() noexcept = default;
    Pin(Pin&& other) noexcept;
    Pin& operator=(Pin&& other) noexcept;
    ~Pin();

    explicit operator bool() const noexcept { return zone_ != nullptr; }
    /// The bytes given to Fill::set_meta or the newest Zone::replace_meta when this pin was taken; 8-byte
    /// aligned.
    std::span<const std::byte> meta() const noexcept { return meta_; }
    std::uint64_t body_size() const noexcept;
    /// Read it before body_size(): after `complete` that is final, and a reader that has read as far has all.
    Progress progress() const noexcept;

    /// How far a body has been read; starts at its first byte, copied freely. Of one object.
    class Reader {
    public:
        std::uint64_t position() const noexcept { return position_; }  ///< body bytes already handed out

    private:
        friend class Pin;
        std::uint64_t position_ = 0;
        std::uint64_t used_ = 0;   // bytes of the current extent that were handed out or are no body
        std::uint32_t block_ = 0;  // unit of the extent's block, 0: it is in the entry
        std::uint32_t index_ = 0;
    };
    /// The bytes from where the last call ended up to what is published now, as far as they are contiguous.
    /// Empty: no more for now; progress() says whether more may come.
    std::span<const std::byte> next_available(Reader& reader) const noexcept;
    /// The body as contiguous pieces in order. `piece(std::span<const std::byte>)` is called for each.
    template <class F>
    void for_each_piece(F&& piece) const
    {
        Reader reader;
        for (auto bytes = next_available(reader); !bytes.empty(); bytes = next_available(reader))
            piece(bytes);
    }
    std::uint32_t entry() const noexcept { return entry_; }  ///< identifies the object while it is pinned
    /// How often it was found lately, 0 to 3; eviction counts with it.
    unsigned uses() const noexcept;
    /// Two pins with the same stamp hold the same object, whenever they were taken; one object may have had
    /// several. Nothing: it was not findable, or not yet.
    std::optional<Stamp> stamp() const noexcept;
    /// Another hold on the same object.
    Pin again() const noexcept;

private:
    friend class Zone;
    friend class Fill;
    Zone* zone_ = nullptr;
    std::uint32_t entry_ = 0;
    std::uint32_t version_ = 0;  // of the meta
    std::span<const std::byte> meta_;
};

/// An object being written by this process. Dropping it unfinished frees everything it took; a worker that
/// dies with one leaves it to be reclaimed.
class Fill {
public:
    Fill() noexcept = default;
    Fill(Fill&& other) noexcept;
    Fill& operator=(Fill&& other) noexcept;
    ~Fill();

    explicit operator bool() const noexcept { return zone_ != nullptr; }
    /// Copies `meta` (any bytes, once, before finish). false: no room; the fill is then over, drop it.
    bool set_meta(std::span<const std::byte> meta) noexcept;
    /// Writable space at the body's end, contiguous, at least 1 and at most `want` bytes; taken from the zone
    /// when needed, evicting others. Empty: no room or past max_object; the fill is then over.
    std::span<std::byte> room(std::size_t want) noexcept;
    /// The first `n` bytes of the last room() are now body; they keep their address while this fill or a pin
    /// of its object lives.
    void advance(std::size_t n) noexcept;
    std::uint64_t body_size() const noexcept;
    /// Identifies the object, as Pin::entry() does, while this fill or a pin of it lives; for Zone::join.
    std::uint32_t entry() const noexcept { return entry_; }
    /// The object becomes findable under its key in place of an earlier one, and is pinned for the caller.
    /// Leaves *this empty. An empty Pin: set_meta never succeeded, nothing was published.
    Pin finish() noexcept;
    /// The body is complete, for those who follow it, but the object is never found, and what is found under
    /// its key stays. Pinned for the caller; leaves *this empty. An empty Pin: as with finish().
    Pin withdraw() noexcept;
    /// A hold on the bytes written so far that outlives this fill, for buffers already handed to a client.
    /// Empty when the process has no slot.
    Pin hold() const noexcept;

private:
    friend class Zone;
    std::span<std::byte> fail() noexcept;

    Zone* zone_ = nullptr;
    std::uint32_t entry_ = 0;
    bool over_ = false;  // something did not fit: never published
    std::uint64_t hint_ = 0;
    std::byte* at_ = nullptr;  // where the next body byte goes
    std::uint64_t left_ = 0;   // bytes from there to the end of the last extent
};

/// A process's view of a zone. The memory is mapped at the same or another address in each process; nothing
/// in it is a pointer. All members but stats() and hash() need a slot (`attach`). One thread only.
class Zone {
public:
    static constexpr std::uint64_t kMinimumBytes = 1024 * 1024;
    static constexpr unsigned kSlots = 128;  ///< processes that may be attached at a time

    /// Whether `memory` holds a finished zone of this layout version and shape.
    static bool usable(const void* memory, const ZoneShape& shape) noexcept;
    /// Makes an empty zone. `seed` is random. Must not run while another process uses the memory.
    static void format(void* memory, const ZoneShape& shape, std::uint64_t seed) noexcept;

    /// `memory` is usable() and outlives the view.
    explicit Zone(void* memory) noexcept;
    ~Zone();
    Zone(const Zone&) = delete;
    Zone& operator=(const Zone&) = delete;

    /// Takes a free slot (those of processes that died are reclaimed here: their pins cleared, their fills
    /// freed) and holds its robust "alive" mutex. false: all are taken; nothing may be looked up or stored
    /// then.
    bool attach() noexcept;
    /// Gives the slot back. Every Pin and Fill of this process must be gone.
    void detach() noexcept;
    bool attached() const noexcept;
    bool idle() const noexcept;  ///< this process holds no Pin and no Fill

    KeyHash hash(std::string_view key) const noexcept;

    /// The object under `key`, pinned, its use counted for eviction. Empty: none.
    Pin find(const KeyHash& key) noexcept;
    /// The object in `entry` (Fill::entry or Pin::entry, of any process), pinned, if it still is one of
    /// `key`, has its meta and is being written or findable. Empty: it is not. Counts no use.
    Pin join(const KeyHash& key, std::uint32_t entry) noexcept;
    /// Whether an object of so many bytes that the caller can do without is worth its room: there is some
    /// left, or its key was evicted or refused here before as many bytes as the zone has were. false:
    /// refused, and remembered for the next time.
    bool admits(const KeyHash& key, std::uint64_t bytes) noexcept;
    /// Starts an object. `body_hint`: its size if known, else 0; room is then taken in one piece where
    /// possible. Empty: no entry or no slot to be had, or the hint is past max_object.
    Fill begin(const KeyHash& key, std::uint64_t body_hint) noexcept;
    /// Gives the pinned object new meta (after a 304). Pins taken before keep reading the old one. false: no
    /// room, or the object is no longer the one findable under its key; nothing changed.
    bool replace_meta(const Pin& object, std::span<const std::byte> meta) noexcept;
    /// Whether the caller is the one, of all processes, who shall renew the pinned object: true once until
    /// `lease` seconds after `now` (Unix time), or until it was renewed or replaced.
    bool claim_update(const Pin& object, std::int64_t now, std::uint32_t lease) noexcept;
    /// The object under `key` is no longer found. false: there was none.
    bool remove(const KeyHash& key) noexcept;
    /// Removes `object` if it is still the one found under its key.
    bool remove(const Pin& object) noexcept;
    void clear() noexcept;  ///< removes every object

    ZoneStats stats() const noexcept;
    std::uint64_t next_number() noexcept;  ///< 1, 2, 3… unique over the zone's life

    /// Looks for processes that died and frees what they held; cheap, for a timer. Returns how many it found.
    unsigned reclaim_dead() noexcept;

    /// Walks the whole zone and says what contradicts itself, for tests; empty when all is well. Takes every
    /// lock.
    const char* check() noexcept;

private:
    friend class Pin;
    friend class Fill;
    struct View;
    std::unique_ptr<View> view_;
};

}
