#pragma once

#include <memory>
#include <string_view>

#include "redis/glue/node.hpp"

/// Redis for the other rooms: a Client per edge_redis and worker.
///
///     class Lookup {
///         redis::Call call_{[](void* self, const redis::Answer& answer) noexcept {
///                               static_cast<Lookup*>(self)->answered(answer);
///                           }, this};
///         ...
///         if (!client.send(&call_, key, redis::Access::read, {"GET", key})) go_on_without();
///
/// Everything happens on the worker's event loop. A handler is called exactly once for each send() that
/// returned true, at most `timeout=` later, unless its Call is cancelled or destroyed before: a request that
/// dies just takes its Call along.
namespace edge::redis {

/// What a command does with its keys.
enum class Access : std::uint8_t { read, write };

/// Which node a command goes to. One for each Client; made and used in a worker.
class Topology {
public:
    virtual ~Topology() = default;

    /// The node for commands on `key`; empty key: any that takes writes. nullptr: none is known now.
    virtual Node* node_for(std::string_view key, Access access) noexcept = 0;
    /// A command on `key` was answered with an error, or not at all. The node to send it to once more
    /// (`asking`: behind ASKING), or nullptr: so it stands. `tries`: how often it has been sent. Never called
    /// for a topology that says false in redirects().
    struct Redirect {
        Node* node = nullptr;
        bool asking = false;
    };
    virtual Redirect redirect(const Answer&, std::string_view, Access, unsigned) noexcept { return {}; }
    virtual bool redirects() const noexcept { return false; }
    /// Connects in advance, begins to follow changes.
    virtual void start() noexcept = 0;
    /// Before the worker ends; no node is used afterwards.
    virtual void stop() noexcept = 0;
};

/// The one that the settings describe.
std::unique_ptr<Topology> make_topology(const Settings& settings);

/// A Redis, however many servers it is.
class Client {
public:
    explicit Client(const Settings& settings);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void start() noexcept { topology_->start(); }
    void stop() noexcept { topology_->stop(); }

    /// Sends to the node of `key`, following redirections where the topology has them. `call` may be nullptr.
    /// `timeout` in milliseconds; 0: the configured one. false: nobody can be asked now (breaker open, no
    /// node, no memory); no handler is called then, and nothing was sent.
    bool send(Call* call, std::string_view key, Access access, const Command& command,
              ngx_msec_t timeout = 0) noexcept;
    /// The node itself, for a connection of one's own (Node::dedicated). nullptr: none is known now.
    Node* node_for(std::string_view key, Access access) noexcept { return topology_->node_for(key, access); }
    /// For who has such a connection and got an answer on it that is none: where to ask instead. What it says
    /// of who serves `key` (MOVED, READONLY, a lost connection) is heeded by the next node_for(), too.
    Topology::Redirect heed(const Answer& answer, std::string_view key) noexcept
    {
        if (!topology_->redirects()) return {};
        return topology_->redirect(answer, key, Access::write, 1);
    }

    const Settings& settings() const noexcept { return settings_; }

private:
    const Settings& settings_;
    std::unique_ptr<Topology> topology_;
};

/// The client for `settings` in this worker, between start_clients and stop_clients; nullptr otherwise.
Client* client_of(const Settings* settings) noexcept;
/// In a worker that starts.
void start_clients(const std::vector<Settings*>& all);
/// In a worker that ends: closes every connection.
void stop_clients() noexcept;

}
