#pragma once

#include <memory>

#include "redis/glue/client.hpp"

namespace edge::redis {

/// A Redis Cluster. `settings.endpoints` are some of its nodes, asked for the others when nobody else can be;
/// each node is connected to with the first one's credentials and TLS.
///
/// The map of its slots is asked for at the start, now and then, and when a redirection or a node out of
/// reach shows that it is out of date, at most twice a second; meanwhile redirections are followed.
std::unique_ptr<Topology> make_cluster(const Settings& settings);

}
