#pragma once

#include "redis/refusal.hpp"

/// Where a command goes when the server it was sent to did not carry it out.
namespace edge::redis {

/// One command on its way through a Cluster.
struct Journey {
    bool reads = false;       ///< any copy will do
    bool at_replica = false;  ///< where it is now
    bool replicas = false;    ///< replicas may be read from
    unsigned hops = 0;        ///< how often it was sent on already
};

/// Servers a command may see in all: a slot that moves twice while it is under way is rarer than a broken
/// map.
inline constexpr unsigned kMostHops = 4;

struct Step {
    enum class To {
        caller,   ///< there it ends, unanswered
        address,  ///< to the refusal's address
        asking,   ///< to the refusal's address, after ASKING
        master,   ///< of its slot
        replica,  ///< of its slot, another than this one; when there is none it ends
    };
    To to = To::caller;
    bool refresh = false;  ///< the map of the slots is out of date or will soon be

    bool operator==(const Step&) const = default;
};

/// After an error reply. Never more than kMostHops times another place than `caller`.
Step after_refusal(const Refusal& refusal, const Journey& journey) noexcept;

/// After the connection was lost or there was none, the reply did not come in time, or the breaker is open. A
/// write ends here: it may have been done.
Step after_loss(const Journey& journey) noexcept;

}
