#pragma once

#include <cstdint>
#include <string_view>

#include "redis/breaker.hpp"

namespace edge::redis {

/// Why there is no usable answer.
enum class Failure : std::uint8_t {
    none,
    timed_out,    ///< no answer in time; the command may have been carried out all the same
    lost,         ///< the connection could not be made, or ended, before the answer came
    refused,      ///< the breaker has opened
    protocol,     ///< what came is no RESP
    error_reply,  ///< Redis answered with an error
};
inline constexpr unsigned kFailures = 6;

std::string_view failure_name(Failure failure) noexcept;

/// What the nodes of this process tell whoever counts. Must be quick and must not throw.
struct Observer {
    /// The number by which the others name the node at this address (host:port or unix:path).
    unsigned (*node)(std::string_view address) noexcept;
    void (*connected)(unsigned node, int change) noexcept;
    void (*in_flight)(unsigned node, int change) noexcept;
    void (*answered)(unsigned node, std::uint64_t microseconds) noexcept;
    void (*failed)(unsigned node, Failure failure) noexcept;
    void (*breaker)(unsigned node, Breaker::State before, Breaker::State after) noexcept;
};

/// Set once, by the module room, before the first node is made; no member is ever nullptr.
extern constinit Observer observer;

}
