#include "websocket/upstream.hpp"

#include <algorithm>

namespace edge::websocket {

namespace {

// What one piece can decompress to is a thousand times its size: so many bytes at a time.
constexpr std::size_t kCompressedPiece = 512;

// SplitMix64 (Steele, Lea and Flood, 2014): the payloads of the edge's own frames are nobody's secret and
// nobody's choice; their masks only have to differ.
std::uint64_t next_random(std::uint64_t& state) noexcept
{
    std::uint64_t z = state += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

}

Upstream::Upstream(const RelaySettings& settings, const Agreement& agreement, std::uint64_t mask_seed,
                   MemoryCount& memory)
    : settings_{&settings},
      queue_{memory},
      parser_{Sender::client, agreement.mode != Agreement::Mode::plain},
      rate_{settings.frames_per_second},
      pending_{CountedAllocator<Byte>{memory}},
      random_{mask_seed}
{
    if (agreement.mode == Agreement::Mode::edge_deflate)
        inflater_.emplace(Inflater::Settings{.window_bits = agreement.parameters.client_max_window_bits,
                                             .context_takeover = agreement.parameters.client_context_takeover,
                                             .max_message = settings.max_client_message,
                                             .max_ratio = settings.max_ratio},
                          memory);
}

Upstream::Taken Upstream::feed(MutableBytes bytes, std::uint64_t now_ms)
{
    const std::size_t all = bytes.size();
    Taken taken{.bytes = all, .violation = {}};
    for (;;) {
        if (failed_ || close_received_) {
            bytes = {};
            break;
        }
        if (full() && !parser_.frame_complete()) break;
        const FrameParser::Event event = parser_.next(bytes, inflater_ ? kCompressedPiece : SIZE_MAX);
        if (event.kind == FrameParser::Kind::more) break;
        taken.violation = on_event(event, now_ms);
        failed_ = taken.violation.has_value();
    }
    taken.bytes -= bytes.size();
    counts_.frame_bytes_in += taken.bytes;
    queue_.make_ready();
    return taken;
}

std::optional<Violation> Upstream::on_event(const FrameParser::Event& event, std::uint64_t now_ms)
{
    switch (event.kind) {
        case FrameParser::Kind::header:
            return on_header(now_ms);
        case FrameParser::Kind::payload:
            if (is_control(parser_.header().opcode)) {
                const auto at = parser_.received() - event.piece.size();
                std::copy(event.piece.begin(), event.piece.end(),
                          control_.begin() + static_cast<std::ptrdiff_t>(at));
                return std::nullopt;
            }
            return on_payload(event.piece);
        case FrameParser::Kind::end:
            return is_control(parser_.header().opcode) ? on_control() : on_end();
        case FrameParser::Kind::error:
            return event.violation;
        case FrameParser::Kind::more:
            break;
    }
    return std::nullopt;
}

std::optional<Violation> Upstream::on_header(std::uint64_t now_ms)
{
    if (!rate_.allow(now_ms)) return Violation{CloseCode::policy, "too many frames per second"};
    const FrameHeader& header = parser_.header();
    if (is_control(header.opcode)) return std::nullopt;
    if (header.opcode != Opcode::continuation) {
        utf8_.reset();
        message_bytes_ = 0;
        message_mask_ = header.mask;
        fragment_sent_ = false;
        pending_.clear();
    }
    // Compressed bytes that yield nothing are bounded too; deflate adds less than this to what it can't
    // shrink.
    const std::uint64_t limit = settings_->max_client_message;
    const std::uint64_t slack =
        parser_.message_compressed() ? std::min(limit / 64 + 64, UINT64_MAX - limit) : 0;
    if (header.length > limit + slack - message_bytes_)
        return Violation{CloseCode::too_big, "message over the size limit"};
    message_bytes_ += header.length;
    whole_ = {};
    if (inflater_ && parser_.message_compressed())
        fate_ = Fate::inflate;
    else if (close_sent_)
        fate_ = Fate::drop;
    else
        fate_ = header.length > settings_->whole ? Fate::stream : Fate::pass;
    if (fate_ == Fate::stream) {
        const HeaderBytes bytes{header};
        queue_.append(bytes.bytes());
        counts_.frame_bytes_out += bytes.bytes().size() + header.length;
    }
    return std::nullopt;
}

std::optional<Violation> Upstream::on_payload(Bytes piece)
{
    const FrameHeader& header = parser_.header();
    if (fate_ == Fate::inflate) {
        const std::size_t from = pending_.size();
        return inflated(inflater_->feed(piece, pending_), from);
    }
    if (parser_.message_opcode() == Opcode::text && !parser_.message_compressed() && !utf8_.feed(piece))
        return Violation{CloseCode::bad_data, "text that is not UTF-8"};
    if (fate_ == Fate::stream)
        queue_.append_masked(piece, header.mask, parser_.received() - piece.size());
    else if (fate_ == Fate::pass && pending_.empty() && piece.size() == header.length)
        whole_ = piece;  // `end` follows from the same bytes
    else if (fate_ == Fate::pass)
        pending_.insert(pending_.end(), piece.begin(), piece.end());
    return std::nullopt;
}

// What was appended to pending_ from `from` on is checked and, if it is too much to be held, sent.
std::optional<Violation> Upstream::inflated(std::optional<Violation> violation, std::size_t from)
{
    if (violation) return violation;
    const Bytes fresh = Bytes{pending_}.subspan(from);
    counts_.compressed_out += fresh.size();
    counts_.payload_bytes += fresh.size();
    if (parser_.message_opcode() == Opcode::text && !utf8_.feed(fresh))
        return Violation{CloseCode::bad_data, "text that is not UTF-8"};
    std::size_t sent = 0;
    for (; pending_.size() - sent > settings_->whole; sent += settings_->whole)
        send_fragment(Bytes{pending_}.subspan(sent, settings_->whole), false);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sent));
    return std::nullopt;
}

std::optional<Violation> Upstream::on_end()
{
    const FrameHeader& header = parser_.header();
    const bool text = parser_.message_opcode() == Opcode::text;
    if (fate_ == Fate::inflate && header.fin) {
        const std::size_t from = pending_.size();
        if (auto violation = inflated(inflater_->finish(pending_), from)) return violation;
        ++counts_.compressed;
        counts_.compressed_in += message_bytes_;
    }
    if (header.fin && text && (fate_ == Fate::inflate || !parser_.message_compressed()) && !utf8_.complete())
        return Violation{CloseCode::bad_data, "text that ends within a character"};
    if (fate_ == Fate::inflate) {
        if (!header.fin) return std::nullopt;
        send_fragment(pending_, true);
    } else if (fate_ == Fate::pass) {
        queue_frame(header, whole_.empty() ? Bytes{pending_} : whole_);
    }
    pending_.clear();
    if (fate_ != Fate::inflate) counts_.payload_bytes += header.length;
    if (header.fin) ++counts_.messages;
    return std::nullopt;
}

void Upstream::send_fragment(Bytes payload, bool fin)
{
    queue_frame({.fin = fin,
                 .masked = true,
                 .opcode = fragment_sent_ ? Opcode::continuation : parser_.message_opcode(),
                 .length = payload.size(),
                 .mask = message_mask_},
                payload);
    fragment_sent_ = true;
}

std::optional<Violation> Upstream::on_control()
{
    const FrameHeader& header = parser_.header();
    const Bytes payload{control_.data(), static_cast<std::size_t>(header.length)};
    if (header.opcode == Opcode::close) {
        const ParsedClose parsed = parse_close(payload);
        if (parsed.violation) return parsed.violation;
        close_received_ = parsed.close.code;
    }
    if (header.opcode == Opcode::pong && pong_awaited_ &&
        std::equal(payload.begin(), payload.end(), own_ping_.begin(), own_ping_.begin() + own_ping_size_)) {
        pong_awaited_ = false;
        pong_came_ = true;
        return std::nullopt;
    }
    queue_frame(header, payload);
    if (header.opcode == Opcode::close) close_sent_ = true;
    return std::nullopt;
}

// Whatever would come after a Close is dropped here.
void Upstream::queue_frame(const FrameHeader& header, Bytes payload)
{
    if (close_sent_) return;
    const HeaderBytes bytes{header};
    queue_.append(bytes.bytes());
    queue_.append_masked(payload, header.mask, 0);
    counts_.frame_bytes_out += bytes.bytes().size() + payload.size();
}

bool Upstream::send_close(CloseCode code, std::string_view reason)
{
    if (close_sent_ || mid_frame()) return false;
    const ClosePayload payload{code, reason};
    const std::uint64_t random = next_random(random_);
    const auto byte = [&](int i) { return static_cast<Byte>(random >> (8 * i)); };
    queue_frame({.masked = true,
                 .opcode = Opcode::close,
                 .length = payload.bytes().size(),
                 .mask = {byte(0), byte(1), byte(2), byte(3)}},
                payload.bytes());
    queue_.make_ready();
    close_sent_ = true;
    return true;
}

void Upstream::swallow_pong(Bytes payload) noexcept
{
    own_ping_size_ = static_cast<std::uint8_t>(std::min(payload.size(), own_ping_.size()));
    std::copy_n(payload.begin(), own_ping_size_, own_ping_.begin());
    pong_awaited_ = true;
    pong_came_ = false;
}

void Upstream::release_idle()
{
    if (inflater_) inflater_->shrink();
    if (pending_.empty()) free_buffer(pending_);
    queue_.trim();
}

}
