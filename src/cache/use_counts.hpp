#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cache/zone.hpp"

/// How often each key was missed, for edge_cache_min_uses: a table of fixed size in shared memory, beside the
/// zone.
namespace edge::cache {

namespace use_layout {

using Cell = std::atomic<std::uint64_t>;
static_assert(Cell::is_always_lock_free && sizeof(Cell) == 8, "cells are shared between processes");

inline constexpr unsigned kWays = 8;
inline constexpr unsigned kRows = 16384;

/// One cache line: the counts of the keys that belong here, the one unused for longest replaced first.
/// A cell is 32 bits of the key's hash, 16 of the time of its last use, 16 of its count; 0 = empty.
struct alignas(64) Row {
    std::array<Cell, kWays> cells{};
};

struct alignas(64) Table {
    std::atomic<std::uint64_t> magic{};
    std::array<Row, kRows> rows{};
};
static_assert(std::is_standard_layout_v<Table> && std::is_trivially_destructible_v<Table>);

}

/// Counts uses of keys, in all processes together.
///
/// Accuracy: a count is never too high but for keys that share 46 bits of their hash. It begins anew when the
/// table has forgotten the key: it remembers 131072 keys, in rows of 8 by hash. A key used again before
/// 40,000 other keys were is remembered in more than 99 cases of 100, before 65,000 in 9 of 10; after 250,000
/// hardly ever. Two processes that count one key at the same instant may count one. Errors: none. No locks: a
/// process that dies at any instant leaves the table usable.
class UseCounts {
public:
    static constexpr std::uint16_t kMost = 0xffff;

    static constexpr std::size_t bytes_needed() noexcept { return sizeof(use_layout::Table); }
    /// Whether `memory` (64-byte aligned, bytes_needed()) holds a table of this layout.
    static bool usable(const void* memory) noexcept;
    /// Makes an empty table. Must not run while another process uses the memory.
    static void format(void* memory) noexcept;

    /// `memory` is usable() and outlives this.
    explicit UseCounts(void* memory) noexcept : table_{static_cast<use_layout::Table*>(memory)} {}

    /// Counts one more use at `now` (Unix time in seconds) and returns how many that makes, at most kMost.
    std::uint16_t add(const KeyHash& key, std::int64_t now) noexcept;

private:
    use_layout::Table* table_;
};

}
