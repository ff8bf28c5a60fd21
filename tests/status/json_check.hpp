#pragma once

#include <cctype>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

/// A strict reader of JSON (RFC 8259) for tests: what it accepts, every parser does.
namespace edge::status::test {

/// A value that is not an object or array. text: a string decoded to UTF-8, a number or name as written.
struct JsonValue {
    bool string;
    std::string text;
    friend bool operator==(const JsonValue&, const JsonValue&) = default;
};

/// Values by path: "a.b", "list[0].c".
using JsonValues = std::map<std::string, JsonValue>;

/// Throws std::runtime_error on anything that is not one valid value in UTF-8, on a key that comes twice in
/// an object, and on half of a surrogate pair.
class JsonReader {
public:
    static JsonValues read(std::string_view text)
    {
        JsonReader reader{text};
        reader.value("");
        reader.space();
        if (reader.at_ != text.size()) reader.fail("text after the end");
        return std::move(reader.values_);
    }

private:
    explicit JsonReader(std::string_view text) : text_{text} {}

    [[noreturn]] void fail(const char* what) const
    {
        throw std::runtime_error{std::string{what} + " at byte " + std::to_string(at_)};
    }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c)
    {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    void need(char c)
    {
        if (!take(c)) fail("another character expected");
    }
    void space()
    {
        while (at_ < text_.size() && std::string_view{" \t\r\n"}.find(text_[at_]) != std::string_view::npos)
            ++at_;
    }
    void store(const std::string& path, bool string, std::string text)
    {
        if (!values_.emplace(path, JsonValue{string, std::move(text)}).second) fail("a key twice");
    }

    void value(const std::string& path)
    {
        space();
        switch (peek()) {
            case '{':
                return object(path);
            case '[':
                return array(path);
            case '"':
                return store(path, true, string());
            case 't':
                return name(path, "true");
            case 'f':
                return name(path, "false");
            case 'n':
                return name(path, "null");
            default:
                return number(path);
        }
    }

    void object(const std::string& path)
    {
        need('{');
        space();
        if (take('}')) return;
        std::map<std::string, int> keys;
        do {
            space();
            const std::string key = string();
            if (++keys[key] > 1) fail("a key twice");
            space();
            need(':');
            value(path.empty() ? key : path + '.' + key);
            space();
        } while (take(','));
        need('}');
    }

    void array(const std::string& path)
    {
        need('[');
        space();
        if (take(']')) return;
        int index = 0;
        do {
            value(path + '[' + std::to_string(index++) + ']');
            space();
        } while (take(','));
        need(']');
    }

    void name(const std::string& path, std::string_view name)
    {
        if (text_.substr(at_, name.size()) != name) fail("an unknown name");
        at_ += name.size();
        store(path, false, std::string{name});
    }

    void digits()
    {
        if (std::isdigit(static_cast<unsigned char>(peek())) == 0) fail("a digit expected");
        while (std::isdigit(static_cast<unsigned char>(peek())) != 0) ++at_;
    }

    void number(const std::string& path)
    {
        const std::size_t from = at_;
        take('-');
        if (!take('0')) digits();
        if (take('.')) digits();
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            digits();
        }
        store(path, false, std::string{text_.substr(from, at_ - from)});
    }

    std::uint32_t hex4()
    {
        std::uint32_t code = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            if (std::isxdigit(static_cast<unsigned char>(peek())) == 0) fail("a hex digit expected");
            code = code * 16 + static_cast<std::uint32_t>(std::stoi(std::string{peek()}, nullptr, 16));
        }
        return code;
    }

    static std::string encode(std::uint32_t code)
    {
        const auto byte = [](std::uint32_t value) {
            return static_cast<char>(static_cast<unsigned char>(value));
        };
        const auto tail = [&](unsigned shift) { return byte(0x80 | ((code >> shift) & 0x3f)); };
        if (code < 0x80) return {byte(code)};
        if (code < 0x800) return {byte(0xc0 | (code >> 6)), tail(0)};
        if (code < 0x10000) return {byte(0xe0 | (code >> 12)), tail(6), tail(0)};
        return {byte(0xf0 | (code >> 18)), tail(12), tail(6), tail(0)};
    }

    std::string escape()
    {
        constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
        const char c = peek();
        if (c == '\0') fail("an escape cut short");
        ++at_;
        if (const auto i = kNames.find(c); i != kNames.npos) return {kMeanings[i]};
        if (c != 'u') fail("an unknown escape");
        std::uint32_t code = hex4();
        if (code >= 0xdc00 && code < 0xe000) fail("half a surrogate pair");
        if (code >= 0xd800 && code < 0xdc00) {
            need('\\');
            need('u');
            const std::uint32_t low = hex4();
            if (low < 0xdc00 || low >= 0xe000) fail("half a surrogate pair");
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        return encode(code);
    }

    /// One character as it stands. What encode() would not have written that way is not UTF-8.
    std::string character()
    {
        const auto lead = static_cast<unsigned char>(peek());
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (length == 0 || at_ + length > text_.size()) fail("not UTF-8");
        std::uint32_t code = length == 1 ? lead : lead & (0x7fU >> length);
        for (std::size_t i = 1; i < length; ++i) {
            code = code << 6 | (static_cast<unsigned char>(text_[at_ + i]) & 0x3f);
        }
        const std::string_view written = text_.substr(at_, length);
        if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || encode(code) != written)
            fail("not UTF-8");
        at_ += length;
        return std::string{written};
    }

    std::string string()
    {
        need('"');
        std::string decoded;
        while (!take('"')) {
            if (at_ >= text_.size()) fail("a string without end");
            if (static_cast<unsigned char>(peek()) < 0x20) fail("a control character");
            decoded += take('\\') ? escape() : character();
        }
        return decoded;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    JsonValues values_;
};

}
