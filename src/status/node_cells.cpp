#include "status/node_cells.hpp"

#include <algorithm>

namespace edge::status::layout {

unsigned name_node(std::array<Node, kNodes>& nodes, std::string_view name) noexcept
{
    name = name.substr(0, kNodeName);
    for (unsigned i = 0; i < kNodes; ++i) {
        Node& node = nodes[i];
        std::uint32_t state = node.state.load(std::memory_order_acquire);
        if (state == Node::kNamed && std::string_view{node.name.data(), node.name_size} == name) return i;
        // One whose namer died stays as it is; two processes may name two alike: readers add them up.
        if (state != Node::kFree || !node.state.compare_exchange_strong(state, Node::kBeingNamed)) continue;
        std::copy(name.begin(), name.end(), node.name.begin());
        node.name_size = static_cast<std::uint32_t>(name.size());
        node.state.store(Node::kNamed, std::memory_order_release);
        return i;
    }
    return kNodes;
}

}
