#include "websocket/glue/later.hpp"

#include <cstdint>

#include "nginx/clock.hpp"

namespace edge::websocket {

namespace {

constexpr std::uint64_t kNsPerTurn = 200'000;

constinit ngx_queue_t waiting{};
constinit ngx_event_t runner{};

void run(ngx_event_t*) noexcept
{
    const std::uint64_t end = ngx::monotonic_ns() + kNsPerTurn;
    do {
        if (ngx_queue_empty(&waiting)) return;
        ngx_event_t* const event = ngx_queue_data(ngx_queue_head(&waiting), ngx_event_t, queue);
        ngx_delete_posted_event(event);
        event->handler(event);
    } while (ngx::monotonic_ns() < end);
    if (!ngx_queue_empty(&waiting)) {
        ngx_post_event(&runner, &ngx_posted_next_events);
    }
}

}

void Later::add(ngx_event_t& event) noexcept
{
    if (waiting.next == nullptr) {
        ngx_queue_init(&waiting);
        runner.handler = run;
    }
    runner.log = ngx_cycle->log;
    ngx_post_event(&event, &waiting);
    ngx_post_event(&runner, &ngx_posted_events);
}

}
