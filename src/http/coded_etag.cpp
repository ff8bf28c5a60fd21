#include "http/coded_etag.hpp"

#include <algorithm>
#include <array>

#include "http/etag.hpp"

namespace edge::http {

namespace {

constexpr std::array kMade{Coding::br, Coding::gzip, Coding::zstd};

bool is_coded(std::string_view tag, Coding coding) noexcept
{
    return coding != Coding::identity && parse_entity_tag(tag).has_value();
}

/// The text without the coding at its end, if there is one.
std::optional<std::string_view> plain(std::string_view opaque) noexcept
{
    for (const Coding coding : kMade) {
        const std::string_view name = coding_name(coding);
        if (!opaque.ends_with(name)) continue;
        const std::string_view rest = opaque.substr(0, opaque.size() - name.size());
        if (rest.ends_with('-')) return rest.substr(0, rest.size() - 1);
    }
    return std::nullopt;
}

void append_tag(std::string& list, bool weak, std::string_view opaque)
{
    list.append(list.empty() ? "" : ", ").append(weak ? "W/\"" : "\"").append(opaque).append(1, '"');
}

}

std::size_t write_coded_etag(std::string_view tag, Coding coding, char* out) noexcept
{
    const bool coded = is_coded(tag, coding);
    char* at = std::copy_n(tag.data(), tag.size() - (coded ? 1 : 0), out);
    if (coded) {
        *at++ = '-';
        at = std::copy_n(coding_name(coding).data(), coding_name(coding).size(), at);
        *at++ = '"';
    }
    return static_cast<std::size_t>(at - out);
}

std::string coded_etag(std::string_view tag, Coding coding)
{
    std::string text(tag.size() + kLongestCoding, '\0');
    text.resize(write_coded_etag(tag, coding, text.data()));
    return text;
}

std::optional<std::string> with_plain_tags(std::string_view tags)
{
    std::string list;
    bool found = false;
    EntityTagCursor cursor{tags};
    while (const auto tag = cursor.next()) {
        append_tag(list, tag->weak, tag->opaque);
        if (const auto before = plain(tag->opaque)) {
            append_tag(list, tag->weak, *before);
            found = true;
        }
    }
    return found ? std::optional{list} : std::nullopt;
}

}
