#pragma once

#include "nginx/ngx.hpp"

namespace edge::websocket {

class Tunnel;

/// The tunnels of this worker, for what concerns all of them: those that are idle give memory back, and those
/// of a worker that exits under worker_shutdown_timeout are closed with 1001, spread over that time. Without
/// worker_shutdown_timeout they stay until they end, as nginx's own do.
///
/// Looks after them by a timer, only while there are any. It keeps a worker from exiting under them: a tunnel
/// that waits for nothing with a time-out has no timer of its own.
class TunnelList {
public:
    static void add(Tunnel& tunnel) noexcept;
    static void remove(Tunnel& tunnel) noexcept;
};

}
