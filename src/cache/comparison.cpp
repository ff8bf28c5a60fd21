#include "cache/comparison.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "http/token.hpp"

namespace edge::cache {

namespace {

std::optional<std::string_view> find(http::Fields fields, std::string_view name) noexcept
{
    for (const http::Field& field : fields)
        if (http::equal_fold(field.name, name)) return field.value;
    return std::nullopt;
}

}

std::string_view difference_name(Difference difference) noexcept
{
    switch (difference) {
        case Difference::none:
            break;
        case Difference::status:
            return "status";
        case Difference::field:
            return "header";
        case Difference::body:
            return "body";
    }
    return "nothing";
}

Difference compare_heads(std::uint16_t stored_status, http::Fields stored, std::uint16_t status,
                         http::Fields received) noexcept
{
    if (stored_status != status) return Difference::status;
    for (const std::string_view name : {"content-type", "content-encoding", "location"})
        if (find(stored, name) != find(received, name)) return Difference::field;
    return Difference::none;
}

bool BodyComparison::take(Bytes bytes) noexcept
{
    while (same_ && !bytes.empty()) {
        if (piece_ == pieces_.size()) {
            same_ = false;
            break;
        }
        const Bytes expected = pieces_[piece_].subspan(offset_);
        const std::size_t n = std::min(expected.size(), bytes.size());
        same_ = n == 0 || std::memcmp(expected.data(), bytes.data(), n) == 0;
        bytes = bytes.subspan(n);
        offset_ += n;
        if (offset_ == pieces_[piece_].size()) {
            ++piece_;
            offset_ = 0;
        }
    }
    return same_;
}

bool BodyComparison::complete() const noexcept
{
    return same_ && std::all_of(pieces_.begin() + static_cast<std::ptrdiff_t>(piece_), pieces_.end(),
                                [this](Bytes piece) { return piece.size() == offset_; });
}

}
