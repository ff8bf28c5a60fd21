#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "status/histogram.hpp"
#include "status/metrics.hpp"
#include "status/node_cells.hpp"

/// Counters in shared memory: each process adds in a slot of its own, readers sum the slots. Totals outlive
/// reloads and the death of any process: a slot keeps its counts when its owner goes, and the next owner adds
/// to them.
namespace edge::status {

/// Processes that count without sharing a cache line; those beyond share one more slot, by atomic addition.
inline constexpr unsigned kSlots = 128;

namespace layout {

inline constexpr std::size_t kLine = 64;

struct alignas(kLine) Slot {
    std::atomic<std::int64_t> owner{};  ///< process id; 0 = free
    alignas(kLine) std::array<Cell, kCounters.size()> counters{};
    alignas(kLine) std::array<TimerCells, kTimers.size()> timers{};
    alignas(kLine) NodeGauges nodes{};
};

struct alignas(kLine) Area {
    std::atomic<std::uint64_t> magic{};
    std::uint64_t fingerprint{};
    std::int64_t since{};
    Cell generation{};
    alignas(kLine) std::array<Node, kNodes> nodes{};
    std::array<Slot, kSlots + 1> slots{};  ///< the last one belongs to nobody
};

static_assert(std::is_standard_layout_v<Area> && std::is_trivially_destructible_v<Area>);

}

/// Bytes that format() lays out; about one megabyte.
constexpr std::size_t bytes_needed() noexcept
{
    return sizeof(layout::Area);
}

/// Whether `memory` (64-byte aligned, `size` bytes) holds counters of exactly this layout: same version, same
/// metrics in the same order.
bool usable(const void* memory, std::size_t size) noexcept;

/// Lays out zeroed counters in `memory`: 64-byte aligned, at least bytes_needed(). `now`: Unix time in
/// seconds, kept as the time since when totals count. Must not run while another process uses the memory.
void format(void* memory, std::int64_t now) noexcept;

/// Counts one more configuration, the first being 1: call it once in each start and reload. `memory` is
/// usable().
std::uint64_t begin_generation(void* memory) noexcept;

/// Whether a process with this id exists (one that waits to be reaped does).
bool process_exists(std::int64_t pid) noexcept;

/// A process's hand in the counters: a pointer and a flag, copied freely. One thread of one process adds
/// through it. An unattached one ignores everything it is told, so callers need not ask. The memory outlives
/// the view.
class Counters {
public:
    using Exists = bool (*)(std::int64_t pid);

    Counters() noexcept = default;

    /// Takes a slot for `pid`, the calling process: the one it already has, else a free one or one whose
    /// owner no longer exists; what gone owners left in gauges is cleared on the way. With all slots taken,
    /// the shared slot. `memory` is usable(). A wrong word from `exists` may lose counts, never memory
    /// safety.
    static Counters claim(void* memory, std::int64_t pid, Exists exists = process_exists) noexcept;

    /// Slot `slot` (up to and including kSlots, the shared one) without owning it: each addition is an atomic
    /// one. A larger number gives an unattached view.
    static Counters at(void* memory, unsigned slot) noexcept;

    // Redis servers. `node`: what name_node() said; kNodes and more are ignored.
    unsigned name_node(std::string_view name) noexcept;
    void change(unsigned node, NodeGauge gauge, std::int64_t by) noexcept
    {
        if (slot_ != nullptr && node < kNodes)
            grow(slot_->nodes[node][static_cast<std::size_t>(gauge)], static_cast<std::uint64_t>(by));
    }
    void add(unsigned node, NodeCounter counter) noexcept
    {
        if (area_ == nullptr || node >= kNodes) return;
        area_->nodes[node].counters[static_cast<std::size_t>(counter)].fetch_add(1,
                                                                                 std::memory_order_relaxed);
    }
    void record(unsigned node, std::uint64_t microseconds) noexcept
    {
        if (area_ == nullptr || node >= kNodes) return;
        layout::TimerCells& cells = area_->nodes[node].round_trip;
        cells.count[buckets::of(microseconds)].fetch_add(1, std::memory_order_relaxed);
        cells.sum.fetch_add(microseconds, std::memory_order_relaxed);
    }

    /// Gives a claimed slot to others; its counts stay, its gauges no longer count. Leaves *this unattached;
    /// copies must not be used any more.
    void release() noexcept;

    bool attached() const noexcept { return slot_ != nullptr; }
    /// Whether the slot is this process's own.
    bool owned() const noexcept { return owned_; }

    void add(Counter counter, std::uint64_t n = 1) noexcept
    {
        if (slot_ != nullptr) grow(slot_->counters[static_cast<std::size_t>(counter)], n);
    }
    /// Lowers a gauge.
    void subtract(Counter gauge, std::uint64_t n = 1) noexcept { add(gauge, std::uint64_t{0} - n); }
    void record(Timer timer, std::uint64_t microseconds) noexcept
    {
        if (slot_ == nullptr) return;
        auto& cells = slot_->timers[static_cast<std::size_t>(timer)];
        grow(cells.count[buckets::of(microseconds)], 1);
        grow(cells.sum, microseconds);
    }

private:
    Counters(layout::Area* area, layout::Slot* slot, bool owned) noexcept
        : area_{area}, slot_{slot}, owned_{owned}
    {}

    void grow(layout::Cell& cell, std::uint64_t n) noexcept
    {
        if (owned_) {
            cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
        } else {
            cell.fetch_add(n, std::memory_order_relaxed);
        }
    }

    layout::Area* area_ = nullptr;
    layout::Slot* slot_ = nullptr;
    bool owned_ = false;
};

/// The sum of all slots. Each value is exact for some moment during the reading, the set is not a snapshot.
struct Totals {
    std::array<std::uint64_t, kCounters.size()> counters{};
    std::array<Histogram, kTimers.size()> timers{};
    std::int64_t since = 0;        ///< Unix time in seconds when counting began
    std::uint64_t generation = 0;  ///< configurations begun since then
    unsigned owners = 0;           ///< slots that have an owner

    std::uint64_t operator[](Counter counter) const noexcept
    {
        return counters[static_cast<std::size_t>(counter)];
    }
    std::uint64_t& operator[](Counter counter) noexcept
    {
        return counters[static_cast<std::size_t>(counter)];
    }
    const Histogram& operator[](Timer timer) const noexcept
    {
        return timers[static_cast<std::size_t>(timer)];
    }
    Histogram& operator[](Timer timer) noexcept { return timers[static_cast<std::size_t>(timer)]; }
};

/// Reads `memory`, which is usable(). Reads about one megabyte: for a status page, not for each request.
Totals sum(const void* memory) noexcept;

/// The figures of one Redis server, of all processes together.
struct NodeTotals {
    std::string name;
    std::array<std::uint64_t, kNodeGauges> gauges{};
    std::array<std::uint64_t, kNodeCounters> counters{};
    Histogram round_trip;

    std::uint64_t operator[](NodeGauge gauge) const noexcept
    {
        return gauges[static_cast<std::size_t>(gauge)];
    }
    std::uint64_t operator[](NodeCounter counter) const noexcept
    {
        return counters[static_cast<std::size_t>(counter)];
    }
};
/// In the order in which they were named. Throws std::bad_alloc.
std::vector<NodeTotals> sum_nodes(const void* memory);

}
