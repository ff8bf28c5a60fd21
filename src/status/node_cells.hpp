#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "status/histogram.hpp"

/// The figures of the Redis servers that the workers of a host talk to, in the counters' shared memory.
namespace edge::status {

/// Servers with figures of their own; those beyond have none.
inline constexpr unsigned kNodes = 32;
inline constexpr std::size_t kNodeName = 120;  ///< bytes of a name that are kept

/// What a process has of a node at the moment.
enum class NodeGauge : std::uint8_t { connections, in_flight, breakers_open };
inline constexpr std::size_t kNodeGauges = 3;

/// What became of commands that got no usable answer; and how often a process' breaker opened.
enum class NodeCounter : std::uint8_t { timed_out, lost, refused, protocol, error_reply, openings };
inline constexpr std::size_t kNodeCounters = 6;

namespace layout {

using Cell = std::atomic<std::uint64_t>;
static_assert(Cell::is_always_lock_free && sizeof(Cell) == 8, "cells are shared between processes");

struct TimerCells {
    std::array<Cell, buckets::kCount> count{};
    Cell sum{};
};

/// Of all processes together: a round trip costs far more than the line that they share.
struct Node {
    enum : std::uint32_t { kFree, kBeingNamed, kNamed };
    std::atomic<std::uint32_t> state{};
    std::uint32_t name_size{};
    std::array<char, kNodeName> name{};
    TimerCells round_trip{};
    std::array<Cell, kNodeCounters> counters{};
};

using NodeGauges = std::array<std::array<Cell, kNodeGauges>, kNodes>;

/// The number of the node with this name, which is given one if it has none. kNodes: there is no more room.
unsigned name_node(std::array<Node, kNodes>& nodes, std::string_view name) noexcept;

}

}
