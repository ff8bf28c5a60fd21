#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nginx/timer.hpp"
#include "redis/breaker.hpp"
#include "redis/glue/addresses.hpp"
#include "redis/glue/call.hpp"
#include "redis/glue/connection.hpp"
#include "redis/glue/settings.hpp"

namespace edge::redis {

/// One Redis server as this worker sees it: its addresses, a few pipelined connections, a breaker, and its
/// figures on the status page. Knows nothing of keys and of other nodes: that is a Topology's business.
///
/// Made in a worker (never in the master), closed before the worker ends. `settings` outlives it.
class Node {
public:
    /// `readonly`: its connections begin with READONLY, as reads from a replica in a cluster want it.
    Node(const Endpoint& endpoint, const Settings& settings, bool readonly = false);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Sends over one of the shared connections. `call` may be nullptr. `timeout` in milliseconds; 0: the
    /// configured one. `asking`: ASKING goes before it. false: the breaker is open, no connection can be
    /// made, or there is no memory; no handler is called then, and nothing was sent.
    bool send(Call* call, const Command& command, ngx_msec_t timeout = 0, bool asking = false) noexcept;
    /// Whether send() would try.
    bool available() const noexcept { return !closed_ && breaker_.allows(); }
    /// A connection of one's own, for commands that block. Not connected yet. Must go before the node does.
    /// Throws std::bad_alloc.
    std::unique_ptr<Connection> dedicated()
    {
        return std::make_unique<Connection>(*this, Connection::Use::dedicated);
    }
    /// Connects in advance.
    void open() noexcept;
    /// No more: who waits is told `lost`, also on dedicated connections.
    void close() noexcept;

    /// Whether somebody holds a dedicated connection, so that the node has to stay.
    bool is_held() const noexcept { return !dedicated_.empty(); }

    const std::string& name() const noexcept { return name_; }  ///< host:port or unix:path
    const Url& url() const noexcept { return endpoint_.url; }
    const Settings& settings() const noexcept { return settings_; }
    bool readonly() const noexcept { return readonly_; }
    Breaker::State breaker() const noexcept { return breaker_.state(); }
    unsigned number() const noexcept { return number_; }  ///< Observer's

    // What its connections tell it.
    void add_dedicated(Connection& connection) { dedicated_.push_back(&connection); }
    void remove_dedicated(Connection& connection) noexcept { std::erase(dedicated_, &connection); }
    const Address* next_address() noexcept { return addresses_.next(); }
    bool is_being_named() const noexcept { return addresses_.is_first_asked(); }
    /// One failure for the breaker: a command without an answer in time, or a connection lost or not made.
    void failed(std::string_view how) noexcept;
    void succeeded() noexcept;
    /// A string came: where they are large, commands are spread over the connections.
    bool sends_large() const noexcept { return usual_size_ >= kLarge; }
    void note_size(std::size_t bytes) noexcept { usual_size_ = (usual_size_ * 15 + bytes) / 16; }
    /// It answers, but with an error that somebody should know of: into the log, at most once a minute.
    void complained(std::string_view error) noexcept;

private:
    static constexpr std::size_t kLarge = 32 * 1024;  ///< bytes that others shall not wait behind
    Connection& pick(const Command& command);
    void moved() noexcept;
    void let_go() noexcept;
    template <class Which>
    void close_dedicated(const Which& which) noexcept;
    void wait_for_probe() noexcept;
    void probe() noexcept;
    void ping(ngx_msec_t timeout) noexcept;
    void probed(const Answer& answer) noexcept;
    void close_connections(Failure why) noexcept;

    const Endpoint endpoint_;
    const Settings& settings_;
    const bool readonly_;
    const std::string name_;
    const unsigned number_;
    Addresses addresses_;
    Breaker breaker_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<std::unique_ptr<Connection>> leaving_;  ///< to addresses that are the node's no more
    std::vector<Connection*> dedicated_;                ///< those that others own
    ngx::Timer leave_{[](void* self) noexcept { static_cast<Node*>(self)->let_go(); }, this};
    Call probe_;
    bool second_ping_ = false;
    ngx_msec_t pinged_at_ = 0;
    std::optional<ngx_msec_t> failure_logged_at_;
    std::optional<ngx_msec_t> complaint_logged_at_;
    bool closed_ = false;
    std::size_t usual_size_ = 0;  ///< of the strings that come, a moving average
    ngx::Timer probe_timer_{[](void* self) noexcept { static_cast<Node*>(self)->probe(); }, this};
};

}
