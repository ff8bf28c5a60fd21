#include "redis/glue/client.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "nginx/barrier.hpp"
#include "redis/glue/cluster.hpp"
#include "redis/glue/sentinel_set.hpp"

namespace edge::redis {

namespace {

constexpr unsigned kMostTries = 5;

class Single final : public Topology {
public:
    explicit Single(const Settings& settings) : node_{settings.endpoints.front(), settings} {}
    Node* node_for(std::string_view, Access) noexcept override { return &node_; }
    void start() noexcept override { node_.open(); }
    void stop() noexcept override { node_.close(); }

private:
    Node node_;
};

/// A command that may be sent on to another node. Owns itself until it is answered for good.
class Routed {
public:
    Routed(Topology& topology, Call* call, std::string_view key, Access access, const Command& command,
           ngx_msec_t timeout)
        : topology_{topology},
          outer_{call},
          key_{key},
          access_{access},
          command_{command},
          deadline_{ngx_current_msec + timeout}
    {}
    bool send(Node& node, bool asking) noexcept
    {
        ++tries_;
        const auto left = static_cast<ngx_msec_int_t>(deadline_ - ngx_current_msec);
        return left > 0 && node.send(&inner_, command_, static_cast<ngx_msec_t>(left), asking);
    }

private:
    void answered(const Answer& answer) noexcept
    {
        // After a time-out there is no time left for another.
        if (!answer.well() && answer.failure != Failure::timed_out && tries_ < kMostTries) {
            const Topology::Redirect to = topology_.redirect(answer, key_, access_, tries_);
            if (to.node != nullptr && send(*to.node, to.asking)) return;
        }
        outer_.hand_over(answer);
        delete this;
    }

    Topology& topology_;
    Wait outer_;
    Call inner_{
        [](void* self, const Answer& answer) noexcept { static_cast<Routed*>(self)->answered(answer); },
        this};
    const std::string key_;
    const Access access_;
    const Command command_;
    const ngx_msec_t deadline_;  ///< of all tries together
    unsigned tries_ = 0;
};

struct Entry {
    const Settings* settings;
    std::unique_ptr<Client> client;
};
std::vector<Entry>* clients = nullptr;

}

std::unique_ptr<Topology> make_topology(const Settings& settings)
{
    if (settings.cluster) return make_cluster(settings);
    if (!settings.sentinel.set.empty()) return make_sentinel_set(settings);
    return std::make_unique<Single>(settings);
}

Client::Client(const Settings& settings) : settings_{settings}, topology_{make_topology(settings)} {}

Client::~Client() = default;

bool Client::send(Call* call, std::string_view key, Access access, const Command& command,
                  ngx_msec_t timeout) noexcept
{
    Node* node = topology_->node_for(key, access);
    if (node == nullptr) return false;
    if (!topology_->redirects()) return node->send(call, command, timeout);
    return ngx::guarded<bool>(ngx_cycle->log, false, [&] {
        auto routed = std::make_unique<Routed>(*topology_, call, key, access, command,
                                               timeout != 0 ? timeout : settings_.timeout);
        if (!routed->send(*node, false)) return false;
        static_cast<void>(routed.release());
        return true;
    });
}

Client* client_of(const Settings* settings) noexcept
{
    if (clients == nullptr) return nullptr;
    const auto entry = std::find_if(clients->begin(), clients->end(),
                                    [&](const Entry& e) { return e.settings == settings; });
    return entry != clients->end() ? entry->client.get() : nullptr;
}

void start_clients(const std::vector<Settings*>& all)
{
    if (all.empty()) return;
    auto made = std::make_unique<std::vector<Entry>>();
    for (const Settings* settings : all) made->push_back({settings, std::make_unique<Client>(*settings)});
    clients = made.release();
    for (const Entry& entry : *clients) entry.client->start();
}

void stop_clients() noexcept
{
    if (clients == nullptr) return;
    for (const Entry& entry : *clients) entry.client->stop();
    delete std::exchange(clients, nullptr);
}

}
