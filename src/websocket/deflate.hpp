#pragma once

#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "websocket/bytes.hpp"
#include "websocket/close.hpp"

/// permessage-deflate's payloads (RFC 7692 section 7.2) on zlib. What zlib allocates is in the MemoryCount.
namespace edge::websocket {

/// The bytes that RFC 7692 section 7.2.1 takes away from a message's end.
inline constexpr std::array<Byte, 4> kDeflateTail{0x00, 0x00, 0xFF, 0xFF};

/// A z_stream and the memory that zlib takes for it. That of a large one is one mapping, which goes back to
/// the system as a whole, whatever the heap around it looks like.
class ZlibStream {
public:
    /// `expected`: bytes that zlib is going to ask for, about. Throws std::bad_alloc.
    ZlibStream(std::size_t expected, MemoryCount& memory);
    ~ZlibStream();
    ZlibStream(const ZlibStream&) = delete;
    ZlibStream& operator=(const ZlibStream&) = delete;

    void* allocate(std::size_t bytes) noexcept;
    void free(void* room) noexcept;

    z_stream z{};

private:
    MemoryCount* memory_;
    Byte* mapping_ = nullptr;
    std::size_t mapped_ = 0, used_ = 0;
};

/// Compresses messages for one peer. Allocates nothing before the first message.
class Deflater {
public:
    struct Settings {
        int level = 5;  ///< 1 to 9
        std::uint8_t window_bits =
            15;  ///< agreed, 8 to 15 (8 is done with 9: zlib's 9 never looks back 256 bytes)
        std::uint8_t memory_level =
            8;  ///< zlib's memLevel, 4 to 9 (below, incompressible data grows by over 1 %)
        bool context_takeover = true;
    };
    Deflater(Settings settings, MemoryCount& memory) noexcept : settings_{settings}, memory_{&memory} {}
    ~Deflater() { release(); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;

    /// The payload for a frame with RSV1, without the last 00 00 FF FF; nullopt: it would not be smaller,
    /// send the message as it is (the shared context is then as if this call had not been). The view is valid
    /// until the next call. Throws std::bad_alloc, and is then as after release().
    std::optional<Bytes> compress(Bytes message, Buffer& scratch)
    {
        return compress(message, message.size(), scratch);
    }
    /// The same with a limit of its own: nullopt unless fewer than `limit` bytes come out (<= the message's).
    std::optional<Bytes> compress(Bytes message, std::size_t limit, Buffer& scratch);

    /// Goes on with the message that compress() began, of which it gave all but the last 00 00 FF FF: these
    /// belong before what is appended to `out` here. `last`: with this piece the message ends. What comes out
    /// is at most 1 in 1000 larger than what goes in.
    void append(Bytes piece, bool last, Buffer& out);

    /// Frees everything. Always allowed: a compressor may start afresh whenever it likes, the parameters only
    /// say when it must (RFC 7692 section 7.1.1). The next messages compress less well.
    void release() noexcept;
    bool allocated() const noexcept { return stream_ != nullptr; }

private:
    void start();
    void forget(std::size_t taken);

    Settings settings_;
    MemoryCount* memory_;
    std::unique_ptr<ZlibStream> stream_;
};

/// Decompresses one peer's messages piece by piece. Allocates nothing before the first one.
class Inflater {
public:
    struct Settings {
        std::uint8_t window_bits = 15;  ///< agreed, 8 to 15
        bool context_takeover = true;
        std::uint64_t max_message = UINT64_MAX;  ///< decompressed bytes; beyond: too_big
        std::uint32_t max_ratio = 0;             ///< out:in, 0: no limit; looked at beyond `ratio_from` bytes
        std::uint64_t ratio_from = 1 << 17;
    };
    Inflater(Settings settings, MemoryCount& memory) noexcept
        : settings_{settings}, memory_{&memory}, history_{CountedAllocator<Byte>{memory}}
    {}
    ~Inflater() { release(); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    /// Appends what `piece` of the current message decompresses to. Violations: too_big (a bomb, or over
    /// max_message), bad_data (not deflate). After one the object is of no further use. Throws
    /// std::bad_alloc. `out` never grows by more than the limit that ends the message.
    std::optional<Violation> feed(Bytes piece, Buffer& out);
    /// The message is over: supplies the 00 00 FF FF the sender left out, and ends it.
    std::optional<Violation> finish(Buffer& out);

    /// Between messages only: keeps the history the peer may refer to (as many bytes as it sent, 32 KB at
    /// most; none without context takeover) and frees the rest.
    void shrink();
    void release() noexcept;
    bool allocated() const noexcept { return stream_ != nullptr; }

private:
    void start();
    std::optional<Violation> run(Bytes piece, Buffer& out);
    std::optional<Violation> check_limits() const noexcept;

    Settings settings_;
    MemoryCount* memory_;
    std::unique_ptr<ZlibStream> stream_;
    Buffer history_;
    std::uint64_t in_ = 0, out_ = 0;  // of this message
};

}
