#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace edge::http {

/// One cache directive as written (RFC 9111 section 5.2). Views point into the field line.
struct Directive {
    std::string_view name;      ///< a token, in the case it was sent in
    std::string_view argument;  ///< without the quotes of a quoted-string; escapes are left as they are
    bool has_argument = false;
    /// The directive is followed by something that is not a comma, has spaces around '=', or comes after such
    /// text. A reader should honour what such a directive forbids and disregard what it allows.
    bool malformed = false;
};

/// Walks the directives of one Cache-Control line. Both token and quoted-string arguments are accepted (5.2).
/// After text the grammar has no place for it goes on with the next token, so that a directive behind a wrong
/// separator is still seen (`max-age=60; private`). Owns nothing, allocates nothing.
class DirectiveCursor {
public:
    explicit DirectiveCursor(std::string_view line) noexcept : rest_{line} {}

    std::optional<Directive> next() noexcept;

    /// Whether a quoted-string had no end: everything behind the quote is lost, whatever it was meant to say.
    /// Final once next() has returned nothing.
    bool unterminated() const noexcept { return unterminated_; }

private:
    void skip_to_token() noexcept;
    std::string_view take_token() noexcept;
    std::string_view take_quoted() noexcept;
    void read_argument(Directive& directive) noexcept;
    void read_separator(Directive& directive) noexcept;

    std::string_view rest_;
    bool after_garbage_ = false;
    bool unterminated_ = false;
};

/// The value a delta-seconds that is too large stands for (RFC 9111 section 1.2.2).
inline constexpr std::uint32_t kMaxDeltaSeconds = 0x80000000U;

/// Digits only, at least one; anything above kMaxDeltaSeconds is that. std::nullopt: not a delta-seconds.
std::optional<std::uint32_t> parse_delta_seconds(std::string_view text) noexcept;

}
