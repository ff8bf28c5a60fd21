#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/accept_encoding.hpp"

/// Entity tags of a response and of what was encoded from it: representations differ by coding, so must their
/// tags (RFC 9110 section 8.8.3.3). "abc" is "abc-br" when brotli-coded, W/"abc" is W/"abc-br".
namespace edge::http {

inline constexpr std::size_t kLongestCoding = 5;  ///< a tag becomes longer by so much at most

/// Writes `tag` with the coding in it to `out`, which has room for kLongestCoding bytes more than it has, and
/// returns the size. Not an entity tag, or identity: as it is.
std::size_t write_coded_etag(std::string_view tag, Coding coding, char* out) noexcept;
std::string coded_etag(std::string_view tag, Coding coding);

/// Of If-Match or If-None-Match, for an origin that knows no coded tags: each tag that ends like a coded one
/// has the tag that it may have been made from beside it. std::nullopt: there is none, or it is no list of
/// tags.
std::optional<std::string> with_plain_tags(std::string_view tags);

}
