#include "redis/glue/cluster.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "nginx/barrier.hpp"
#include "nginx/timer.hpp"
#include "redis/glue/retired.hpp"
#include "redis/route.hpp"
#include "redis/slot_map.hpp"

namespace edge::redis {

namespace {

constexpr ngx_msec_t kRefreshMs = 30'000;   ///< between maps while nothing seems to change
constexpr ngx_msec_t kLeastMs = 500;        ///< between maps while much does
constexpr ngx_msec_t kMostPauseMs = 5'000;  ///< between rounds in which nobody had a map; doubled up to this
constexpr std::size_t kMostAsked = 3;       ///< known nodes in a round, before the configured ones

class Cluster final : public Topology {
public:
    explicit Cluster(const Settings& settings) : settings_{settings}
    {
        for (const Endpoint& endpoint : settings.endpoints)
            seeds_.push_back(std::make_unique<Node>(endpoint, settings));
    }

    Node* node_for(std::string_view key, Access access) noexcept override;
    Redirect redirect(const Answer& answer, std::string_view key, Access access,
                      unsigned tries) noexcept override;
    bool redirects() const noexcept override { return true; }
    void start() noexcept override { ask(); }
    void stop() noexcept override;

private:
    using Index = SlotMap::Index;

    Node* at(Index index) noexcept;
    Node* reader(const SlotMap::Shard& shard, const Node* but) noexcept;
    Node* any_master() noexcept;
    Node* go(const Step& step, const Refusal& refusal, const Answer& answer, std::uint16_t slot);
    Index index_of(const Refusal& refusal, const Node& from);
    void want_map() noexcept;
    void ask() noexcept;
    Node* whom_to_ask() noexcept;
    void answered(const Answer& answer) noexcept;
    void install(SlotMap&& map);

    const Settings& settings_;
    SlotMap map_;
    std::vector<std::unique_ptr<Node>> nodes_;  ///< by index in the map; made when they are first needed
    std::vector<std::unique_ptr<Node>> seeds_;  ///< the configured ones, also when they are in the map
    Retired retired_;
    Call call_{
        [](void* self, const Answer& answer) noexcept { static_cast<Cluster*>(self)->answered(answer); },
        this};
    ngx::Timer timer_{[](void* self) noexcept { static_cast<Cluster*>(self)->ask(); }, this};
    ngx_msec_t asked_at_ = 0;
    ngx_msec_t pause_ = kLeastMs;
    std::size_t asked_ = 0;      ///< in this round
    std::size_t turn_ = 0;       ///< of known nodes
    std::size_t seed_turn_ = 0;  ///< of configured ones
    std::uint32_t readers_ = 0;
    bool stopped_ = false;
};

Node* Cluster::node_for(std::string_view key, Access access) noexcept
{
    if (key.empty()) return any_master();
    const SlotMap::Shard* shard = map_.shard_of(slot_of(key));
    if (shard == nullptr) {
        want_map();
        return nullptr;
    }
    Node* node = access == Access::read && settings_.replicas ? reader(*shard, nullptr) : at(shard->master);
    if (node == nullptr || !node->available()) want_map();
    return node;
}

Topology::Redirect Cluster::redirect(const Answer& answer, std::string_view key, Access access,
                                     unsigned tries) noexcept
{
    return ngx::guarded<Redirect>(ngx_cycle->log, {}, [&]() -> Redirect {
        const std::uint16_t slot = slot_of(key);
        const SlotMap::Shard* shard = map_.shard_of(slot);
        const bool at_master = shard != nullptr && at(shard->master) == &answer.node;
        const Journey journey{.reads = access == Access::read,
                              .at_replica = shard != nullptr && !at_master,
                              .replicas = settings_.replicas,
                              .hops = tries - 1};
        const bool refused = answer.failure == Failure::error_reply;
        const Refusal refusal = refused ? parse_refusal(answer.reply.text) : Refusal{};
        const Step step = refused ? after_refusal(refusal, journey) : after_loss(journey);
        Node* node = go(step, refusal, answer, slot);
        if (step.refresh) want_map();
        if (node == nullptr || node == &answer.node) return {};
        return {node, step.to == Step::To::asking};
    });
}

Node* Cluster::go(const Step& step, const Refusal& refusal, const Answer& answer, std::uint16_t slot)
{
    const SlotMap::Shard* shard = map_.shard_of(slot);
    switch (step.to) {
        case Step::To::caller:
            return nullptr;
        case Step::To::address:
        case Step::To::asking:
            return at(index_of(refusal, answer.node));
        case Step::To::master:
            return shard == nullptr ? nullptr : at(shard->master);
        case Step::To::replica:
            return shard == nullptr ? nullptr : reader(*shard, &answer.node);
    }
    return nullptr;
}

SlotMap::Index Cluster::index_of(const Refusal& refusal, const Node& from)
{
    HostPort address = refusal.address;
    if (address.host.empty()) address.host = from.url().host;
    const Index index =
        refusal.kind == Refusal::Kind::moved ? map_.moved(refusal.slot, address) : map_.add(address);
    nodes_.resize(map_.nodes().size());
    return index;
}

/// nullptr: there is none, or no memory for it.
Node* Cluster::at(Index index) noexcept
{
    if (index == SlotMap::kNobody || stopped_) return nullptr;
    std::unique_ptr<Node>& node = nodes_[index];
    if (node == nullptr) {
        ngx::guarded<int>(ngx_cycle->log, 0, [&] {
            Endpoint endpoint{settings_.endpoints.front().url, {}};
            endpoint.url.host = map_.nodes()[index].host;
            endpoint.url.port = map_.nodes()[index].port;
            node = std::make_unique<Node>(endpoint, settings_, settings_.replicas);
            return 0;
        });
    }
    return node.get();
}

Node* Cluster::reader(const SlotMap::Shard& shard, const Node* but) noexcept
{
    const auto usable = [&](Index index) {
        const Node* node = at(index);
        return node != nullptr && node != but && node->available();
    };
    return at(reader_of(shard, readers_++, usable));
}

Node* Cluster::any_master() noexcept
{
    const SlotMap::Shard* last = nullptr;
    for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
        const SlotMap::Shard* shard = map_.shard_of(slot);
        if (shard == nullptr || shard == last) continue;
        last = shard;
        if (Node* node = at(shard->master); node != nullptr && node->available()) return node;
    }
    want_map();
    return nullptr;
}

void Cluster::want_map() noexcept
{
    if (stopped_ || call_.under_way() || asked_ != 0) return;  // the round goes on by itself
    const ngx_msec_t since = ngx_current_msec - asked_at_;
    timer_.arm_at_latest(since >= kLeastMs ? 1 : kLeastMs - since);
}

/// The next of a round: some of those known, each of those configured.
Node* Cluster::whom_to_ask() noexcept
{
    const std::size_t known = std::min(map_.nodes().size(), kMostAsked);
    while (asked_ < known) {
        ++asked_;
        Node* node = at(static_cast<Index>(turn_++ % map_.nodes().size()));
        if (node != nullptr && node->available()) return node;
    }
    while (asked_ < known + seeds_.size()) {
        ++asked_;
        Node* node = seeds_[seed_turn_++ % seeds_.size()].get();
        if (node->available()) return node;
    }
    return nullptr;
}

void Cluster::ask() noexcept
{
    if (stopped_ || call_.under_way()) return;
    const bool sent = ngx::guarded<bool>(ngx_cycle->log, false, [&] {
        while (Node* node = whom_to_ask()) {
            if (node->send(&call_, Command{"CLUSTER", "SLOTS"}, settings_.connect_timeout)) return true;
        }
        return false;
    });
    if (sent) return;
    if (pause_ == kLeastMs) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "edge: redis \"%s\": no node of the cluster says who serves what",
                      settings_.name.c_str());
    }
    asked_ = 0;
    asked_at_ = ngx_current_msec;
    timer_.arm(pause_);
    pause_ = std::min(pause_ * 2, kMostPauseMs);
}

void Cluster::answered(const Answer& answer) noexcept
{
    const bool well = ngx::guarded<bool>(ngx_cycle->log, false, [&] {
        if (!answer.well()) return false;
        auto map = SlotMap::from_cluster_slots(answer.reply, answer.node.url().host);
        if (!map) return false;
        install(std::move(*map));
        return true;
    });
    if (!well) {
        if (answer.failure == Failure::error_reply && pause_ == kLeastMs) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "edge: redis %s: CLUSTER SLOTS: %*s",
                          answer.node.name().c_str(), answer.reply.text.size(), answer.reply.text.data());
        }
        timer_.arm(1);  // the next one; not from within the connection that has just answered
        return;
    }
    asked_ = 0;
    asked_at_ = ngx_current_msec;
    pause_ = kLeastMs;
    timer_.arm(kRefreshMs);
}

void Cluster::install(SlotMap&& map)
{
    std::vector<std::unique_ptr<Node>> nodes(map.nodes().size());
    std::vector<std::size_t> stays(map_.nodes().size());
    for (std::size_t i = 0; i < stays.size(); ++i) {
        const auto found = std::find(map.nodes().begin(), map.nodes().end(), map_.nodes()[i]);
        stays[i] = static_cast<std::size_t>(found - map.nodes().begin());
    }
    retired_.reserve(nodes_.size());
    // Nothing throws from here on. Who waits for a node that leaves may ask for another within its close().
    std::vector<std::unique_ptr<Node>> before = std::exchange(nodes_, std::move(nodes));
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (stays[i] < nodes_.size()) nodes_[stays[i]] = std::move(before[i]);
    }
    map_ = std::move(map);
    for (std::unique_ptr<Node>& gone : before) retired_.add(std::move(gone));
}

void Cluster::stop() noexcept
{
    stopped_ = true;
    timer_.cancel();
    call_.cancel();
    for (const std::unique_ptr<Node>& node : seeds_) node->close();
    for (const std::unique_ptr<Node>& node : nodes_) {
        if (node != nullptr) node->close();
    }
    retired_.stop();
}

}

std::unique_ptr<Topology> make_cluster(const Settings& settings)
{
    return std::make_unique<Cluster>(settings);
}

}
