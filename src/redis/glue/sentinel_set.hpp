#pragma once

#include <memory>

#include "redis/glue/client.hpp"

namespace edge::redis {

/// A master that Sentinels watch, `settings.sentinel.set` by name, and its replicas. `settings.endpoints` are
/// Sentinels; the servers are connected to with the credentials, database and TLS of
/// `settings.sentinel.server`.
///
/// A Sentinel is asked every second, and at once when the master is out of reach or READONLY; what it says
/// counts when the server itself confirms it by ROLE. Until then the last master is kept.
std::unique_ptr<Topology> make_sentinel_set(const Settings& settings);

}
