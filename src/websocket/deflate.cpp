#include "websocket/deflate.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

namespace edge::websocket {

namespace {

constexpr std::array<Byte, 4> kTail{0x00, 0x00, 0xFF, 0xFF};  // what RFC 7692 section 7.2.1 takes away
constexpr std::size_t kLargestWindow = 32768;

// In front of each allocation, so that freeing knows how much it was.
struct alignas(std::max_align_t) Size {
    std::size_t bytes;
};

extern "C" voidpf counted_alloc(voidpf memory, uInt items, uInt size)
{
    const std::size_t bytes = sizeof(Size) + std::size_t{items} * size;
    void* const room = std::malloc(bytes);
    if (room == nullptr) return nullptr;
    ::new (room) Size{bytes};
    static_cast<MemoryCount*>(memory)->bytes += bytes;
    return static_cast<char*>(room) + sizeof(Size);
}

extern "C" void counted_free(voidpf memory, voidpf address)
{
    void* const room = static_cast<char*>(address) - sizeof(Size);
    static_cast<MemoryCount*>(memory)->bytes -= static_cast<Size*>(room)->bytes;
    std::free(room);
}

std::unique_ptr<z_stream> make_stream(MemoryCount& memory)
{
    auto stream = std::make_unique<z_stream>();
    stream->zalloc = counted_alloc;
    stream->zfree = counted_free;
    stream->opaque = &memory;
    return stream;
}

// zlib's pointer to input is to const only with ZLIB_CONST.
void set_input(z_stream& stream, Bytes bytes) noexcept
{
    stream.next_in = const_cast<Byte*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
}

}

void Deflater::start()
{
    auto stream = make_stream(*memory_);
    const int bits = std::clamp<int>(settings_.window_bits, 9, 15);
    if (deflateInit2(stream.get(), std::clamp(settings_.level, 1, 9), Z_DEFLATED, -bits,
                     std::clamp<int>(settings_.memory_level, 4, 9), Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::bad_alloc{};
    stream_ = std::move(stream);
    memory_->bytes += sizeof(z_stream);
}

void Deflater::release() noexcept
{
    if (!stream_) return;
    deflateEnd(stream_.get());
    stream_.reset();
    memory_->bytes -= sizeof(z_stream);
}

std::optional<Bytes> Deflater::compress(Bytes message, Buffer& scratch)
{
    constexpr std::size_t kMost = 1u << 30;  // zlib counts in 32 bits
    if (message.empty() || message.size() > kMost) return std::nullopt;
    const std::size_t room = message.size() + kTail.size();
    if (scratch.size() < room) scratch.resize(room);
    if (!stream_)
        start();
    else if (!settings_.context_takeover)
        deflateReset(stream_.get());

    z_stream& stream = *stream_;
    set_input(stream, message);
    stream.next_out = scratch.data();
    stream.avail_out = static_cast<uInt>(room);
    // All is out when room is left over; and then it is smaller than the message.
    if (deflate(&stream, Z_SYNC_FLUSH) != Z_OK || stream.avail_out == 0 || stream.avail_in != 0) {
        forget(message.size() - stream.avail_in);
        return std::nullopt;
    }
    return Bytes{scratch.data(), room - stream.avail_out - kTail.size()};
}

// The peer will not see what was just taken in: its window stays where it was, and so has ours to.
void Deflater::forget(std::size_t taken)
{
    if (!settings_.context_takeover) {
        deflateReset(stream_.get());
        return;
    }
    try {
        Buffer window(kLargestWindow, CountedAllocator<Byte>{*memory_});
        uInt size = 0;
        if (deflateGetDictionary(stream_.get(), window.data(), &size) != Z_OK) return release();
        deflateReset(stream_.get());
        if (size > taken) deflateSetDictionary(stream_.get(), window.data(), static_cast<uInt>(size - taken));
    } catch (...) {
        release();
        throw;
    }
}

void Inflater::start()
{
    auto stream = make_stream(*memory_);
    // Senders that agreed on 8 are known to use zlib's 9.
    if (inflateInit2(stream.get(), -std::clamp<int>(settings_.window_bits, 9, 15)) != Z_OK)
        throw std::bad_alloc{};
    stream_ = std::move(stream);
    memory_->bytes += sizeof(z_stream);
    if (history_.empty()) return;
    inflateSetDictionary(stream_.get(), history_.data(), static_cast<uInt>(history_.size()));
    free_buffer(history_);
}

void Inflater::release() noexcept
{
    free_buffer(history_);
    if (!stream_) return;
    inflateEnd(stream_.get());
    stream_.reset();
    memory_->bytes -= sizeof(z_stream);
}

void Inflater::shrink()
{
    if (!stream_ || in_ != 0) return;
    Buffer kept{CountedAllocator<Byte>{*memory_}};
    if (settings_.context_takeover) {
        uInt size = 0;
        if (inflateGetDictionary(stream_.get(), nullptr, &size) != Z_OK) return;
        kept.resize(size);
        if (size != 0) inflateGetDictionary(stream_.get(), kept.data(), &size);
    }
    release();
    history_ = std::move(kept);
}

std::optional<Violation> Inflater::check_limits() const noexcept
{
    if (out_ > settings_.max_message) return Violation{CloseCode::too_big, "message over the size limit"};
    if (settings_.max_ratio != 0 && out_ > settings_.ratio_from && out_ / settings_.max_ratio > in_)
        return Violation{CloseCode::too_big, "message over the compression ratio limit"};
    return std::nullopt;
}

std::optional<Violation> Inflater::run(Bytes piece, Buffer& out)
{
    if (!stream_) start();
    z_stream& stream = *stream_;
    std::array<Byte, 8192> room;
    set_input(stream, piece);
    for (;;) {
        // One byte over the limit is enough to know.
        const std::uint64_t left = settings_.max_message - out_;
        const std::size_t size = left < room.size() ? static_cast<std::size_t>(left) + 1 : room.size();
        stream.next_out = room.data();
        stream.avail_out = static_cast<uInt>(std::min(size, room.size()));
        const uInt given = stream.avail_out;
        const int rc = inflate(&stream, Z_SYNC_FLUSH);
        const std::size_t made = given - stream.avail_out;
        out_ += made;
        if (const auto violation = check_limits()) return violation;
        out.insert(out.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(made));
        if (rc == Z_MEM_ERROR) throw std::bad_alloc{};
        // A final block ends the stream but not the message (RFC 7692 section 7.2.3.4); the window stays.
        if (rc == Z_STREAM_END)
            inflateResetKeep(&stream);
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return Violation{CloseCode::bad_data, "compressed data is damaged"};
        if (stream.avail_in == 0 && stream.avail_out != 0) return std::nullopt;
    }
}

std::optional<Violation> Inflater::feed(Bytes piece, Buffer& out)
{
    constexpr std::size_t kStep = 1u << 30;  // zlib counts in 32 bits
    while (!piece.empty()) {
        const Bytes part = piece.first(std::min(piece.size(), kStep));
        in_ += part.size();
        if (const auto violation = run(part, out)) return violation;
        piece = piece.subspan(part.size());
    }
    return std::nullopt;
}

std::optional<Violation> Inflater::finish(Buffer& out)
{
    if (in_ == 0) return std::nullopt;
    if (const auto violation = run(kTail, out)) return violation;
    in_ = out_ = 0;
    // Exactly between two blocks, no bit left over; 128: zlib's word for it.
    if (stream_->data_type != 128)
        return Violation{CloseCode::bad_data, "compressed message ends in the middle"};
    if (!settings_.context_takeover) inflateReset(stream_.get());
    return std::nullopt;
}

}
