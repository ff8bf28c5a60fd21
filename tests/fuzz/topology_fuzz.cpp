#include <algorithm>

#include "fuzz/input.hpp"
#include "redis/refusal.hpp"
#include "redis/reply.hpp"
#include "redis/route.hpp"
#include "redis/sentinel.hpp"
#include "redis/slot_map.hpp"

using namespace edge::redis;
using namespace edge::fuzz;

namespace {

void check(const HostPort& address)
{
    FUZZ_CHECK(address.port != 0 && address.host.size() <= 255);
    FUZZ_CHECK(address.host.find_first_of(" \r\n[]/@") == std::string::npos);
}

void check(const SlotMap& map)
{
    FUZZ_CHECK(map.nodes().size() <= SlotMap::kMostNodes);
    std::size_t served = 0;
    for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
        const SlotMap::Shard* shard = map.shard_of(slot);
        if (shard == nullptr) continue;
        ++served;
        FUZZ_CHECK(shard->master < map.nodes().size());
        for (const SlotMap::Index replica : shard->replicas) {
            FUZZ_CHECK(replica < map.nodes().size() && replica != shard->master);
        }
        const SlotMap::Index reader =
            reader_of(*shard, slot, [](SlotMap::Index one) { return one % 2 == 0; });
        FUZZ_CHECK(reader < map.nodes().size());
    }
    FUZZ_CHECK(served == map.slots_served());
    FUZZ_CHECK(map.masters() <= map.nodes().size());
}

void take(SlotMap& map, const Reply& reply)
{
    if (auto other = SlotMap::from_cluster_slots(reply, "asked")) {
        check(*other);
        FUZZ_CHECK(other->slots_served() > 0);
        map = std::move(*other);
    }
    if (const auto master = parse_master_address(reply)) check(*master);
    for (const HostPort& replica : parse_replicas(reply)) check(replica);
    parse_role(reply);
    if (!reply.is_error()) return;

    const Refusal refusal = parse_refusal(reply.text);
    if (refusal.kind == Refusal::Kind::moved || refusal.kind == Refusal::Kind::ask) {
        check(refusal.address);
        FUZZ_CHECK(refusal.slot < kSlots);
        HostPort again;
        FUZZ_CHECK(parse_host_port(to_string(refusal.address), again) && again == refusal.address);
        const SlotMap::Index node = map.moved(refusal.slot, refusal.address);
        if (node != SlotMap::kNobody) {
            FUZZ_CHECK(map.nodes()[node] == refusal.address && map.shard_of(refusal.slot)->master == node);
        }
        check(map);
    }
    FUZZ_CHECK(after_refusal(refusal, {.reads = true, .replicas = true, .hops = kMostHops}).to ==
               Step::To::caller);
}

}

/// Any bytes as replies of Cluster nodes and Sentinels.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    SlotMap map;
    ReplyReader reader{
        [](void* owner, const Reply& reply) noexcept { take(*static_cast<SlotMap*>(owner), reply); }, &map};
    reader.feed(copies({reinterpret_cast<const char*>(data), size}));
    check(map);
    const std::string_view key = copies({reinterpret_cast<const char*>(data), size});
    FUZZ_CHECK(within(hash_tag(key), key) && slot_of(key) < kSlots);
    return 0;
}
