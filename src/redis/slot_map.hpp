#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "redis/refusal.hpp"
#include "redis/reply.hpp"
#include "redis/slot.hpp"

namespace edge::redis {

/// Who serves which slot of a Redis Cluster, as one of its nodes told it, corrected by what redirections say.
///
/// Nodes are named by their index in nodes(), which lasts as long as the map; a map that comes from another
/// answer has other indices. Limits: kMostNodes nodes. Thread safety: none.
class SlotMap {
public:
    static constexpr std::size_t kMostNodes = 1000;
    using Index = std::uint16_t;
    static constexpr Index kNobody = 0xffff;

    struct Shard {
        Index master = kNobody;
        std::vector<Index> replicas = {};
    };

    /// Nobody serves anything.
    SlotMap() noexcept { shard_of_.fill(kNobody); }

    /// The answer to CLUSTER SLOTS, which Redis from 3.0 on, Valkey and their relatives all give (CLUSTER
    /// SHARDS only newer ones). `asked`: the host that answered, for nodes that do not know their own. What
    /// is not understood of later members of a node is passed over. std::nullopt: not such an answer, or one
    /// in which nobody serves any slot. Throws std::bad_alloc.
    static std::optional<SlotMap> from_cluster_slots(const Reply& answer, std::string_view asked);

    const std::vector<HostPort>& nodes() const noexcept { return nodes_; }
    /// nullptr: nobody is known to serve it. Until the next call that is not const. slot < kSlots.
    const Shard* shard_of(std::uint16_t slot) const noexcept;
    std::size_t slots_served() const noexcept;
    /// Those that serve a slot.
    std::size_t masters() const;

    /// From now on `address` serves the slot; returns its index. A replica of the slot's shard that has
    /// become its master takes over this slot alone: what else changed comes with the next answer. kNobody:
    /// there are too many nodes, nothing has changed. Throws std::bad_alloc.
    Index moved(std::uint16_t slot, const HostPort& address);
    /// The node's index, also when it is a new one that serves nothing. kNobody as above. Throws
    /// std::bad_alloc.
    Index add(const HostPort& address);

private:
    Index shard_led_by(Index master);

    std::vector<HostPort> nodes_;
    std::vector<Shard> shards_;
    std::array<Index, kSlots> shard_of_;
};

/// The replica to read from, in turn as `turn` counts up: of the shard's replicas that `usable` says yes to,
/// else its master, also when that is not usable either. A shard has a master.
template <class Usable>
SlotMap::Index reader_of(const SlotMap::Shard& shard, std::uint32_t turn, const Usable& usable)
{
    const std::size_t count = shard.replicas.size();
    for (std::size_t i = 0; i < count; ++i) {
        const SlotMap::Index one = shard.replicas[(turn + i) % count];
        if (usable(one)) return one;
    }
    return shard.master;
}

}
