#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace edge::redis {

/// Gives large memory back to those who need some next: to have it from the system each time costs a page
/// fault for every page of it. One thread only.
struct Recycle {
    std::size_t capacity = 0;
    void operator()(char* memory) const noexcept;
};

using Memory = std::unique_ptr<char[], Recycle>;

/// At least so many bytes, with anything in them. Empty: there are none.
Memory take_memory(std::size_t bytes) noexcept;

/// Memory that several replies lie in, until the last of those who keep one lets go of it.
using SharedMemory = std::shared_ptr<const char>;

/// What one thread reads into.
class Inbox {
public:
    static constexpr std::size_t kSize = std::size_t{64} * 1024;

    /// kSize bytes that nobody keeps anything in. Empty: there are none.
    std::span<char> room() noexcept;
    /// The same memory.
    const SharedMemory& memory() const noexcept { return memory_; }
    /// Whether more of it may be kept: a small string keeps all that was read with it.
    static bool may_keep() noexcept;

private:
    SharedMemory memory_;
    char* at_ = nullptr;
};

}
