#include "websocket/output_queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "websocket/frame.hpp"

namespace edge::websocket {

namespace {

constexpr std::size_t kSmallest = 1024;
constexpr std::size_t kLargest = 16384;  // what one TLS record holds

}

OutputQueue::~OutputQueue()
{
    for (const Chunk& chunk : chunks_) memory_->bytes -= chunk.capacity;
}

Bytes OutputQueue::front() const noexcept
{
    if (ready_ == 0) return {};
    const Chunk& chunk = chunks_.front();
    return {chunk.bytes.get() + chunk.begin, std::min<std::size_t>(chunk.end - chunk.begin, ready_)};
}

std::size_t OutputQueue::gather(std::span<Bytes> spans) const noexcept
{
    std::size_t count = 0, left = ready_;
    for (const Chunk& chunk : chunks_) {
        const std::size_t size = std::min<std::size_t>(chunk.end - chunk.begin, left);
        if (size == 0 || count == spans.size()) break;
        spans[count++] = {chunk.bytes.get() + chunk.begin, size};
        left -= size;
    }
    return count;
}

void OutputQueue::consume(std::size_t n) noexcept
{
    ready_ -= n;
    size_ -= n;
    std::size_t emptied = 0;
    for (Chunk& chunk : chunks_) {
        const auto here = static_cast<std::uint32_t>(std::min<std::size_t>(chunk.end - chunk.begin, n));
        chunk.begin += here;
        n -= here;
        if (chunk.begin != chunk.end) break;
        ++emptied;
    }
    // The last one is kept for what comes next.
    if (emptied == chunks_.size() && emptied != 0) {
        chunks_.back().begin = chunks_.back().end = 0;
        --emptied;
    }
    for (std::size_t i = 0; i < emptied; ++i) memory_->bytes -= chunks_[i].capacity;
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(emptied));
}

void OutputQueue::trim() noexcept
{
    if (size_ != 0) return;
    for (const Chunk& chunk : chunks_) memory_->bytes -= chunk.capacity;
    std::vector<Chunk>{}.swap(chunks_);
}

// Makes room in the last chunk, so that a batch lies together: it is one record then, and one write.
bool OutputQueue::widen(Chunk& chunk, std::size_t wanted)
{
    const std::uint32_t used = chunk.end - chunk.begin;
    if (chunk.begin != 0) {
        std::memmove(chunk.bytes.get(), chunk.bytes.get() + chunk.begin, used);
    } else {
        if (chunk.capacity == kLargest) return false;
        const std::size_t capacity =
            std::min(std::max<std::size_t>(used + wanted, chunk.capacity * 4), kLargest);
        std::unique_ptr<Byte[]> wider{new Byte[capacity]};
        std::memcpy(wider.get(), chunk.bytes.get(), used);
        chunk.bytes = std::move(wider);
        memory_->bytes += capacity - chunk.capacity;
        chunk.capacity = static_cast<std::uint32_t>(capacity);
    }
    chunk.begin = 0;
    chunk.end = used;
    return true;
}

OutputQueue::Chunk& OutputQueue::room(std::size_t wanted)
{
    if (!chunks_.empty()) {
        Chunk& last = chunks_.back();
        if (last.end < last.capacity || (ready_ == 0 && widen(last, wanted))) return last;
    }
    const std::size_t least =
        chunks_.empty() ? kSmallest : std::min<std::size_t>(chunks_.back().capacity * 4, kLargest);
    const std::size_t capacity = std::clamp(wanted, least, kLargest);
    chunks_.push_back(
        {std::unique_ptr<Byte[]>{new Byte[capacity]}, static_cast<std::uint32_t>(capacity), 0, 0});
    memory_->bytes += capacity;
    return chunks_.back();
}

void OutputQueue::append(Bytes bytes)
{
    while (!bytes.empty()) {
        Chunk& chunk = room(bytes.size());
        const std::size_t size = std::min<std::size_t>(chunk.capacity - chunk.end, bytes.size());
        std::memcpy(chunk.bytes.get() + chunk.end, bytes.data(), size);
        chunk.end += static_cast<std::uint32_t>(size);
        size_ += size;
        bytes = bytes.subspan(size);
    }
}

void OutputQueue::append_masked(Bytes bytes, const std::array<Byte, 4>& mask, std::uint64_t offset)
{
    while (!bytes.empty()) {
        Chunk& chunk = room(bytes.size());
        const std::size_t size = std::min<std::size_t>(chunk.capacity - chunk.end, bytes.size());
        Byte* const to = chunk.bytes.get() + chunk.end;
        std::memcpy(to, bytes.data(), size);
        apply_mask({to, size}, mask, offset);
        chunk.end += static_cast<std::uint32_t>(size);
        size_ += size;
        offset += size;
        bytes = bytes.subspan(size);
    }
}

}
