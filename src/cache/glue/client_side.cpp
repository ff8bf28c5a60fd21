#include "cache/glue/client_side.hpp"

#include <cstddef>
#include <new>

#include "nginx/buffering.hpp"
#include "nginx/pool.hpp"

namespace edge::cache {

/// Owned by the request's pool; its timer goes with the request's end.
class ClientSide {
public:
    explicit ClientSide(ngx_http_request_t& r) noexcept
        : r_{r}, rate_{r.limit_rate}, rate_is_set_{static_cast<bool>(r.limit_rate_set)}
    {
        hooks_.owner = this;
        hooks_.timer.data = r.connection;
        hooks_.timer.log = r.connection->log;
        hooks_.timer.handler = [](ngx_event_t* event) noexcept {
            reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, timer))->owner->go_on();
        };
    }
    ~ClientSide() { stop(); }
    ClientSide(const ClientSide&) = delete;
    ClientSide& operator=(const ClientSide&) = delete;

    void hold() noexcept
    {
        if (core_writes_ != nullptr) return;
        core_writes_ = r_.write_event_handler;
        r_.write_event_handler = on_writable;
        r_.read_event_handler = ngx_http_block_reading;
        // The core takes the limit away where it sends without buffers.
        r_.limit_rate = rate_;
        r_.limit_rate_set = rate_is_set_ ? 1 : 0;
    }
    /// The write filter has set a timer for its pause, which the core deletes on this path: ours takes its
    /// place.
    void keep_rate() noexcept
    {
        ngx_event_t* event = r_.connection->write;
        if (!event->delayed || hooks_.timer.timer_set || r_.write_event_handler != on_writable) return;
        const auto left = static_cast<ngx_msec_int_t>(event->timer.key - ngx_current_msec);
        ngx_add_timer(&hooks_.timer, event->timer_set && left > 0 ? static_cast<ngx_msec_t>(left) : 1);
    }
    void stop() noexcept
    {
        if (hooks_.timer.timer_set) ngx_del_timer(&hooks_.timer);
    }

private:
    struct Hooks {
        ngx_event_t timer;
        ClientSide* owner;
    };

    static void on_writable(ngx_http_request_t* r) noexcept
    {
        Request* q = Request::find(*r);
        if (q != nullptr && q->client_side != nullptr) q->client_side->writable(*q);
    }
    void writable(Request& q) noexcept
    {
        ngx_event_t* event = r_.connection->write;
        const bool filling = q.step == Request::Step::filling;
        if (event->timedout && (filling || q.orphaned)) {
            event->timedout = 0;
            if (filling) {
                ngx_log_error(NGX_LOG_INFO, r_.connection->log, NGX_ETIMEDOUT, "client timed out");
                orphan(q);
            }
        }
        core_writes_(&r_);
    }
    void go_on() noexcept
    {
        ngx_connection_t* c = r_.connection;
        ngx_http_set_log_request(c->log, &r_);
        c->write->delayed = 0;
        r_.write_event_handler(&r_);  // *this may be gone now
        ngx_http_run_posted_requests(c);
    }

    ngx_http_request_t& r_;
    size_t rate_;
    bool rate_is_set_;
    Hooks hooks_{};
    void (*core_writes_)(ngx_http_request_t*) = nullptr;
};

bool has_rate_limit(ngx_http_request_t& r) noexcept
{
    if (r.limit_rate_set) return r.limit_rate != 0;
    const auto* core =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf((&r), ngx_http_core_module));
    return core->limit_rate != nullptr && ngx_http_complex_value_size(&r, core->limit_rate, 0) != 0;
}

void free_from_client(Request& q)
{
    if (ngx::needs_buffers(q.r)) return;
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&q.r, 0);
    if (cleanup == nullptr) throw std::bad_alloc{};
    q.client_side = &ngx::make<ClientSide>(q.r.pool, q.r);
    cleanup->data = q.client_side;
    cleanup->handler = [](void* data) noexcept { static_cast<ClientSide*>(data)->stop(); };
    // The event pipe would call our filter only as fast as the client reads.
    q.r.upstream->buffering = 0;
}

void hold_client(Request& q) noexcept
{
    if (q.client_side != nullptr) q.client_side->hold();
}

void keep_rate(Request& q) noexcept
{
    if (q.client_side != nullptr) q.client_side->keep_rate();
}

void orphan(Request& q) noexcept
{
    q.orphaned = true;
    q.step = Request::Step::capturing;
    ngx_log_error(NGX_LOG_INFO, q.r.connection->log, 0,
                  "edge: the client has gone, its answer is stored to the end");
}

}
