#include "websocket/downstream.hpp"

#include <algorithm>
#include <utility>

namespace edge::websocket {

using Cause = BatchWindow::Cause;

namespace {

/// So much of a large message's beginning tells whether it shrinks; by at least a sixteenth, or it is not
/// worth it.
constexpr std::size_t kProbe = 16384;
/// A large message's fragments.
constexpr std::size_t kFragment = 16000;

}

Downstream::Downstream(const RelaySettings& settings, const Agreement& agreement, MemoryCount& memory)
    : settings_{&settings},
      queue_{memory},
      parser_{Sender::server, agreement.mode == Agreement::Mode::pass_through},
      window_{settings.batch},
      classifier_{settings.priority},
      min_compressed_{agreement.parameters.server_context_takeover ? settings.min_with_context
                                                                   : settings.min_without_context},
      pending_{CountedAllocator<Byte>{memory}},
      packed_{CountedAllocator<Byte>{memory}},
      scratch_{CountedAllocator<Byte>{memory}},
      pack_{agreement.pack}
{
    if (agreement.mode == Agreement::Mode::edge_deflate)
        deflater_.emplace(
            Deflater::Settings{.level = settings.level,
                               .window_bits = agreement.parameters.server_max_window_bits,
                               .memory_level = settings.memory_level,
                               .context_takeover = agreement.parameters.server_context_takeover},
            memory);
}

std::optional<Violation> Downstream::feed(MutableBytes bytes, std::uint64_t now_ms)
{
    counts_.frame_bytes_in += bytes.size();
    for (;;) {
        if (failed_ || close_received_) break;
        const FrameParser::Event event = parser_.next(bytes);
        if (event.kind == FrameParser::Kind::more) break;
        if (const auto violation = on_event(event, now_ms)) {
            failed_ = true;
            return violation;
        }
    }
    // What came in one read leaves in one write.
    if (due_) flush(*due_, now_ms);
    return std::nullopt;
}

std::optional<Violation> Downstream::on_event(const FrameParser::Event& event, std::uint64_t now_ms)
{
    switch (event.kind) {
        case FrameParser::Kind::header:
            return is_control(parser_.header().opcode) ? std::nullopt : on_header();
        case FrameParser::Kind::payload:
            if (is_control(parser_.header().opcode)) {
                const auto at = parser_.received() - event.piece.size();
                std::copy(event.piece.begin(), event.piece.end(),
                          control_.begin() + static_cast<std::ptrdiff_t>(at));
                return std::nullopt;
            }
            return on_payload(event.piece);
        case FrameParser::Kind::end:
            return is_control(parser_.header().opcode) ? on_control() : on_end(now_ms);
        case FrameParser::Kind::error:
            return event.violation;
        case FrameParser::Kind::more:
            break;
    }
    return std::nullopt;
}

std::optional<Violation> Downstream::on_header()
{
    const FrameHeader& header = parser_.header();
    const bool begins = header.opcode != Opcode::continuation;
    if (begins) {
        utf8_.reset();
        message_bytes_ = message_wire_ = 0;
        large_message_ = urgent_ = false;
        pending_.clear();
    }
    if (header.length > settings_->max_upstream_message - message_bytes_)
        return Violation{CloseCode::too_big, "message over the size limit"};
    message_bytes_ += header.length;
    whole_ = {};
    if (close_sent_) {
        fate_ = Fate::drop;
        return std::nullopt;
    }
    if (deflater_ || pack_) {
        if (!large_message_ && message_bytes_ <= settings_->whole) {
            fate_ = Fate::join;
            return std::nullopt;
        }
        if (!large_message_) large_fate_ = Fate::probe;
        large_message_ = true;
        if (large_fate_ != Fate::pass) {
            fate_ = large_fate_;
            return std::nullopt;
        }
    }
    fate_ = header.length > settings_->whole ? Fate::stream : Fate::pass;
    if (fate_ == Fate::stream) {
        if (begins) classifier_.urgent(header.opcode, {}, header.length);
        const HeaderBytes bytes{header};
        queue_.append(bytes.bytes());
        counts_.frame_bytes_out += bytes.bytes().size() + header.length;
        message_wire_ += bytes.bytes().size() + header.length;
        decide(Cause::stream);
    }
    return std::nullopt;
}

std::optional<Violation> Downstream::on_payload(Bytes piece)
{
    if (parser_.message_opcode() == Opcode::text && !parser_.message_compressed() && !utf8_.feed(piece))
        return Violation{CloseCode::bad_data, "text that is not UTF-8"};
    switch (fate_) {
        case Fate::join:
        case Fate::pass:
            if (pending_.empty() && piece.size() == parser_.header().length &&
                (fate_ == Fate::pass || parser_.header().fin))
                whole_ = piece;  // `end` follows from the same bytes
            else
                pending_.insert(pending_.end(), piece.begin(), piece.end());
            break;
        case Fate::stream:
            queue_.append(piece);
            decide(Cause::stream);
            break;
        case Fate::probe:
        case Fate::deflate:
            if (!close_sent_) on_large_payload(piece);
            break;
        case Fate::drop:
            break;
    }
    return std::nullopt;
}

std::optional<Violation> Downstream::on_end(std::uint64_t now_ms)
{
    const FrameHeader& header = parser_.header();
    if (header.fin && parser_.message_opcode() == Opcode::text && !parser_.message_compressed() &&
        !utf8_.complete())
        return Violation{CloseCode::bad_data, "text that ends within a character"};
    // A Close of ours may have gone out since its header came.
    if (close_sent_) {
        pending_.clear();
        return std::nullopt;
    }
    if (fate_ == Fate::probe || fate_ == Fate::deflate)
        end_large_frame(now_ms);
    else
        end_frame(whole_.empty() ? Bytes{pending_} : whole_, now_ms);
    if (header.fin) {
        ++counts_.messages;
        counts_.payload_bytes += message_bytes_;
        if (large_message_ || fate_ == Fate::stream) ++counts_.streamed;
    }
    if (header.fin || fate_ == Fate::pass) pending_.clear();
    return std::nullopt;
}

void Downstream::end_frame(Bytes payload, std::uint64_t now_ms)
{
    const FrameHeader& header = parser_.header();
    if (fate_ == Fate::join) {
        if (header.fin) send_joined(payload, now_ms);
        return;
    }
    if (fate_ == Fate::pass) {
        queue_frame(header, payload);
        if (header.opcode != Opcode::continuation && !parser_.message_compressed())
            urgent_ = classifier_.urgent(header.opcode, payload, header.length);
    }
    // Whoever sends fragments wants them to arrive one by one; most of a large message has left already.
    if (!header.fin || large_message_) decide(Cause::stream);
    if (header.fin) note(now_ms, message_wire_, urgent_);
}

void Downstream::on_large_payload(Bytes piece)
{
    if (fate_ == Fate::probe) {
        pending_.insert(pending_.end(), piece.begin(), piece.end());
        if (pending_.size() >= kProbe) decide_large_message();
        return;
    }
    const std::uint64_t began = clock();
    deflater_->append(piece, false, scratch_);
    counts_.deflate_ns += clock() - began;
    if (scratch_.size() >= kFragment) send_deflated(false);
}

// pending_ is all of the message so far. What is left of the frame that is arriving becomes a fragment of its
// own.
void Downstream::decide_large_message()
{
    const FrameHeader& header = parser_.header();
    const Opcode opcode = parser_.message_opcode();
    urgent_ = classifier_.urgent(opcode, pending_, message_bytes_);
    decide(Cause::stream);
    seal();
    if (pack_ && opcode == Opcode::binary) pending_.insert(pending_.begin(), kBatchRest);
    if (const auto smaller = deflater_ ? compressed(pending_, pending_.size() / 16 * 15) : std::nullopt) {
        scratch_.resize(smaller->size() + kDeflateTail.size());
        queue_frame({.fin = false, .rsv1 = true, .opcode = opcode, .length = scratch_.size()}, scratch_);
        scratch_.clear();
        fate_ = large_fate_ = Fate::deflate;
    } else {
        const std::uint64_t left = header.length - parser_.received();
        queue_frame({.fin = header.fin && left == 0, .opcode = opcode, .length = pending_.size()}, pending_);
        large_fate_ = Fate::pass;
        fate_ = Fate::stream;
        if (left != 0) {
            const HeaderBytes bytes{{.fin = header.fin, .opcode = Opcode::continuation, .length = left}};
            queue_.append(bytes.bytes());
            counts_.frame_bytes_out += bytes.bytes().size() + left;
            message_wire_ += bytes.bytes().size() + left;
        }
    }
    pending_.clear();
}

void Downstream::send_deflated(bool fin)
{
    queue_frame({.fin = fin, .opcode = Opcode::continuation, .length = scratch_.size()}, scratch_);
    scratch_.clear();
    decide(Cause::stream);
}

void Downstream::end_large_frame(std::uint64_t now_ms)
{
    if (!parser_.header().fin) return;
    if (fate_ == Fate::probe) {  // `whole` is less than what tells
        send_joined(pending_, now_ms);
        return;
    }
    const std::uint64_t began = clock();
    deflater_->append({}, true, scratch_);
    counts_.deflate_ns += clock() - began;
    send_deflated(true);
    ++counts_.compressed;
    counts_.compressed_in += message_bytes_;
    counts_.compressed_out += message_wire_;
    note(now_ms, message_wire_, urgent_);
}

void Downstream::send_joined(Bytes message, std::uint64_t now_ms)
{
    const Opcode opcode = parser_.message_opcode();
    const bool urgent = classifier_.urgent(opcode, message, message.size());
    if (pack_) {
        const std::size_t before = packed_.size();
        append_batch_entry(packed_, opcode == Opcode::binary, message);
        note(now_ms, packed_.size() - before, urgent);
        return;
    }
    send_whole(opcode, message);
    note(now_ms, message_wire_, urgent);
}

// What is packed becomes a message of the queue: what is queued next comes after it.
void Downstream::seal()
{
    if (packed_.empty()) return;
    const std::uint64_t others = message_wire_;
    send_whole(Opcode::binary, packed_);
    message_wire_ = others;
    packed_.clear();
}

void Downstream::send_whole(Opcode opcode, Bytes message)
{
    const bool try_it = deflater_ && message.size() >= min_compressed_;
    if (const auto smaller = try_it ? compressed(message, message.size()) : std::nullopt) {
        queue_frame({.rsv1 = true, .opcode = opcode, .length = smaller->size()}, *smaller);
        ++counts_.compressed;
        counts_.compressed_in += message.size();
        counts_.compressed_out += smaller->size();
    } else {
        queue_frame({.opcode = opcode, .length = message.size()}, message);
    }
}

std::optional<Bytes> Downstream::compressed(Bytes message, std::size_t limit)
{
    const std::uint64_t began = clock();
    const auto smaller = deflater_->compress(message, limit, scratch_);
    counts_.deflate_ns += clock() - began;
    return smaller;
}

std::optional<Violation> Downstream::on_control()
{
    const FrameHeader& header = parser_.header();
    const Bytes payload{control_.data(), static_cast<std::size_t>(header.length)};
    if (header.opcode == Opcode::close) {
        const ParsedClose parsed = parse_close(payload);
        if (parsed.violation) return parsed.violation;
        close_received_ = parsed.close.code;
    }
    if (close_sent_) return std::nullopt;
    seal();
    if (header.opcode == Opcode::close && instead_) {
        const ClosePayload own{instead_->code, instead_->reason};
        queue_frame({.opcode = Opcode::close, .length = own.bytes().size()}, own.bytes());
    } else {
        queue_frame(header, payload);
    }
    if (header.opcode == Opcode::close) {
        close_sent_ = true;
        decide(Cause::close);
    }
    window_.on_control(static_cast<std::uint32_t>(kMaxHeader + header.length));
    decide(Cause::urgent);
    return std::nullopt;
}

void Downstream::queue_frame(const FrameHeader& header, Bytes payload)
{
    const HeaderBytes bytes{header};
    queue_.append(bytes.bytes());
    queue_.append(payload);
    const std::size_t wire = bytes.bytes().size() + payload.size();
    counts_.frame_bytes_out += wire;
    if (!is_control(header.opcode)) message_wire_ += wire;
}

void Downstream::note(std::uint64_t now_ms, std::uint64_t wire_bytes, bool urgent)
{
    const auto bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(wire_bytes, UINT32_MAX));
    if (window_.on_message(now_ms, bytes, urgent) == BatchWindow::Verdict::flush) decide(window_.cause());
}

void Downstream::flush(Cause cause, std::uint64_t now_ms)
{
    due_.reset();
    seal();
    const std::size_t held = queue_.size() - queue_.ready();
    // Parts of a message that leave one by one are not in the window.
    const std::uint64_t bytes = window_.held_bytes() == held ? window_.leaving(cause, now_ms) : held;
    const bool waited = window_.held_messages() != 0 && now_ms > window_.held_since();
    if (bytes != 0)
        flush_ = Flush{.cause = cause,
                       .messages = window_.held_messages() - (bytes == held ? 0 : window_.staying()),
                       .bytes = bytes,
                       .held_ms = waited ? now_ms - window_.held_since() : 0};
    queue_.make_ready(static_cast<std::size_t>(bytes));
    window_.flushed(bytes == held ? UINT64_MAX : bytes);
}

std::optional<Flush> Downstream::take_flush() noexcept
{
    return std::exchange(flush_, std::nullopt);
}

bool Downstream::send_close(CloseCode code, std::string_view reason, Cause cause, std::uint64_t now_ms)
{
    if (close_sent_ || mid_frame()) return false;
    const ClosePayload payload{code, reason};
    seal();
    queue_frame({.opcode = Opcode::close, .length = payload.bytes().size()}, payload.bytes());
    close_sent_ = true;
    flush(cause, now_ms);
    return true;
}

bool Downstream::send_ping(Bytes payload, std::uint64_t now_ms)
{
    if (close_sent_ || mid_frame() || payload.size() > kMaxControlPayload) return false;
    seal();
    queue_frame({.opcode = Opcode::ping, .length = payload.size()}, payload);
    flush(Cause::urgent, now_ms);
    return true;
}

void Downstream::release_idle() noexcept
{
    const bool half_done = parser_.in_message() && large_message_ && large_fate_ == Fate::deflate;
    if (deflater_ && !half_done) {
        deflater_->release();
        free_buffer(scratch_);
    }
    if (pending_.empty()) free_buffer(pending_);
    if (packed_.empty()) free_buffer(packed_);
    queue_.trim();
}

}
