#include "image/glue/loop_share.hpp"

#include <algorithm>

namespace edge::image {

namespace {

/// Copying and hashing it takes some tenths of a millisecond, on a busy machine too.
constexpr std::size_t kEachTurn = 48 * 1024;
/// More is not given at a time: others may wait.
constexpr std::size_t kAtOnce = 32 * 1024;
constexpr std::size_t kLeast = 4096;
/// Also those that find nothing to do take time.
constexpr int kMostPieces = 64;

}

void run_pieces(ngx_event_t* event) noexcept;

namespace {

/// This worker's.
struct Share {
    std::size_t left = kEachTurn;
    ngx_queue_t waiting{};
    ngx_event_t next_turn{};

    Share() noexcept
    {
        ngx_queue_init(&waiting);
        next_turn.handler = run_pieces;
        next_turn.log = ngx_cycle->log;
    }
    void await_next_turn() noexcept { ngx_post_event((&next_turn), &ngx_posted_next_events); }
};

Share& share() noexcept
{
    static Share one;
    return one;
}

}

std::size_t loop_share() noexcept
{
    return std::clamp(share().left, kLeast, kAtOnce);
}

bool is_loop_share_spent() noexcept
{
    return share().left < kLeast;
}

void spend_loop_share(std::size_t bytes) noexcept
{
    Share& all = share();
    all.left -= std::min(all.left, bytes);
    all.await_next_turn();
}

void LaterPiece::post() noexcept
{
    if (waits_) return;
    waits_ = true;
    ngx_queue_insert_tail(&share().waiting, &link_.queue);
    share().await_next_turn();
}

void LaterPiece::cancel() noexcept
{
    if (!waits_) return;
    waits_ = false;
    ngx_queue_remove(&link_.queue);
}

void LaterPiece::run() noexcept
{
    cancel();
    handler_(owner_);  // *this may be gone now
}

void run_pieces(ngx_event_t*) noexcept
{
    Share& all = share();
    all.left = kEachTurn;
    for (int n = 0; n < kMostPieces && !ngx_queue_empty(&all.waiting) && !is_loop_share_spent(); ++n)
        reinterpret_cast<LaterPiece::Link*>(ngx_queue_head(&all.waiting))->piece->run();
    if (!ngx_queue_empty(&all.waiting)) all.await_next_turn();
}

}
