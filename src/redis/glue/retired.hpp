#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "nginx/timer.hpp"
#include "redis/glue/node.hpp"

namespace edge::redis {

/// Nodes that are asked no more: closed at once, destroyed when no connection of theirs is in a handler and
/// nobody holds a dedicated one.
class Retired {
public:
    void reserve(std::size_t more) { nodes_.reserve(nodes_.size() + more); }
    /// nullptr is none. Throws std::bad_alloc, unless reserved.
    void add(std::unique_ptr<Node> node)
    {
        if (node == nullptr) return;
        nodes_.push_back(std::move(node));
        timer_.arm_at_latest(1);
        nodes_.back()->close();
    }
    void stop() noexcept { timer_.cancel(); }

private:
    void sweep() noexcept
    {
        std::erase_if(nodes_, [](const std::unique_ptr<Node>& node) { return !node->is_held(); });
        if (!nodes_.empty()) timer_.arm(kAgainMs);
    }

    static constexpr ngx_msec_t kAgainMs = 1000;
    std::vector<std::unique_ptr<Node>> nodes_;
    ngx::Timer timer_{[](void* self) noexcept { static_cast<Retired*>(self)->sweep(); }, this};
};

}
