#pragma once

#include "nginx/ngx.hpp"

namespace edge::websocket {

/// What can wait until this turn of the worker's event loop has served all others: the batches of busy
/// connections, whose compression takes a while. One turn does as many as take 0.2 ms, and at least one; the
/// rest goes on in the next, which does not sleep. So what must go at once waits for little else.
class Later {
public:
    /// Calls the event's handler, in the order of these calls. As with nginx's posted events: once, however
    /// often it is added, and not at all after ngx_delete_posted_event().
    static void add(ngx_event_t& event) noexcept;
};

}
