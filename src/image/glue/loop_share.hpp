#pragma once

#include <cstddef>

#include "nginx/ngx.hpp"

/// Bodies of images are large: to copy and hash one in a single turn of the event loop would keep everybody
/// else waiting. So much of them is moved in each turn, of all together, the rest in the next ones.
namespace edge::image {

/// Bytes that may be moved now. Never none: who is called can always go on a little.
std::size_t loop_share() noexcept;
/// loop_share() gives no more than it gives in any case.
bool is_loop_share_spent() noexcept;
void spend_loop_share(std::size_t bytes) noexcept;

/// What goes on in a next turn. Those that wait come one after the other, in turns.
class LaterPiece {
public:
    using Handler = void (*)(void* owner) noexcept;

    LaterPiece(Handler handler, void* owner) noexcept : link_{{}, this}, handler_{handler}, owner_{owner} {}
    ~LaterPiece() { cancel(); }
    LaterPiece(const LaterPiece&) = delete;
    LaterPiece& operator=(const LaterPiece&) = delete;

    /// Nothing happens when it waits already.
    void post() noexcept;
    void cancel() noexcept;
    bool waits() const noexcept { return waits_; }

private:
    friend void run_pieces(ngx_event_t* event) noexcept;
    struct Link {
        ngx_queue_t queue;
        LaterPiece* piece;
    };
    void run() noexcept;

    Link link_;
    Handler handler_;
    void* owner_;
    bool waits_ = false;
};

}
