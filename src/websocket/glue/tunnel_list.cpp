#include "websocket/glue/tunnel_list.hpp"

#include <malloc.h>

#include "websocket/glue/tunnel.hpp"

namespace edge::websocket {

namespace {

/// Each tick looks after the next few; all of them have had their turn once in a second or two.
constexpr ngx_msec_t kTick = 100;
constexpr std::uint64_t kTicksPerRound = 20;
constexpr std::uint64_t kLeastPerTick = 16;
constexpr ngx_msec_t kTickDraining = 20;
/// So many give back their memory in one tick.
constexpr unsigned kReleasedPerTick = 64;
/// The part of worker_shutdown_timeout over which Close frames are spread; the rest is for the answers.
constexpr std::uint64_t kSpreadPercent = 70;

constinit Tunnel* first = nullptr;
constinit Tunnel* next_to_look_after = nullptr;
constinit std::uint64_t count = 0;
/// Memory was given back since the heap was last asked to return it to the system.
constinit bool heap_has_holes = false;
constinit std::uint64_t draining_since = 0;

struct Clock {
    ngx_event_t event;
    ngx_connection_t connection;  // the debug log reads `fd` through a timer's data
};
constinit Clock clock{};

std::uint64_t shutdown_timeout() noexcept
{
    auto* cycle = const_cast<ngx_cycle_t*>(ngx_cycle);
    return reinterpret_cast<ngx_core_conf_t*>(ngx_get_conf(cycle->conf_ctx, ngx_core_module))
        ->shutdown_timeout;
}

}

/// Has the links in hand.
struct TunnelLinks {
    static Tunnel*& next(Tunnel& tunnel) noexcept { return tunnel.next_; }
    static Tunnel*& previous(Tunnel& tunnel) noexcept { return tunnel.previous_; }
};

namespace {

template <class Each>
void for_each(Each&& each) noexcept
{
    for (Tunnel* tunnel = first; tunnel != nullptr;) {
        Tunnel* next = TunnelLinks::next(*tunnel);  // the call may be this one's last
        each(*tunnel);
        tunnel = next;
    }
}

void drain(std::uint64_t now, std::uint64_t grace) noexcept
{
    const std::uint64_t spread = grace * kSpreadPercent / 100;
    if (draining_since == 0) {
        draining_since = now;
        std::uint64_t n = 0;
        for_each([&](Tunnel& tunnel) { tunnel.drain_at(now + spread * n++ / count); });
    }
    // Whoever was late, from a connection that was open already: at once.
    for_each([&](Tunnel& tunnel) { tunnel.drain_at(now); });
    for_each([&](Tunnel& tunnel) { tunnel.drain_if_due(now); });
}

/// Frees what idle ones hold, pings silent clients; so many at a time that nobody waits for it.
void look_after_some(std::uint64_t now) noexcept
{
    unsigned released = 0;
    Tunnel* tunnel = next_to_look_after != nullptr ? next_to_look_after : first;
    for (std::uint64_t left = count / kTicksPerRound + kLeastPerTick; tunnel != nullptr && left != 0;
         --left) {
        next_to_look_after = TunnelLinks::next(*tunnel);  // remove() moves it on
        if (tunnel->release_if_idle(now)) ++released;
        tunnel->keep_alive(now);  // may be this one's last
        tunnel = next_to_look_after;
        if (released == kReleasedPerTick) break;
    }
    if (tunnel == nullptr) next_to_look_after = nullptr;
    if (released != 0) {
        heap_has_holes = true;
    } else if (heap_has_holes && next_to_look_after == nullptr) {
        heap_has_holes = false;
        malloc_trim(0);
    }
}

void on_tick(ngx_event_t* event) noexcept
{
    const std::uint64_t now = ngx_current_msec;
    const std::uint64_t grace = ngx_exiting != 0 ? shutdown_timeout() : 0;
    if (grace != 0)
        drain(now, grace);
    else
        look_after_some(now);
    if (first != nullptr && !event->timer_set) ngx_add_timer(event, grace != 0 ? kTickDraining : kTick);
}

}

void TunnelList::add(Tunnel& tunnel) noexcept
{
    TunnelLinks::previous(tunnel) = nullptr;
    TunnelLinks::next(tunnel) = first;
    if (first != nullptr) TunnelLinks::previous(*first) = &tunnel;
    first = &tunnel;
    ++count;
    clock.event.cancelable = 0;
    if (clock.event.timer_set) return;
    clock.connection.fd = static_cast<ngx_socket_t>(-1);
    clock.event.data = &clock.connection;
    clock.event.handler = on_tick;
    clock.event.log = ngx_cycle->log;
    ngx_add_timer(&clock.event, kTick);
}

void TunnelList::remove(Tunnel& tunnel) noexcept
{
    Tunnel* next = TunnelLinks::next(tunnel);
    Tunnel* previous = TunnelLinks::previous(tunnel);
    if (next_to_look_after == &tunnel) next_to_look_after = next;
    (previous != nullptr ? TunnelLinks::next(*previous) : first) = next;
    if (next != nullptr) TunnelLinks::previous(*next) = previous;
    --count;
    if (first == nullptr) clock.event.cancelable = 1;
}

}
