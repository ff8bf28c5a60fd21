#pragma once

#include "cache/glue/request.hpp"

/// edge_cache_invalidate sync=on: the answer to a write waits until all hosts know of it.
namespace edge::cache {

/// In a worker that starts, when some zone is linked. `slot`: where it can be woken.
void start_holding(unsigned slot) noexcept;

/// Whether the purges of this request are to be told to other hosts before its answer goes out.
bool wants_sync(const Request& q) noexcept;
/// The answer's header is ready: whether it has to wait. Then `q.held` is set, and what comes is for
/// HeldAnswer::keep() until the body filter is called with held->is_free().
bool hold_answer(Request& q);

/// What waits; in the request's pool.
class HeldAnswer {
public:
    HeldAnswer(Request& q, ngx_msec_t most);
    ~HeldAnswer() { leave(); }
    HeldAnswer(const HeldAnswer&) = delete;
    HeldAnswer& operator=(const HeldAnswer&) = delete;

    bool is_free() const noexcept { return free_; }
    /// The body as far as it has come, with `in` at its end.
    ngx_chain_t* all(ngx_chain_t* in);
    /// Buffers stay where they are, as for a client that reads slowly.
    ngx_int_t keep(ngx_chain_t* in);

    void look() noexcept;
    void leave() noexcept;
    static HeldAnswer& of(ngx_queue_t* link) noexcept;

private:
    /// What nginx holds on to.
    struct Hooks {
        ngx_queue_t link;
        ngx_event_t timer;
        HeldAnswer* owner;
    };
    void watch() noexcept;
    void let_go() noexcept;

    Request& q_;
    PurgeLog log_;
    Hooks hooks_{};
    ngx_msec_t deadline_;
    ngx_chain_t* body_ = nullptr;
    bool free_ = false;
};

}
