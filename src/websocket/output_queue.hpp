#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "websocket/bytes.hpp"

namespace edge::websocket {

/// Bytes on their way to one peer. The front ones, `ready()` of them, may be written; those behind are held.
///
/// Memory: owned chunks, from 1 KB at first to 16 KB each, counted; none when empty after trim(). While
///         some are ready no byte moves, so a span handed to SSL_write stays good until consumed.
class OutputQueue {
public:
    explicit OutputQueue(MemoryCount& memory) noexcept : memory_{&memory} {}
    ~OutputQueue();
    OutputQueue(const OutputQueue&) = delete;
    OutputQueue& operator=(const OutputQueue&) = delete;

    // For the writer.
    std::size_t ready() const noexcept { return ready_; }
    /// The first ready bytes that lie together; empty when none are ready.
    Bytes front() const noexcept;
    /// Fills `spans` with ready bytes from the front on; how many spans that took. For writev.
    std::size_t gather(std::span<Bytes> spans) const noexcept;
    /// The first n bytes were written; n <= ready().
    void consume(std::size_t n) noexcept;
    /// Frees the chunk that is kept for the next bytes, if the queue is empty.
    void trim() noexcept;

    // For the relay.
    std::size_t size() const noexcept { return size_; }
    void append(Bytes bytes);
    /// Appends the bytes masked; `offset`: of the first one in its frame.
    void append_masked(Bytes bytes, const std::array<Byte, 4>& mask, std::uint64_t offset);
    void make_ready() noexcept { ready_ = size_; }
    /// So many more bytes than are ready already; there are as many.
    void make_ready(std::size_t bytes) noexcept { ready_ += bytes; }

private:
    struct Chunk {
        std::unique_ptr<Byte[]> bytes;
        std::uint32_t capacity = 0, begin = 0, end = 0;
    };
    Chunk& room(std::size_t wanted);
    bool widen(Chunk& chunk, std::size_t wanted);

    MemoryCount* memory_;
    std::vector<Chunk> chunks_;
    std::size_t size_ = 0, ready_ = 0;
};

}
