#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/accept_encoding.hpp"

/// Entity tags of a response and of what was encoded from it: representations differ by coding, so must their
/// tags (RFC 9110 section 8.8.3.3). "abc" is "abc-br" when brotli-coded, W/"abc" is W/"abc-br".
namespace edge::http {

/// `tag` with the coding in it, as `coded_etag_size` bytes from `out` on. Not an entity tag, or identity: as
/// it is.
std::size_t coded_etag_size(std::string_view tag, Coding coding) noexcept;
void write_coded_etag(std::string_view tag, Coding coding, char* out) noexcept;
std::string coded_etag(std::string_view tag, Coding coding);

/// Of If-Match or If-None-Match, for an origin that knows no coded tags: each tag that ends like a coded one
/// has the tag that it may have been made from beside it. std::nullopt: there is none, or it is no list of
/// tags.
std::optional<std::string> with_plain_tags(std::string_view tags);

}
