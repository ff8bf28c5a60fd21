#pragma once

#include <cstdint>

#include "websocket/close.hpp"
#include "websocket/downstream.hpp"
#include "websocket/upstream.hpp"

namespace edge::websocket {

/// Both directions of one connection, up to now.
struct Counts {
    DownstreamCounts down;
    UpstreamCounts up;
    std::uint64_t memory = 0;  ///< bytes of heap held for it at present
};

/// What the tunnels tell whoever counts. Called for every read and write: must be quick and must not throw.
struct Observer {
    void (*opened)() noexcept;
    void (*closed)(CloseCode code) noexcept;
    void (*flushed)(const Flush& flush) noexcept;
    /// One connection's counts went from `before` to `after`.
    void (*moved)(const Counts& before, const Counts& after) noexcept;
};

/// Set once, by the module room, before the first request; no member is ever nullptr.
extern constinit Observer observer;

}
