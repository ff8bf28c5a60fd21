#include "redis/slot_map.hpp"

#include <algorithm>

namespace edge::redis {

namespace {

/// [preferred endpoint, port, id, [name, value...]]; the endpoint is nil, "" or "?" where the node has none.
std::optional<HostPort> node_of(const Reply& reply, std::string_view asked)
{
    if (reply.elements.size() < 2) return std::nullopt;
    const Reply& host = reply.elements[0];
    const Reply& port = reply.elements[1];
    if (port.type != Reply::Type::integer || port.integer < 1 || port.integer > 0xffff) return std::nullopt;
    HostPort address{.host = std::string{asked}, .port = static_cast<std::uint16_t>(port.integer)};
    if (host.type != Reply::Type::string) return address;
    if (!host.text.empty() && host.text != "?") {
        address.host = host.text;
    } else if (reply.elements.size() > 3) {
        const std::span<const Reply> more = reply.elements[3].elements;
        for (std::size_t i = 0; i + 1 < more.size(); i += 2) {
            if (more[i].text == "ip" && !more[i + 1].text.empty()) address.host = more[i + 1].text;
        }
    }
    return address;
}

}

std::optional<SlotMap> SlotMap::from_cluster_slots(const Reply& answer, std::string_view asked)
{
    using Type = Reply::Type;
    if (answer.type != Type::array) return std::nullopt;
    SlotMap map;
    for (const Reply& range : answer.elements) {
        const std::span<const Reply> parts = range.elements;
        if (parts.size() < 3 || parts[0].type != Type::integer || parts[1].type != Type::integer)
            return std::nullopt;
        const std::int64_t first = parts[0].integer;
        const std::int64_t last = parts[1].integer;
        if (first < 0 || last < first || last >= kSlots) return std::nullopt;
        const auto master = node_of(parts[2], asked);
        if (!master) return std::nullopt;
        const Index leader = map.add(*master);
        if (leader == kNobody) return std::nullopt;
        const Index shard = map.shard_led_by(leader);
        for (std::size_t i = 3; i < parts.size(); ++i) {
            const auto replica = node_of(parts[i], asked);
            if (!replica) continue;
            const Index index = map.add(*replica);
            std::vector<Index>& replicas = map.shards_[shard].replicas;
            if (index == kNobody || index == leader) continue;
            if (std::find(replicas.begin(), replicas.end(), index) == replicas.end())
                replicas.push_back(index);
        }
        std::fill(map.shard_of_.begin() + first, map.shard_of_.begin() + last + 1, shard);
    }
    if (map.shards_.empty()) return std::nullopt;
    return map;
}

const SlotMap::Shard* SlotMap::shard_of(std::uint16_t slot) const noexcept
{
    const Index shard = shard_of_[slot % kSlots];
    return shard == kNobody ? nullptr : &shards_[shard];
}

std::size_t SlotMap::slots_served() const noexcept
{
    return static_cast<std::size_t>(
        std::count_if(shard_of_.begin(), shard_of_.end(), [](Index shard) { return shard != kNobody; }));
}

std::size_t SlotMap::masters() const
{
    std::vector<bool> serves(shards_.size());
    for (const Index shard : shard_of_) {
        if (shard != kNobody) serves[shard] = true;
    }
    return static_cast<std::size_t>(std::count(serves.begin(), serves.end(), true));
}

SlotMap::Index SlotMap::moved(std::uint16_t slot, const HostPort& address)
{
    const Index node = add(address);
    if (node != kNobody) shard_of_[slot % kSlots] = shard_led_by(node);
    return node;
}

SlotMap::Index SlotMap::add(const HostPort& address)
{
    const auto found = std::find(nodes_.begin(), nodes_.end(), address);
    if (found != nodes_.end()) return static_cast<Index>(found - nodes_.begin());
    if (nodes_.size() >= kMostNodes) return kNobody;
    nodes_.push_back(address);
    return static_cast<Index>(nodes_.size() - 1);
}

SlotMap::Index SlotMap::shard_led_by(Index master)
{
    const auto found = std::find_if(shards_.begin(), shards_.end(),
                                    [=](const Shard& shard) { return shard.master == master; });
    if (found != shards_.end()) return static_cast<Index>(found - shards_.begin());
    shards_.push_back({.master = master});
    return static_cast<Index>(shards_.size() - 1);
}

}
