#include "http/media_types.hpp"

#include <algorithm>

#include "http/token.hpp"

namespace edge::http {

namespace {

std::string lower(std::string_view text)
{
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(), to_lower);
    return out;
}

bool is_pattern(std::string_view text) noexcept
{
    if (std::count(text.begin(), text.end(), '*') > 1) return false;
    if (text == "*") return true;
    const std::size_t slash = text.find('/');
    return slash != text.npos && is_token(text.substr(0, slash)) && is_token(text.substr(slash + 1));
}

}

bool MediaTypes::add(std::string_view pattern)
{
    if (!is_pattern(pattern)) return false;
    const std::size_t star = pattern.find('*');
    const bool whole = star == pattern.npos;
    patterns_.push_back(
        {lower(pattern.substr(0, star)), whole ? std::string{} : lower(pattern.substr(star + 1)), whole});
    return true;
}

bool MediaTypes::contains(std::string_view content_type) const noexcept
{
    const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
    return std::any_of(patterns_.begin(), patterns_.end(), [type](const Pattern& pattern) {
        const std::size_t least = pattern.before.size() + pattern.after.size();
        if (pattern.whole ? type.size() != least : type.size() < least) return false;
        return equal_fold(type.substr(0, pattern.before.size()), pattern.before) &&
               equal_fold(type.substr(type.size() - pattern.after.size()), pattern.after);
    });
}

}
