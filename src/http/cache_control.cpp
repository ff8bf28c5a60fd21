#include "http/cache_control.hpp"

#include <algorithm>

#include "http/token.hpp"

namespace edge::http {

std::optional<Directive> DirectiveCursor::next() noexcept
{
    skip_to_token();
    if (rest_.empty()) return std::nullopt;

    Directive directive;
    directive.malformed = after_garbage_;
    directive.name = take_token();
    read_argument(directive);
    read_separator(directive);
    return directive;
}

void DirectiveCursor::skip_to_token() noexcept
{
    while (!rest_.empty() && !is_tchar(rest_.front())) {
        if (rest_.front() == '"') {
            // What is said inside belongs to no directive: it must not be read as one.
            take_quoted();
            after_garbage_ = true;
            continue;
        }
        if (rest_.front() == ',')
            after_garbage_ = false;
        else if (!is_space(rest_.front()))
            after_garbage_ = true;
        rest_.remove_prefix(1);
    }
}

std::string_view DirectiveCursor::take_token() noexcept
{
    std::size_t end = 0;
    while (end < rest_.size() && is_tchar(rest_[end])) ++end;
    const std::string_view token = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return token;
}

std::string_view DirectiveCursor::take_quoted() noexcept
{
    rest_.remove_prefix(1);
    std::size_t end = 0;
    while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
    unterminated_ = unterminated_ || end >= rest_.size();
    const std::string_view inside = rest_.substr(0, std::min(end, rest_.size()));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return inside;
}

void DirectiveCursor::read_argument(Directive& directive) noexcept
{
    const std::size_t equals = rest_.find_first_not_of(" \t");
    if (equals == std::string_view::npos || rest_[equals] != '=') return;

    directive.has_argument = true;
    const std::size_t start = std::min(rest_.find_first_not_of(" \t", equals + 1), rest_.size());
    if (equals != 0 || start != equals + 1) directive.malformed = true;
    rest_.remove_prefix(start);
    if (rest_.empty()) return;

    if (rest_.front() != '"') {
        directive.argument = take_token();
        return;
    }
    directive.argument = take_quoted();
    if (unterminated_) directive.malformed = true;
}

void DirectiveCursor::read_separator(Directive& directive) noexcept
{
    rest_ = rest_.substr(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    if (rest_.empty()) return;
    if (rest_.front() == ',') {
        after_garbage_ = false;
        rest_.remove_prefix(1);
        return;
    }
    directive.malformed = true;
    after_garbage_ = true;
}

std::optional<std::uint32_t> parse_delta_seconds(std::string_view text) noexcept
{
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (char c : text) {
        if (!is_digit(c)) return std::nullopt;
        value = std::min<std::uint64_t>(value * 10 + static_cast<unsigned>(c - '0'), kMaxDeltaSeconds);
    }
    return static_cast<std::uint32_t>(value);
}

}
