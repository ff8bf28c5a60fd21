#pragma once

#include <cstddef>
#include <memory>

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

}
