#pragma once

#include <optional>
#include <string_view>

namespace edge::http {

/// An entity tag (RFC 9110 section 8.8.3). `opaque` is the text between the quotes, a view of the field
/// value.
struct EntityTag {
    bool weak = false;
    std::string_view opaque;
};

/// One whole entity tag: W/"…" or "…", case-sensitive, no white space around it. std::nullopt: not one.
std::optional<EntityTag> parse_entity_tag(std::string_view text) noexcept;

/// RFC 9110 section 8.8.3.2: both strong and the same text.
constexpr bool strong_match(const EntityTag& a, const EntityTag& b) noexcept
{
    return !a.weak && !b.weak && a.opaque == b.opaque;
}

/// RFC 9110 section 8.8.3.2: the same text.
constexpr bool weak_match(const EntityTag& a, const EntityTag& b) noexcept
{
    return a.opaque == b.opaque;
}

/// Walks the value of If-None-Match or If-Match (RFC 9110 section 13.1). Empty members are skipped; the first
/// thing that is not an entity tag ends the walk. `*` is the caller's to see. Owns nothing, allocates
/// nothing.
class EntityTagCursor {
public:
    explicit EntityTagCursor(std::string_view value) noexcept : rest_{value} {}
    std::optional<EntityTag> next() noexcept;

private:
    std::string_view rest_;
};

}
