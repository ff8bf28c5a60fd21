#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "nginx/ngx.hpp"
#include "websocket/glue/websocket_events.hpp"
#include "websocket/relay.hpp"

namespace edge::websocket {

/// One proxied WebSocket connection after its 101: the two sockets around a Relay.
///
/// Life:   prepare() in the header filter, before nginx's own tunnel starts; taking over from a posted event,
///         after it; the end by handing back to nginx's tunnel, which finds one side at its end and
///         finalizes the request. From there on only counts() is of use, until the request's pool goes.
/// Owner:  the request's pool, which holds a pointer: it has no room left by then, and would take another 4
/// KB.
///         Taken apart by the request's clean-up, whoever ends the request.
class Tunnel {
public:
    /// Throws std::bad_alloc; nothing has changed then. `settings` lives as long as the request.
    static void prepare(ngx_http_request_t& r, const RelaySettings& settings, const Agreement& agreement);
    /// The request's, or nullptr.
    static Tunnel* find(const ngx_http_request_t& r) noexcept;

    Tunnel(ngx_http_request_t& r, const RelaySettings& settings, const Agreement& agreement);
    ~Tunnel() { detach(); }
    Tunnel(const Tunnel&) = delete;
    Tunnel& operator=(const Tunnel&) = delete;

    const Counts& counts() const noexcept { return counts_; }
    std::uint64_t flushes() const noexcept { return flushes_; }
    Agreement::Mode mode() const noexcept { return mode_; }
    CloseCode close_code() const noexcept { return close_code_; }

    /// For TunnelList: the worker exits, this connection's turn comes at `at`. Later calls change nothing.
    void drain_at(std::uint64_t at) noexcept
    {
        if (drain_at_ == 0) drain_at_ = at;
    }
    bool draining() const noexcept { return drain_at_ != 0; }
    /// Starts to close if it is time to. The tunnel may be gone afterwards.
    void drain_if_due(std::uint64_t now) noexcept;
    /// Frees what an idle connection can do without; whether it did.
    bool release_if_idle(std::uint64_t now) noexcept;
    /// Pings the client if it is time to. The tunnel may be gone afterwards.
    void keep_alive(std::uint64_t now) noexcept;

private:
    friend struct TunnelLinks;
    using Owner = std::unique_ptr<Tunnel>;

    /// An event of nginx's that knows its tunnel; `event` first, so that the one's address is the other's.
    struct Hook {
        ngx_event_t event;
        Tunnel* tunnel;
    };
    enum class Step : std::uint8_t { prepared, running, ended };
    enum class Woken : std::uint8_t { by_socket, by_timer };
    /// Whether the tunnel goes on after a call; if not, it is to be handed back.
    enum class Next : bool { done, more };

    static ssize_t receive_nothing(ngx_connection_t*, u_char*, size_t) noexcept { return NGX_AGAIN; }
    static void on_client_event(ngx_http_request_t* r) noexcept;
    static void on_upstream_event(ngx_http_request_t* r, ngx_http_upstream_t*) noexcept;
    static void on_posted(ngx_event_t* event) noexcept;
    static void on_timer(ngx_event_t* event) noexcept;

    /// Wakes it when others have had their turn.
    void wake_later(Woken by) noexcept;
    void steal_early_bytes();
    void take_over() noexcept;
    void detach() noexcept;
    void hand_back() noexcept;

    void wake(Woken by) noexcept;
    void wake_by_list() noexcept;
    Next run(Woken by);
    Next check_timeouts(std::uint64_t now);
    bool header_sent();
    bool read_client(std::uint64_t now);
    bool read_upstream(std::uint64_t now);
    bool write_client();
    bool write_upstream();
    /// `broken`: nothing can be sent any more.
    void client_lost(bool broken) noexcept;
    void upstream_lost(std::uint64_t now);
    bool finished() noexcept;
    void note_flush() noexcept;
    void log_violation() noexcept;
    void report() noexcept;
    Next arm(std::uint64_t now, bool moved);
    std::uint64_t close_deadline() const noexcept;
    void arm_timer(std::uint64_t now) noexcept;

    ngx_http_request_t& r_;
    ngx_connection_t& client_;
    ngx_connection_t& upstream_;  // not to be touched once the request has been finalized
    Tunnel* previous_ = nullptr;  // in the worker's list
    Tunnel* next_ = nullptr;
    MemoryCount memory_;
    std::optional<Relay> relay_;
    std::vector<Byte> early_upstream_;  // frames that came with the 101
    std::vector<Byte> early_client_;    // and what the client has sent that the relay has not taken yet
    std::size_t early_client_taken_ = 0;
    Hook posted_{};
    Hook timer_{};
    ngx_recv_pt client_recv_ = nullptr;
    ngx_recv_pt upstream_recv_ = nullptr;
    ngx_http_event_handler_pt core_client_read_ = nullptr;
    ngx_http_event_handler_pt core_client_write_ = nullptr;
    ngx_http_upstream_handler_pt core_upstream_read_ = nullptr;
    ngx_http_upstream_handler_pt core_upstream_write_ = nullptr;
    std::size_t record_ = SIZE_MAX;  // the most for the client in one TLS record
    Counts counts_;
    std::uint64_t flushes_ = 0;
    std::uint64_t last_moved_ = 0;  // milliseconds, as all times here
    std::uint64_t closing_since_ = 0;
    std::uint64_t drain_at_ = 0;  // 0: not draining
    std::uint64_t timer_at_ = 0;  // what timer_ is set to, if it is
    CloseCode close_code_ = CloseCode::abnormal;
    Agreement::Mode mode_;
    Step step_ = Step::prepared;
    Woken woken_later_ = Woken::by_timer;
    bool header_sent_ = false;
    bool client_ended_ = false;  // nothing more comes from it
    bool client_lost_ = false;   // nor goes to it
    bool upstream_lost_ = false;
    bool idle_ = false;  // release_idle() was called after the last traffic
};

}
