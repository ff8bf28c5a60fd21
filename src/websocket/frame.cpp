#include "websocket/frame.hpp"

#include <algorithm>
#include <cstring>

namespace edge::websocket {

namespace {

constexpr Byte kFin = 0x80, kRsv1 = 0x40, kRsv23 = 0x30, kMasked = 0x80;
constexpr Byte kLength16 = 126, kLength64 = 127;

constexpr bool is_known(Byte opcode) noexcept
{
    return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

}

HeaderBytes::HeaderBytes(const FrameHeader& header) noexcept
{
    const auto put_number = [&](int bytes) {
        for (int i = bytes - 1; i >= 0; --i) bytes_[size_++] = static_cast<Byte>(header.length >> (8 * i));
    };
    const Byte masked = header.masked ? kMasked : 0;
    bytes_[size_++] = static_cast<Byte>((header.fin ? kFin : 0) | (header.rsv1 ? kRsv1 : 0) |
                                        static_cast<Byte>(header.opcode));
    if (header.length < kLength16) {
        bytes_[size_++] = static_cast<Byte>(masked | header.length);
    } else if (header.length <= 0xFFFF) {
        bytes_[size_++] = masked | kLength16;
        put_number(2);
    } else {
        bytes_[size_++] = masked | kLength64;
        put_number(8);
    }
    if (header.masked)
        for (const Byte byte : header.mask) bytes_[size_++] = byte;
}

void apply_mask(MutableBytes payload, const Mask& mask, std::uint64_t offset) noexcept
{
    std::array<Byte, 8> turned;
    for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(offset + i) % 4];
    std::uint64_t pattern;
    std::memcpy(&pattern, turned.data(), sizeof pattern);
    Byte* at = payload.data();
    std::size_t left = payload.size();
    for (; left >= sizeof pattern; left -= sizeof pattern, at += sizeof pattern) {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        word ^= pattern;
        std::memcpy(at, &word, sizeof word);
    }
    for (std::size_t i = 0; i < left; ++i) at[i] ^= turned[i];
}

const char* FrameParser::read_first(Byte byte) noexcept
{
    const auto opcode = static_cast<Byte>(byte & 0x0F);
    header_.fin = (byte & kFin) != 0;
    header_.rsv1 = (byte & kRsv1) != 0;
    if ((byte & kRsv23) != 0) return "a reserved bit is set";
    if (!is_known(opcode)) return "reserved opcode";
    header_.opcode = static_cast<Opcode>(opcode);
    const bool begins = header_.opcode == Opcode::text || header_.opcode == Opcode::binary;
    if (header_.rsv1 && !(deflate_ && begins)) return "a reserved bit is set";
    if (is_control(header_.opcode)) return header_.fin ? nullptr : "fragmented control frame";
    if (begins && in_message_) return "a new message inside of a fragmented one";
    if (!begins && !in_message_) return "a continuation of nothing";
    return nullptr;
}

const char* FrameParser::read_second(Byte byte) noexcept
{
    header_.masked = (byte & kMasked) != 0;
    if (header_.masked != (sender_ == Sender::client))
        return header_.masked ? "masked frame of a server" : "unmasked frame of a client";
    const auto length = static_cast<Byte>(byte & 0x7F);
    if (is_control(header_.opcode) && length > kMaxControlPayload) return "control frame over 125 bytes";
    header_.length = length;
    need_ = static_cast<std::uint8_t>(2 +
                                      (length == kLength16   ? 2
                                       : length == kLength64 ? 8
                                                             : 0) +
                                      (header_.masked ? 4 : 0));
    return nullptr;
}

const char* FrameParser::read_rest() noexcept
{
    std::size_t at = 2;
    const std::size_t mask_bytes = header_.masked ? 4 : 0;
    if (header_.length >= kLength16) {
        const bool is_64 = header_.length == kLength64;
        header_.length = 0;
        for (; at < need_ - mask_bytes; ++at) header_.length = header_.length << 8 | raw_[at];
        if (header_.length >> 63 != 0) return "a length of 2^63 or more";
        if (header_.length <= (is_64 ? 0xFFFFU : kLength16 - 1U)) return "a length not in its shortest form";
    }
    if (header_.masked) std::copy_n(raw_.begin() + static_cast<std::ptrdiff_t>(at), 4, header_.mask.begin());
    return nullptr;
}

// Reads until the header is complete, wrong, or there are no more bytes.
const char* FrameParser::read_header(MutableBytes& bytes) noexcept
{
    while (have_ < need_ && !bytes.empty()) {
        const Byte byte = bytes.front();
        bytes = bytes.subspan(1);
        raw_[have_++] = byte;
        const char* wrong = nullptr;
        if (have_ == 1)
            wrong = read_first(byte);
        else if (have_ == 2)
            wrong = read_second(byte);
        if (wrong != nullptr) return wrong;
    }
    return have_ == need_ ? read_rest() : nullptr;
}

FrameParser::Event FrameParser::fail(const char* reason) noexcept
{
    step_ = Step::failed;
    return {.kind = Kind::error, .violation = {CloseCode::protocol_error, reason}};
}

FrameParser::Event FrameParser::next(MutableBytes& bytes, std::size_t max_piece) noexcept
{
    if (step_ == Step::failed) {
        bytes = {};
        return {};
    }
    if (step_ == Step::header) {
        if (const char* wrong = read_header(bytes); wrong != nullptr) return fail(wrong);
        if (have_ < need_) return {};
        have_ = 0;
        need_ = 2;
        received_ = 0;
        step_ = Step::payload;
        if (!is_control(header_.opcode)) in_message_ = true;
        if (header_.opcode == Opcode::text || header_.opcode == Opcode::binary) {
            message_opcode_ = header_.opcode;
            message_compressed_ = header_.rsv1;
        }
        return {.kind = Kind::header};
    }
    if (received_ == header_.length) {
        step_ = Step::header;
        if (header_.fin && !is_control(header_.opcode)) in_message_ = false;
        return {.kind = Kind::end};
    }
    if (bytes.empty()) return {};
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>({header_.length - received_, bytes.size(), max_piece}));
    const MutableBytes piece = bytes.first(size);
    bytes = bytes.subspan(size);
    if (header_.masked) apply_mask(piece, header_.mask, received_);
    received_ += size;
    return {.kind = Kind::payload, .piece = piece};
}

}
