#include "http/etag.hpp"

#include "http/token.hpp"

namespace edge::http {
namespace {

// etagc: everything visible but the double quote, and obs-text. A backslash is an ordinary character.
constexpr bool is_etagc(char c)
{
    const auto u = static_cast<unsigned char>(c);
    return u == 0x21 || (u >= 0x23 && u != 0x7f);
}

// Takes one tag from the front of `rest`.
std::optional<EntityTag> take_tag(std::string_view& rest)
{
    EntityTag tag;
    std::string_view in = rest;
    if (in.substr(0, 2) == "W/") {
        tag.weak = true;
        in.remove_prefix(2);
    }
    if (in.empty() || in.front() != '"') return std::nullopt;
    in.remove_prefix(1);
    std::size_t end = 0;
    while (end < in.size() && is_etagc(in[end])) ++end;
    if (end == in.size() || in[end] != '"') return std::nullopt;
    tag.opaque = in.substr(0, end);
    rest = in.substr(end + 1);
    return tag;
}

}

std::optional<EntityTag> parse_entity_tag(std::string_view text) noexcept
{
    const auto tag = take_tag(text);
    return text.empty() ? tag : std::nullopt;
}

std::optional<EntityTag> EntityTagCursor::next() noexcept
{
    while (!rest_.empty() && (is_space(rest_.front()) || rest_.front() == ',')) rest_.remove_prefix(1);
    const auto tag = take_tag(rest_);
    rest_ = tag ? trim(rest_) : std::string_view{};
    if (tag && !rest_.empty() && rest_.front() != ',') {
        rest_ = {};
        return std::nullopt;
    }
    return tag;
}

}
