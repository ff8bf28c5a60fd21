#include "websocket/batch_window.hpp"

#include <algorithm>

namespace edge::websocket {

namespace {

constexpr std::uint64_t kMostToFit = 12000;  // bytes: eight segments of an Ethernet

}

BatchWindow::Verdict BatchWindow::on_message(std::uint64_t now_ms, std::uint32_t bytes, bool urgent) noexcept
{
    const bool alone = messages_ == 0;
    if (alone) since_ = now_ms;
    ++messages_;
    const std::uint64_t whole_before = segments_.whole(bytes_);
    bytes_ += bytes;
    const std::uint64_t whole = segments_.whole(bytes_);
    if (whole != whole_before) tail_messages_ = 0;
    if (whole != bytes_ && tail_messages_++ == 0) tail_since_ = now_ms;
    const bool after_pause = !in_burst(now_ms);
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

std::uint64_t BatchWindow::leaving(Cause cause, std::uint64_t now_ms) const noexcept
{
    const std::uint64_t whole = segments_.whole(bytes_);
    if (takes_all(cause) || whole == 0) return bytes_;
    // Of many segments the last one is a small share, which a write more costs too much for.
    if (whole > kMostToFit) return bytes_;
    // A tail that would have to follow in a moment is not worth a write of its own.
    const bool tail_is_due = now_ms + limits_.delay_ms / 4 >= tail_since_ + limits_.delay_ms;
    return tail_is_due ? bytes_ : whole;
}

void BatchWindow::flushed(std::uint64_t bytes) noexcept
{
    const bool all = bytes >= bytes_;
    messages_ = all ? 0 : tail_messages_;
    since_ = tail_since_;
    bytes_ = all ? 0 : bytes_ - bytes;
    if (all) tail_messages_ = 0;
}

}
