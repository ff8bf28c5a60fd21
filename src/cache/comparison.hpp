#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "http/field.hpp"

/// Whether a stored response is what the origin says now, for edge_cache_shadow.
namespace edge::cache {

enum class Difference : std::uint8_t { none, status, field, body };

/// A word for logs.
std::string_view difference_name(Difference difference) noexcept;

/// Compares what tells a user agent how to take the body: the status, Content-Type, Content-Encoding and
/// Location. Dates, validators and the rest may differ between two answers that are the same to whoever
/// asked.
Difference compare_heads(std::uint16_t stored_status, http::Fields stored, std::uint16_t status,
                         http::Fields received) noexcept;

/// Compares a stored body with one that comes in pieces of any size. `pieces` of the stored one point into
/// memory that outlives this.
class BodyComparison {
public:
    using Bytes = std::span<const std::byte>;

    explicit BodyComparison(std::vector<Bytes> pieces) noexcept : pieces_{std::move(pieces)} {}

    /// The next bytes that came. false: these or earlier ones are not what is stored; further ones are not
    /// looked at.
    bool take(Bytes bytes) noexcept;
    /// Whether all that is stored has come, and nothing else. To be asked at the end.
    bool complete() const noexcept;

private:
    std::vector<Bytes> pieces_;
    std::size_t piece_ = 0;
    std::size_t offset_ = 0;  // in that piece
    bool same_ = true;
};

}
