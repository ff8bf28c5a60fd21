#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "image/job.hpp"

namespace edge::image {

/// What could not be rendered a moment ago, and costs a lot to find out again: a picture that takes all its
/// time, or ends its process. The latter only when it has done so twice: the first time somebody else may
/// have ended it.
///
/// Shape:  one object a worker; remembers at most `kMost`, the newest.
/// Units:  `now` and kFor: milliseconds of one monotonic clock.
class Refusals {
public:
    using Key = std::array<std::uint8_t, 16>;
    static constexpr std::size_t kMost = 1024;
    static constexpr std::uint64_t kFor = 10'000;

    /// Throws std::bad_alloc.
    void remember(const Key& key, Reason reason, std::uint64_t now);
    std::optional<Reason> find(const Key& key, std::uint64_t now) const noexcept;

private:
    struct Hash {
        std::size_t operator()(const Key& key) const noexcept;
    };
    struct Entry {
        Reason reason;
        std::uint64_t until;
        bool believed;
    };
    std::unordered_map<Key, Entry, Hash> entries_;
    std::deque<Key> order_;  ///< the oldest first; as many as entries
};

}
