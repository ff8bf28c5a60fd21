#include "redis/glue/sentinel_set.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "nginx/barrier.hpp"
#include "nginx/timer.hpp"
#include "redis/glue/retired.hpp"
#include "redis/route.hpp"
#include "redis/sentinel.hpp"

namespace edge::redis {

namespace {

class SentinelSet final : public Topology {
public:
    explicit SentinelSet(const Settings& settings) : settings_{settings}, watch_{settings.endpoints.size()}
    {
        for (const Endpoint& endpoint : settings.endpoints)
            sentinels_.push_back(std::make_unique<Node>(endpoint, settings));
    }

    Node* node_for(std::string_view key, Access access) noexcept override;
    Redirect redirect(const Answer& answer, std::string_view key, Access access,
                      unsigned tries) noexcept override;
    bool redirects() const noexcept override { return true; }
    void start() noexcept override { proceed(); }
    void stop() noexcept override;

private:
    std::unique_ptr<Node> server(const HostPort& address) const;
    Node* replica(const Node* but) noexcept;
    void trouble() noexcept;
    void proceed() noexcept;
    bool ask(std::size_t sentinel);
    bool verify(const HostPort& address);
    void answered(const Answer& answer) noexcept;
    void confirmed(const Answer& answer) noexcept;
    void listed(const Answer& answer) noexcept;

    const Settings& settings_;
    SentinelWatch watch_;
    std::vector<std::unique_ptr<Node>> sentinels_;
    std::unique_ptr<Node> master_;
    std::unique_ptr<Node> candidate_;  ///< another one, while it is asked for its ROLE
    std::vector<std::unique_ptr<Node>> replicas_;
    Retired retired_;
    Call address_{
        [](void* self, const Answer& answer) noexcept { static_cast<SentinelSet*>(self)->answered(answer); },
        this};
    Call role_{
        [](void* self, const Answer& answer) noexcept { static_cast<SentinelSet*>(self)->confirmed(answer); },
        this};
    Call list_{
        [](void* self, const Answer& answer) noexcept { static_cast<SentinelSet*>(self)->listed(answer); },
        this};
    ngx::Timer timer_{[](void* self) noexcept { static_cast<SentinelSet*>(self)->proceed(); }, this};
    std::size_t readers_ = 0;
    bool told_ = false;  ///< that no master is found
    bool stopped_ = false;
};

Node* SentinelSet::node_for(std::string_view, Access access) noexcept
{
    if (access == Access::read && settings_.replicas) {
        if (Node* node = replica(nullptr)) return node;
    }
    if (master_ != nullptr && !master_->available()) trouble();
    return master_.get();
}

Topology::Redirect SentinelSet::redirect(const Answer& answer, std::string_view, Access access,
                                         unsigned tries) noexcept
{
    return ngx::guarded<Redirect>(ngx_cycle->log, {}, [&]() -> Redirect {
        const bool at_master = master_.get() == &answer.node;
        const Journey journey{.reads = access == Access::read,
                              .at_replica = !at_master,
                              .replicas = settings_.replicas,
                              .hops = tries - 1};
        const bool refused = answer.failure == Failure::error_reply;
        const Step step =
            refused ? after_refusal(parse_refusal(answer.reply.text), journey) : after_loss(journey);
        if (step.refresh && at_master) trouble();
        Node* node = nullptr;
        if (step.to == Step::To::master) node = master_.get();
        if (step.to == Step::To::replica) node = replica(&answer.node);
        return {node == &answer.node ? nullptr : node, false};
    });
}

std::unique_ptr<Node> SentinelSet::server(const HostPort& address) const
{
    Endpoint endpoint{settings_.sentinel.server, {}};
    endpoint.url.host = address.host;
    endpoint.url.port = address.port;
    return std::make_unique<Node>(endpoint, settings_);
}

Node* SentinelSet::replica(const Node* but) noexcept
{
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
        Node* node = replicas_[readers_++ % replicas_.size()].get();
        if (node != but && node->available()) return node;
    }
    return nullptr;
}

void SentinelSet::trouble() noexcept
{
    if (stopped_) return;
    watch_.on_trouble(ngx_current_msec);
    // Not from here: whoever tells of it may be in the middle of something.
    if (!address_.under_way() && !role_.under_way()) timer_.arm_at_latest(1);
}

/// Does what is due, until an answer or a time has to be waited for.
void SentinelSet::proceed() noexcept
{
    while (!stopped_) {
        const bool waits = ngx::guarded<bool>(ngx_cycle->log, true, [&] {
            const SentinelWatch::Task task = watch_.due(ngx_current_msec);
            switch (task.what) {
                case SentinelWatch::Task::What::nothing: {
                    if (task.again_at_ms == 0) return true;
                    timer_.arm(static_cast<ngx_msec_t>(task.again_at_ms - ngx_current_msec));
                    return true;
                }
                case SentinelWatch::Task::What::ask:
                    return ask(task.sentinel);
                case SentinelWatch::Task::What::verify:
                    return verify(task.server);
            }
            return true;
        });
        if (waits) return;
    }
}

bool SentinelSet::ask(std::size_t sentinel)
{
    const Command command{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", settings_.sentinel.set};
    if (sentinels_[sentinel]->send(&address_, command, settings_.connect_timeout)) return true;
    watch_.on_answer(ngx_current_msec, std::nullopt);
    return false;
}

bool SentinelSet::verify(const HostPort& address)
{
    Node* node = master_.get();
    if (master_ == nullptr || address != watch_.master()) {
        retired_.add(std::exchange(candidate_, server(address)));
        node = candidate_.get();
    }
    if (node->send(&role_, Command{"ROLE"}, settings_.connect_timeout)) return true;
    watch_.on_role(ngx_current_msec, Role::unknown);
    return false;
}

void SentinelSet::answered(const Answer& answer) noexcept
{
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        const auto master = answer.well() ? parse_master_address(answer.reply) : std::nullopt;
        watch_.on_answer(ngx_current_msec, master);
        if (master && settings_.replicas) {
            static_cast<void>(answer.node.send(
                &list_, Command{"SENTINEL", "REPLICAS", settings_.sentinel.set}, settings_.connect_timeout));
        }
        if (!master && !told_ && !watch_.master()) {
            told_ = true;
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "edge: redis \"%s\": Sentinel %s names no master \"%s\"", settings_.name.c_str(),
                          answer.node.name().c_str(), settings_.sentinel.set.c_str());
        }
        return 0;
    });
    proceed();
}

void SentinelSet::confirmed(const Answer& answer) noexcept
{
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        // One whose user may not ask for the ROLE has Sentinel's word for it.
        const bool unknown = !answer.well() && !answer.reply.error_is("NOPERM");
        const Role role = unknown ? Role::unknown : answer.well() ? parse_role(answer.reply) : Role::master;
        if (watch_.on_role(ngx_current_msec, role)) {
            retired_.reserve(1);
            std::unique_ptr<Node> before = std::exchange(master_, std::move(candidate_));
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "edge: redis \"%s\": the master is %s",
                          settings_.name.c_str(), master_->name().c_str());
            retired_.add(std::move(before));
        }
        return 0;
    });
    proceed();
}

void SentinelSet::listed(const Answer& answer) noexcept
{
    if (!answer.well()) return;
    ngx::guarded<int>(ngx_cycle->log, 0, [&] {
        const std::vector<HostPort> addresses = parse_replicas(answer.reply);
        const auto known = [&](const HostPort& address) {
            return std::find_if(replicas_.begin(), replicas_.end(), [&](const std::unique_ptr<Node>& node) {
                return node != nullptr && node->url().host == address.host &&
                       node->url().port == address.port;
            });
        };
        std::vector<std::unique_ptr<Node>> now(addresses.size());
        for (std::size_t i = 0; i < now.size(); ++i) {
            if (known(addresses[i]) == replicas_.end()) now[i] = server(addresses[i]);
        }
        retired_.reserve(replicas_.size());
        // Nothing throws from here on.
        for (std::size_t i = 0; i < now.size(); ++i) {
            if (now[i] == nullptr) now[i] = std::move(*known(addresses[i]));
        }
        std::erase(now, nullptr);  // who was named twice
        std::vector<std::unique_ptr<Node>> before = std::exchange(replicas_, std::move(now));
        for (std::unique_ptr<Node>& gone : before) retired_.add(std::move(gone));
        return 0;
    });
}

void SentinelSet::stop() noexcept
{
    stopped_ = true;
    timer_.cancel();
    for (Call* call : {&address_, &role_, &list_}) call->cancel();
    for (Node* node : {master_.get(), candidate_.get()}) {
        if (node != nullptr) node->close();
    }
    for (const auto* nodes : {&sentinels_, &replicas_}) {
        for (const std::unique_ptr<Node>& node : *nodes) node->close();
    }
    retired_.stop();
}

}

std::unique_ptr<Topology> make_sentinel_set(const Settings& settings)
{
    return std::make_unique<SentinelSet>(settings);
}

}
