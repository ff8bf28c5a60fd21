#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cache/policy.hpp"

/// The tags that answers name, and what a soft purge makes of a lifetime.
namespace edge::cache {

/// Named tags of one object. An answer with more is not stored: one that could not be purged by all of its
/// tags must not be there.
inline constexpr std::size_t kMaxTags = 64;

/// Calls `each(std::string_view)` for the members of a value, separated by white space and commas. `each`
/// says whether to go on.
template <class F>
void for_each_tag(std::string_view value, F&& each)
{
    constexpr std::string_view kBetween = " \t,";
    for (;;) {
        const std::size_t from = value.find_first_not_of(kBetween);
        if (from == value.npos) return;
        value.remove_prefix(from);
        const std::size_t length = std::min(value.find_first_of(kBetween), value.size());
        if (!each(value.substr(0, length))) return;
        value.remove_prefix(length);
    }
}

/// The names in the lines of a Cache-Groups or Cache-Group-Invalidation field, joined with commas: a list of
/// strings (RFC 9875 sections 2 and 3). Empty when it is not one, as a whole (RFC 9651 section 4.2).
std::vector<std::string> parse_groups(std::string_view value);

/// Hashes without duplicates, counted together over several lists.
class TagCount {
public:
    /// false: there are more than kMaxTags now.
    bool add(std::vector<std::uint64_t>& list, std::uint64_t hash);

private:
    std::vector<std::uint64_t> seen_;
};

/// The lifetime of a response that was purged softly at `since` (Unix time): over then, if not before. The
/// windows for stale responses begin there.
Lifetime expired_since(Lifetime lifetime, Seconds since) noexcept;

}
