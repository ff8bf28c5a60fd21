#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "http/accept_encoding.hpp"

/// Content codings made of whole bodies. Knows bytes, nothing of HTTP messages or nginx; what is here runs in
/// any thread.
namespace edge::encode {

using http::Coding;

/// Levels that a coding has.
struct Levels {
    int least;
    int most;
    int quick;  ///< one from which on more takes much longer
};

constexpr Levels levels_of(Coding coding) noexcept
{
    switch (coding) {
        case Coding::br:
            return {0, 11, 4};
        case Coding::gzip:
            return {1, 9, 4};
        case Coding::zstd:
            return {1, 19, 3};
        case Coding::identity:
            break;
    }
    return {0, 0, 0};
}

/// Bytes in blocks that never move: growing copies nothing, and memory is what was written, rounded up.
class Blocks {
public:
    static constexpr std::size_t kBlockBytes = 16 * 1024;

    /// Writable space at the end, at least one byte. Throws std::bad_alloc.
    std::span<std::byte> room();
    void advance(std::size_t n) noexcept { size_ += n; }
    std::size_t size() const noexcept { return size_; }
    /// The bytes from `position` on, as far as they are contiguous; empty at the end.
    std::span<const std::byte> from(std::size_t position) const noexcept;

private:
    std::vector<std::unique_ptr<std::byte[]>> blocks_;
    std::size_t size_ = 0;
};

enum class Outcome : std::uint8_t {
    done,
    too_large,  ///< not below the limit: not worth it
    stopped,
    failed,  ///< the library has no memory, or refuses
};

struct Request {
    Coding coding;
    int level;                                         ///< within levels_of(coding)
    std::span<const std::span<const std::byte>> body;  ///< in order; must not change meanwhile
    std::uint64_t size;                                ///< bytes of all pieces
    std::uint64_t limit;                               ///< the result has fewer bytes than this
    bool (*go_on)() noexcept;                          ///< asked now and then; false: stop
};

/// Encodes `request.body` into `out`, which is empty. Memory: what the result has, and what the library needs
/// for its window (at most a few megabytes below the highest levels). Throws std::bad_alloc.
Outcome encode(const Request& request, Blocks& out);

}
