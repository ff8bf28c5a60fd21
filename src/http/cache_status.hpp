#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace edge::http {

/// What this cache did with one request: a member of Cache-Status (RFC 9211 section 2). Empty texts and
/// absent numbers are left out. The views are borrowed.
struct CacheStatus {
    std::string_view cache =
        "nginx-edge";                      ///< who says so; written as a token if it is one, else as a string
    bool hit = false;                      ///< answered without asking the origin; `forward` is then left out
    std::string_view forward = {};         ///< fwd: a token of section 2.2
    std::uint16_t forward_status = 0;      ///< fwd-status: what the origin answered; 0 = nothing
    std::optional<std::int64_t> ttl = {};  ///< seconds, negative when stale
    bool stored = false;                   ///< together with `forward` only
    bool collapsed = false;                ///< together with `forward` only
    std::string_view key = {};
    std::string_view detail = {};
};

/// Writes `existing`, a comma when that is not empty, and the member to the front of `out`; returns what was
/// written, a part of `out`. Bytes a string can't hold become '?'. A `key`, then a `detail`, that does not
/// fit in is left out; if the rest does not fit either the result is empty. No allocation.
std::string_view write_cache_status(const CacheStatus& status, std::string_view existing,
                                    std::span<char> out) noexcept;

/// A size of `out` in which everything fits.
std::size_t cache_status_bound(const CacheStatus& status, std::string_view existing) noexcept;

}
