#include "websocket/batch_window.hpp"

#include <algorithm>

namespace edge::websocket {

BatchWindow::Verdict BatchWindow::on_message(std::uint64_t now_ms, std::uint32_t bytes, bool urgent) noexcept
{
    const bool alone = messages_ == 0;
    if (alone) since_ = now_ms;
    ++messages_;
    bytes_ += bytes;
    const bool after_pause =
        !last_message_ || (now_ms > *last_message_ && now_ms - *last_message_ >= limits_.delay_ms);
    last_message_ = std::max(now_ms, last_message_.value_or(0));
    if (urgent)
        cause_ = Cause::urgent;
    else if (limits_.delay_ms == 0 || (alone && after_pause))
        cause_ = Cause::first;
    else if (messages_ >= limits_.messages)
        cause_ = Cause::messages;
    else if (bytes_ >= limits_.bytes)
        cause_ = Cause::bytes;
    else if (now_ms > since_ && now_ms - since_ >= limits_.delay_ms)
        cause_ = Cause::delay;
    else
        return Verdict::hold;
    return Verdict::flush;
}

std::optional<std::uint64_t> BatchWindow::deadline() const noexcept
{
    if (messages_ == 0) return std::nullopt;
    return since_ + limits_.delay_ms;
}

void BatchWindow::flushed() noexcept
{
    messages_ = 0;
    bytes_ = 0;
}

}
