#include "websocket/relay.hpp"

namespace edge::websocket {

namespace {

// Literals: the reasons that a client may see for what the upstream did.
constexpr std::string_view kUpstreamFailed = "the upstream violated the protocol";
constexpr std::string_view kUpstreamGone = "the upstream closed the connection";
constexpr std::string_view kNoPong = "no answer to a ping";

}

std::size_t Relay::from_client(MutableBytes bytes, std::uint64_t now_ms)
{
    heard_at_ = now_ms;
    pinged_at_ = 0;
    if (client_gone_ || client_failed_) return bytes.size();
    std::size_t taken = 0;
    for (;;) {
        const Upstream::Taken part = up_.feed(bytes.subspan(taken), now_ms);
        taken += part.bytes;
        if (part.violation) {
            fail_client(*part.violation, now_ms);
            return bytes.size();
        }
        // Nobody is there to take them: they only have to be read on for the client's Close.
        if (upstream_gone_) up_.queue().consume(up_.queue().ready());
        if (taken == bytes.size() || !upstream_gone_) break;
    }
    note_close(up_.close_received());
    return taken;
}

void Relay::from_upstream(MutableBytes bytes, std::uint64_t now_ms)
{
    if (upstream_gone_ || upstream_failed_) return;
    if (const auto violation = down_.feed(bytes, now_ms)) fail_upstream(*violation, now_ms);
    note_close(down_.close_received());
}

void Relay::upstream_ended(std::uint64_t now_ms)
{
    if (upstream_gone_) return;
    upstream_gone_ = true;
    up_.queue().consume(up_.queue().ready());
    if (down_.close_sent()) return;
    // A client that said Close gets its answer, if only from us.
    const CloseCode code = up_.close_received().value_or(CloseCode::internal_error);
    const std::string_view reason = up_.close_received() ? std::string_view{} : kUpstreamGone;
    if (down_.send_close(code, reason, BatchWindow::Cause::close, now_ms))
        note_close(code);
    else
        down_.flush(BatchWindow::Cause::close, now_ms);
}

void Relay::fail_client(const Violation& violation, std::uint64_t now_ms)
{
    if (!violation_) violation_ = violation;
    client_failed_ = true;
    if (!down_.send_close(violation.code, violation.reason, BatchWindow::Cause::close, now_ms))
        down_.flush(BatchWindow::Cause::close, now_ms);
    if (!upstream_gone_) up_.send_close(CloseCode::going_away, {});
    note_close(violation.code);
}

void Relay::fail_upstream(const Violation& violation, std::uint64_t now_ms)
{
    if (!violation_) violation_ = violation;
    upstream_failed_ = true;
    up_.send_close(violation.code, violation.reason);
    if (down_.send_close(CloseCode::internal_error, kUpstreamFailed, BatchWindow::Cause::close, now_ms))
        note_close(CloseCode::internal_error);
    else
        down_.flush(BatchWindow::Cause::close, now_ms);
}

void Relay::note_close(std::optional<CloseCode> code) noexcept
{
    if (!code || closed_) return;
    closed_ = true;
    close_code_ = *code;
}

void Relay::on_deadline(std::uint64_t now_ms)
{
    const auto due = down_.deadline();
    if (due && now_ms >= *due) down_.flush(BatchWindow::Cause::delay, now_ms);
}

bool Relay::close_client(CloseCode code, std::string_view reason, std::uint64_t now_ms)
{
    if (!down_.send_close(code, reason, BatchWindow::Cause::drain, now_ms)) return false;
    note_close(code);
    return true;
}

bool Relay::ping_client(std::uint64_t number, std::uint64_t now_ms)
{
    std::array<Byte, 8> payload;
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<Byte>(number >> (56 - 8 * i));
    if (!down_.send_ping(payload, now_ms)) return false;
    up_.swallow_pong(payload);
    return true;
}

bool Relay::keep_alive(std::uint64_t now_ms)
{
    if (settings_->ping_after_ms == 0 || closing()) return false;
    if (heard_at_ == 0) heard_at_ = now_ms;
    if (pinged_at_ != 0)
        return now_ms - pinged_at_ >= settings_->ping_timeout_ms &&
               close_client(CloseCode::going_away, kNoPong, now_ms);
    if (now_ms - heard_at_ < settings_->ping_after_ms || !ping_client(++pings_, now_ms)) return false;
    pinged_at_ = now_ms;
    return true;
}

bool Relay::ended() const noexcept
{
    if (client_gone_ || client_failed_) return true;
    const bool client_done = down_.close_sent() && up_.close_received();
    // Without a Close, for want of a frame boundary, there is no answer to wait for.
    if (upstream_gone_ || upstream_failed_) return client_done || !down_.close_sent();
    return client_done && up_.close_sent() && down_.close_received();
}

void Relay::release_idle()
{
    down_.release_idle();
    up_.release_idle();
}

}
