#pragma once

#include <cstddef>
#include <span>

namespace edge::render {

/// Takes EXIF and XMP out of a WebP, in place, and the extended header when nothing needs it any more; the
/// new size of the file, at the front of `file`. What is no WebP, or ends early, stays as it is. Format: RFC
/// 9649 section 2.
std::size_t strip_webp(std::span<std::byte> file) noexcept;

}
