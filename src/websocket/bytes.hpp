#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

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

}
