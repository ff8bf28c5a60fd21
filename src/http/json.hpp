#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Strict JSON (RFC 8259): well-formed UTF-8 only, no member twice, nothing after the value.
namespace edge::http {

/// Why a text is refused; plain ASCII.
struct JsonError {
    std::string reason;
};

/// Reads a text piece by piece. Every function throws JsonError, or std::bad_alloc. The text must outlive it.
class JsonReader {
public:
    explicit JsonReader(std::string_view text) noexcept : rest_{text} {}

    /// The next character that is not white space; 0 at the end.
    char peek() noexcept;
    /// The same, taken away.
    char next() noexcept;
    /// `where`: for the message, as in "between members".
    void expect(char c, const char* where);
    bool at_end() noexcept;
    /// `what` names it in the message.
    std::string string(const std::string& what);
    bool boolean(const std::string& what);
    /// The text of a number (RFC 8259 section 6).
    std::string number();
    /// Takes away a word such as null, if it is next.
    bool word(std::string_view text) noexcept;

private:
    unsigned hex4();
    void escape(std::string& out);

    std::string_view rest_;
};

/// A whole value as a tree.
struct JsonValue {
    enum class Kind : unsigned char { null, boolean, number, string, array, object };
    Kind kind = Kind::null;
    bool flag = false;
    std::string text;                ///< a string's characters (any, NUL too), or a number as it was written
    std::vector<JsonValue> items;    ///< of an array, or the values of an object's members
    std::vector<std::string> names;  ///< of an object's members, one for each item

    bool is(Kind wanted) const noexcept { return kind == wanted; }
    /// The member of this name; nullptr: none, or no object.
    const JsonValue* find(std::string_view name) const noexcept;
    /// The member's characters if it is a string.
    std::optional<std::string_view> string(std::string_view name) const noexcept;
};

/// The value that `text` consists of; std::nullopt: not strict JSON, nested deeper than 8, or of more than
/// 4096 values. Throws std::bad_alloc.
std::optional<JsonValue> parse_json(std::string_view text);

}
