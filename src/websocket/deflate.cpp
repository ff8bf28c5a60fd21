#include "websocket/deflate.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

namespace edge::websocket {

namespace {

constexpr std::size_t kLargestWindow = 32768;
constexpr std::size_t kWorthMapping = 65536;

// In front of each allocation of the heap's, so that freeing knows how much it was.
struct alignas(std::max_align_t) Size {
    std::size_t bytes;
};

extern "C" voidpf stream_alloc(voidpf stream, uInt items, uInt size)
{
    return static_cast<ZlibStream*>(stream)->allocate(std::size_t{items} * size);
}

extern "C" void stream_free(voidpf stream, voidpf address)
{
    static_cast<ZlibStream*>(stream)->free(address);
}

/// What deflateInit2 takes: window, chains, heads, and what waits to be written (zlib.h), and its own state.
std::size_t deflate_bytes(int window_bits, int memory_level) noexcept
{
    return (std::size_t{1} << (window_bits + 2)) + (std::size_t{1} << (memory_level + 9)) + 16384;
}

// zlib's pointer to input is to const only with ZLIB_CONST.
void set_input(z_stream& stream, Bytes bytes) noexcept
{
    stream.next_in = const_cast<Byte*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
}

}

ZlibStream::ZlibStream(std::size_t expected, MemoryCount& memory) : memory_{&memory}
{
    z.zalloc = stream_alloc;
    z.zfree = stream_free;
    z.opaque = this;
    memory_->bytes += sizeof(ZlibStream);
    if (expected < kWorthMapping) return;
    void* const room = mmap(nullptr, expected, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return;  // the heap may have some
    mapping_ = static_cast<Byte*>(room);
    mapped_ = expected;
}

ZlibStream::~ZlibStream()
{
    memory_->bytes -= sizeof(ZlibStream) + used_;
    if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

void* ZlibStream::allocate(std::size_t bytes) noexcept
{
    const std::size_t aligned = (bytes + 63) / 64 * 64;
    if (aligned <= mapped_ - used_) {
        void* const room = mapping_ + used_;
        used_ += aligned;
        memory_->bytes += aligned;
        return room;
    }
    void* const room = std::malloc(sizeof(Size) + bytes);
    if (room == nullptr) return nullptr;
    ::new (room) Size{sizeof(Size) + bytes};
    memory_->bytes += sizeof(Size) + bytes;
    return static_cast<char*>(room) + sizeof(Size);
}

void ZlibStream::free(void* room) noexcept
{
    if (mapping_ != nullptr && room >= mapping_ && room < mapping_ + mapped_) return;
    void* const begin = static_cast<char*>(room) - sizeof(Size);
    memory_->bytes -= static_cast<Size*>(begin)->bytes;
    std::free(begin);
}

void Deflater::start()
{
    const int bits = std::clamp<int>(settings_.window_bits, 9, 15);
    const int level = std::clamp<int>(settings_.memory_level, 4, 9);
    auto stream = std::make_unique<ZlibStream>(deflate_bytes(bits, level), *memory_);
    if (deflateInit2(&stream->z, std::clamp(settings_.level, 1, 9), Z_DEFLATED, -bits, level,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::bad_alloc{};
    stream_ = std::move(stream);
}

void Deflater::release() noexcept
{
    if (!stream_) return;
    deflateEnd(&stream_->z);
    stream_.reset();
}

std::optional<Bytes> Deflater::compress(Bytes message, std::size_t limit, Buffer& scratch)
{
    constexpr std::size_t kMost = 1u << 30;  // zlib counts in 32 bits
    if (message.empty() || message.size() > kMost) return std::nullopt;
    const std::size_t room = limit + kDeflateTail.size();
    if (scratch.size() < room) scratch.resize(room);
    if (!stream_)
        start();
    else if (!settings_.context_takeover)
        deflateReset(&stream_->z);

    z_stream& stream = stream_->z;
    set_input(stream, message);
    stream.next_out = scratch.data();
    stream.avail_out = static_cast<uInt>(room);
    // All is out when room is left over; and then it is smaller than the limit.
    if (deflate(&stream, Z_SYNC_FLUSH) != Z_OK || stream.avail_out == 0 || stream.avail_in != 0) {
        forget(message.size() - stream.avail_in);
        return std::nullopt;
    }
    return Bytes{scratch.data(), room - stream.avail_out - kDeflateTail.size()};
}

void Deflater::append(Bytes piece, bool last, Buffer& out)
{
    z_stream& stream = stream_->z;
    std::array<Byte, 8192> room;
    const std::size_t before = out.size();
    set_input(stream, piece);
    do {
        stream.next_out = room.data();
        stream.avail_out = static_cast<uInt>(room.size());
        deflate(&stream, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
        out.insert(out.end(), room.data(), stream.next_out);
    } while (stream.avail_out == 0);
    if (!last) return;
    if (out.size() != before)
        out.resize(out.size() - kDeflateTail.size());
    else  // nothing has come since the last flush; there is a block nevertheless (RFC 7692 section 7.2.3.6)
        out.push_back(0x00);
}

// The peer will not see what was just taken in: its window stays where it was, and so has ours to.
void Deflater::forget(std::size_t taken)
{
    if (!settings_.context_takeover) {
        deflateReset(&stream_->z);
        return;
    }
    try {
        Buffer window(kLargestWindow, CountedAllocator<Byte>{*memory_});
        uInt size = 0;
        if (deflateGetDictionary(&stream_->z, window.data(), &size) != Z_OK) return release();
        deflateReset(&stream_->z);
        if (size > taken) deflateSetDictionary(&stream_->z, window.data(), static_cast<uInt>(size - taken));
    } catch (...) {
        release();
        throw;
    }
}

void Inflater::start()
{
    auto stream = std::make_unique<ZlibStream>(0, *memory_);
    // Senders that agreed on 8 are known to use zlib's 9.
    if (inflateInit2(&stream->z, -std::clamp<int>(settings_.window_bits, 9, 15)) != Z_OK)
        throw std::bad_alloc{};
    stream_ = std::move(stream);
    if (history_.empty()) return;
    inflateSetDictionary(&stream_->z, history_.data(), static_cast<uInt>(history_.size()));
    free_buffer(history_);
}

void Inflater::release() noexcept
{
    free_buffer(history_);
    if (!stream_) return;
    inflateEnd(&stream_->z);
    stream_.reset();
}

void Inflater::shrink()
{
    if (!stream_ || in_ != 0) return;
    Buffer kept{CountedAllocator<Byte>{*memory_}};
    if (settings_.context_takeover) {
        uInt size = 0;
        if (inflateGetDictionary(&stream_->z, nullptr, &size) != Z_OK) return;
        kept.resize(size);
        if (size != 0) inflateGetDictionary(&stream_->z, kept.data(), &size);
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
    z_stream& stream = stream_->z;
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
    if (const auto violation = run(kDeflateTail, out)) return violation;
    in_ = out_ = 0;
    // Exactly between two blocks, no bit left over; 128: zlib's word for it.
    if (stream_->z.data_type != 128)
        return Violation{CloseCode::bad_data, "compressed message ends in the middle"};
    if (!settings_.context_takeover) inflateReset(&stream_->z);
    return std::nullopt;
}

}
