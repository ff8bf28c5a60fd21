#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "http/token.hpp"

namespace edge::http {

/// Walks the members of a comma-separated field value (RFC 9110 section 5.6.1). Commas inside quoted strings
/// do not separate; a backslash protects the next character there. Empty members are skipped. An unterminated
/// quoted string reaches to the end. Owns nothing; the members are views of the value, without outer white
/// space.
class ListCursor {
public:
    explicit constexpr ListCursor(std::string_view value) noexcept : rest_{value} {}

    constexpr std::optional<std::string_view> next() noexcept
    {
        while (!rest_.empty()) {
            const std::size_t end = member_end();
            const std::string_view member = trim(rest_.substr(0, end));
            rest_.remove_prefix(end < rest_.size() ? end + 1 : end);
            if (!member.empty()) return member;
        }
        return std::nullopt;
    }

private:
    constexpr std::size_t member_end() const noexcept
    {
        bool quoted = false;
        std::size_t i = 0;
        for (; i < rest_.size(); ++i) {
            if (quoted && rest_[i] == '\\' && i + 1 < rest_.size())
                ++i;
            else if (rest_[i] == '"')
                quoted = !quoted;
            else if (rest_[i] == ',' && !quoted)
                break;
        }
        return i;
    }

    std::string_view rest_;
};

}
