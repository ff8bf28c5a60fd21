#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace edge::websocket {

using Byte = std::uint8_t;
/// Bytes that are read, and bytes that are also changed in place (unmasking). Neither owns.
using Bytes = std::span<const Byte>;
using MutableBytes = std::span<Byte>;

inline Bytes as_bytes(std::string_view text) noexcept
{
    return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) noexcept
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Heap bytes that the WebSocket code of one connection holds at present: zlib states, queues, half messages.
/// The owner of a connection hands one to everything it makes for it, and keeps it alive longer.
struct MemoryCount {
    std::size_t bytes = 0;
};

/// The heap, counted.
template <class T>
class CountedAllocator {
public:
    using value_type = T;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;

    explicit CountedAllocator(MemoryCount& memory) noexcept : memory_{&memory} {}
    template <class U>
    CountedAllocator(const CountedAllocator<U>& other) noexcept : memory_{other.memory_}
    {}
    T* allocate(std::size_t n)
    {
        T* const room = std::allocator<T>{}.allocate(n);
        memory_->bytes += n * sizeof(T);
        return room;
    }
    void deallocate(T* room, std::size_t n) noexcept
    {
        memory_->bytes -= n * sizeof(T);
        std::allocator<T>{}.deallocate(room, n);
    }
    friend bool operator==(const CountedAllocator&, const CountedAllocator&) = default;

private:
    template <class>
    friend class CountedAllocator;
    MemoryCount* memory_;
};

/// Bytes on the heap of one connection: Buffer b{CountedAllocator<Byte>{memory}}.
using Buffer = std::vector<Byte, CountedAllocator<Byte>>;

/// Empties it and frees its memory.
inline void free_buffer(Buffer& buffer) noexcept
{
    Buffer{buffer.get_allocator()}.swap(buffer);
}

}
