#pragma once

#include <array>
#include <string_view>

#include "status/node_cells.hpp"

namespace edge::status {

/// One number of NodeTotals and its names.
template <class Value>
struct NodeFigure {
    Value value;
    std::string_view json_key;
    std::string_view name;  ///< in Prometheus
    std::string_view help;
};

inline constexpr auto kNodeGaugeFigures = std::to_array<NodeFigure<NodeGauge>>({
    {NodeGauge::connections, "connections", "edge_redis_connections", "Connections to this server now."},
    {NodeGauge::in_flight, "in_flight", "edge_redis_in_flight", "Commands under way to this server now."},
    {NodeGauge::breakers_open, "breakers_open", "edge_redis_breakers_open",
     "Workers that do not ask this server now, as it has failed too often."},
});

/// Of one family, by their keys.
inline constexpr auto kNodeErrors = std::to_array<NodeFigure<NodeCounter>>({
    {NodeCounter::timed_out, "timed_out", {}, {}},
    {NodeCounter::lost, "lost", {}, {}},
    {NodeCounter::refused, "refused", {}, {}},
    {NodeCounter::protocol, "protocol", {}, {}},
    {NodeCounter::error_reply, "error_reply", {}, {}},
});

}
