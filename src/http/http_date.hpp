#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace edge::http {

/// Parses an HTTP-date (RFC 9110 section 5.6.7) in any of its three forms: IMF-fixdate, RFC 850 and asctime.
///
/// Units:  Unix time in seconds, any year from 0 to 9999. `now` too; it only places the two-digit years of
/// RFC 850:
///         a date that would lie more than 50 years ahead of it is the newest past one with the same digits.
/// Errors: std::nullopt for everything the grammar does not allow: other zones, missing digits, extra white
/// space,
///         a day the month does not have. Two liberties: names may be in any case, and a day name that is not
///         the date's own is no error. A leap second counts as the first second of the next minute.
std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now) noexcept;

/// Length of an IMF-fixdate.
inline constexpr std::size_t kHttpDateLength = 29;

/// Writes `time` as IMF-fixdate. Times outside the years 0 to 9999 are clamped to them.
void format_http_date(std::int64_t time, std::span<char, kHttpDateLength> out) noexcept;

}
