#include "status/text.hpp"

#include <array>
#include <charconv>

namespace edge::status {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

template <class Integer>
void append_digits(std::string& out, Integer value)
{
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

/// The lead byte's row of RFC 3629's table: the sequence's length and the range of its second byte.
struct Lead {
    unsigned length;
    unsigned char low, high;
};

constexpr Lead lead(unsigned char byte) noexcept
{
    if (byte < 0x80) return {1, 0, 0};
    if (byte < 0xc2) return {0, 0, 0};
    if (byte < 0xe0) return {2, 0x80, 0xbf};
    if (byte == 0xe0) return {3, 0xa0, 0xbf};
    if (byte == 0xed) return {3, 0x80, 0x9f};
    if (byte < 0xf0) return {3, 0x80, 0xbf};
    if (byte == 0xf0) return {4, 0x90, 0xbf};
    if (byte < 0xf4) return {4, 0x80, 0xbf};
    if (byte == 0xf4) return {4, 0x80, 0x8f};
    return {0, 0, 0};
}

unsigned char at(std::string_view text, std::size_t i) noexcept
{
    return static_cast<unsigned char>(text[i]);
}

/// How many bytes at the start of `text`, which is not empty, form one character; 0 = none do.
std::size_t character(std::string_view text) noexcept
{
    const Lead row = lead(at(text, 0));
    if (row.length <= 1) return row.length;
    if (text.size() < row.length || at(text, 1) < row.low || at(text, 1) > row.high) return 0;
    for (std::size_t i = 2; i < row.length; ++i) {
        if ((at(text, i) & 0xc0) != 0x80) return 0;
    }
    return row.length;
}

/// A byte that cannot be shown, as the text \xNN: the backslash itself is escaped in both formats.
void append_unprintable(std::string& out, unsigned char byte)
{
    out += "\\\\x";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
}

void append_json_control(std::string& out, unsigned char byte)
{
    if (byte == '\n') {
        out += "\\n";
        return;
    }
    out += "\\u00";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
}

void append_label_control(std::string& out, unsigned char byte)
{
    if (byte == '\n') {
        out += "\\n";
    } else {
        append_unprintable(out, byte);
    }
}

template <class Control>
void append_quoted(std::string& out, std::string_view text, Control&& append_control)
{
    out += '"';
    while (!text.empty()) {
        const unsigned char byte = at(text, 0);
        const std::size_t length = character(text);
        if (length == 0) {
            append_unprintable(out, byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            append_control(out, byte);
        } else {
            if (byte == '"' || byte == '\\') out += '\\';
            out.append(text, 0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out += '"';
}

}

void append_integer(std::string& out, std::int64_t value)
{
    append_digits(out, value);
}

void append_integer(std::string& out, std::uint64_t value)
{
    append_digits(out, value);
}

void append_seconds(std::string& out, std::uint64_t microseconds)
{
    constexpr std::uint64_t kSecond = 1'000'000;
    append_digits(out, microseconds / kSecond);
    std::uint64_t fraction = microseconds % kSecond;
    if (fraction == 0) return;
    out += '.';
    for (std::uint64_t place = kSecond / 10; fraction != 0; place /= 10) {
        out += static_cast<char>('0' + fraction / place);
        fraction %= place;
    }
}

void append_json_string(std::string& out, std::string_view text)
{
    append_quoted(out, text, append_json_control);
}

void append_label_value(std::string& out, std::string_view text)
{
    append_quoted(out, text, append_label_control);
}

}
