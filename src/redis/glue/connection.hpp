#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nginx/ngx.hpp"
#include "redis/command.hpp"
#include "redis/glue/call.hpp"
#include "redis/reply.hpp"

namespace edge::redis {

/// One socket to a node on nginx's event loop: connects when there is something to send, greets (TLS, AUTH,
/// SELECT, READONLY), and pipelines: what is sent in one turn of the loop leaves in one write at its end.
///
/// shared: one of a node's few; a worker that shuts down waits for its commands. dedicated: of one owner, for
/// commands that block; takes no part in the node's breaker, and no worker waits for it.
///
///     closed -> connecting -> securing -> greeting -> ready;   every step -> closed
///
/// After a failure everybody who waits is told, and the next send() connects anew. Must not be destroyed from
/// within a handler of its own calls.
class Connection {
public:
    enum class Use : std::uint8_t { shared, dedicated };

    Connection(Node& node, Use use);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Sends at the end of this turn of the event loop. `call` may be nullptr: nobody cares. `timeout` in
    /// milliseconds; 0: as long as it takes. false: no connection can be made, or there is no memory; no
    /// handler is called then.
    bool send(Call* call, const Command& command, ngx_msec_t timeout) noexcept;
    /// Connects without a command, if it has not.
    bool open() noexcept;
    /// Ends it; who waits is told `why`.
    void close(Failure why) noexcept;

    bool is_closed() const noexcept { return step_ == Step::closed; }
    std::size_t in_flight() const noexcept { return pending_.size(); }
    std::size_t unsent() const noexcept { return unsent_; }  ///< bytes
    Node& node() const noexcept { return node_; }
    const std::string& peer() const noexcept { return peer_; }  ///< the address it is connected to

private:
    enum class Step : std::uint8_t { closed, connecting, securing, greeting, ready };

    /// A command that was sent, or will be.
    struct Pending {
        Wait wait;
        std::uint64_t sent_us;
        ngx_msec_t deadline;  ///< 0: none
        Pending(Call* call, std::uint64_t now_us, ngx_msec_t until) noexcept
            : wait{call}, sent_us{now_us}, deadline{until}
        {}
    };
    /// Bytes to be written: our own, or borrowed.
    struct Segment {
        std::string own;
        std::span<const std::byte> borrowed;
        std::shared_ptr<const void> keep;
        std::size_t done;  ///< bytes of it that are written
        std::string_view rest() const noexcept;
    };
    /// What nginx holds on to.
    struct Hooks {
        ngx_event_t timer;
        ngx_event_t flush;
        ngx_connection_t no_connection;  // the debug log reads `fd` through a timer's data
        ngx_log_t log;
        Connection* owner;
    };

    bool connect() noexcept;
    void connected() noexcept;
    void handshaken() noexcept;
    void greet() noexcept;
    void send_greeting() noexcept;
    void become_ready() noexcept;
    void on_readable() noexcept;
    void on_writable() noexcept;
    void on_timer() noexcept;
    void on_reply(const Reply& reply) noexcept;
    void on_greeting(const Reply& reply) noexcept;
    void read_all() noexcept;
    void flush() noexcept;
    void flush_soon() noexcept;
    void mind_room() noexcept;
    void append(const Command& command);
    void arm(ngx_msec_t at) noexcept;
    void rearm() noexcept;
    void fail(Failure why, std::string_view how) noexcept;
    void disconnect() noexcept;
    void tell(std::deque<Pending>& whom, Failure why) noexcept;
    void let_worker_end(bool may) noexcept;

    Node& node_;
    const Use use_;
    Step step_ = Step::closed;
    bool local_ = false;             ///< by a unix socket
    bool reading_ = false;           ///< in a handler called from on_readable()
    std::optional<Failure> doomed_;  ///< to be closed when reading is over
    std::string doom_;               ///< and what to say
    unsigned greetings_ = 0;         ///< replies to the greeting still to come
    ngx_connection_t* c_ = nullptr;
    std::unique_ptr<ReplyReader> reader_;
    std::deque<Pending> pending_;
    std::deque<Segment> out_;
    std::string peer_;
    std::string greeting_;  ///< what of it is not written yet
    std::size_t unsent_ = 0;
    ngx_msec_t connect_by_ = 0;
    ngx_msec_t last_byte_ = 0;  ///< when something was received last, or the connection made
    std::uint64_t now_us_ = 0;  ///< when the bytes came that are being read
    Hooks hooks_{};
};

}
