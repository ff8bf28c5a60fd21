#include "http/json.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace edge::http {

namespace {

constexpr unsigned kDeepest = 8;
constexpr std::size_t kMostValues = 4096;

[[noreturn]] void refuse(std::string reason)
{
    throw JsonError{std::move(reason)};
}

void append_utf8(std::string& out, std::uint32_t point)
{
    const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (point >> shift & 0x3f)); };
    if (point < 0x80) {
        out += static_cast<char>(point);
    } else if (point < 0x800) {
        out += static_cast<char>(0xc0 | point >> 6);
        tail(0);
    } else if (point < 0x10000) {
        out += static_cast<char>(0xe0 | point >> 12);
        tail(6);
        tail(0);
    } else {
        out += static_cast<char>(0xf0 | point >> 18);
        tail(12);
        tail(6);
        tail(0);
    }
}

/// Bytes of the well-formed UTF-8 sequence that `text` begins with (RFC 3629); 0: it is none.
std::size_t sequence_length(std::string_view text) noexcept
{
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto tails = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
            if (byte(i) >> 6 != 2) return false;
        }
        return true;
    };
    const unsigned first = byte(0);
    const unsigned second = byte(1);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return tails(1, 2) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const unsigned least = first == 0xe0 ? 0xa0 : 0x80;
        const unsigned most = first == 0xed ? 0x9f : 0xbf;
        return second >= least && second <= most && tails(2, 3) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const unsigned least = first == 0xf0 ? 0x90 : 0x80;
        const unsigned most = first == 0xf4 ? 0x8f : 0xbf;
        return second >= least && second <= most && tails(2, 4) ? 4 : 0;
    }
    return 0;
}

bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}

/// Builds a tree out of what a reader finds.
class Builder {
public:
    explicit Builder(std::string_view text) noexcept : in_{text} {}

    JsonValue whole()
    {
        JsonValue value = any(0);
        if (!in_.at_end()) refuse("not JSON: something after the value");
        return value;
    }

private:
    JsonValue any(unsigned depth)
    {
        if (depth > kDeepest) refuse("nested too deeply");
        if (++count_ > kMostValues) refuse("too many values");
        using Kind = JsonValue::Kind;
        JsonValue value;
        switch (in_.peek()) {
            case '{':
                value.kind = Kind::object;
                object(value, depth);
                break;
            case '[':
                value.kind = Kind::array;
                array(value, depth);
                break;
            case '"':
                value.kind = Kind::string;
                value.text = in_.string("it");
                break;
            case 't':
            case 'f':
                value.kind = Kind::boolean;
                value.flag = in_.boolean("it");
                break;
            case 'n':
                if (!in_.word("null")) refuse("not JSON");
                break;
            default:
                value.kind = Kind::number;
                value.text = in_.number();
        }
        return value;
    }
    void object(JsonValue& value, unsigned depth)
    {
        in_.next();
        while (in_.peek() != '}') {
            if (!value.names.empty()) in_.expect(',', "between members");
            std::string name = in_.string("a member name");
            if (value.find(name) != nullptr) refuse("a member is given twice");
            in_.expect(':', "after a member name");
            value.items.push_back(any(depth + 1));
            value.names.push_back(std::move(name));
        }
        in_.next();
    }
    void array(JsonValue& value, unsigned depth)
    {
        in_.next();
        while (in_.peek() != ']') {
            if (!value.items.empty()) in_.expect(',', "between members of a list");
            value.items.push_back(any(depth + 1));
        }
        in_.next();
    }

    JsonReader in_;
    std::size_t count_ = 0;
};

}

char JsonReader::peek() noexcept
{
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
}

char JsonReader::next() noexcept
{
    const char c = peek();
    if (c != 0) rest_.remove_prefix(1);
    return c;
}

void JsonReader::expect(char c, const char* where)
{
    if (next() != c) refuse(std::string{"not JSON: expected "} + c + " " + where);
}

bool JsonReader::at_end() noexcept
{
    peek();
    return rest_.empty();
}

std::string JsonReader::string(const std::string& what)
{
    if (peek() != '"') refuse(what + " must be a string");
    rest_.remove_prefix(1);
    std::string out;
    for (;;) {
        if (rest_.empty()) refuse("not JSON: a string does not end");
        const char c = rest_.front();
        if (static_cast<unsigned char>(c) < 0x20) refuse("not JSON: a control character in a string");
        if (c == '"') break;
        if (c == '\\') {
            escape(out);
            continue;
        }
        const std::size_t n = sequence_length(rest_);
        if (n == 0) refuse("not JSON: a string is not UTF-8");
        out.append(rest_.substr(0, n));
        rest_.remove_prefix(n);
    }
    rest_.remove_prefix(1);
    return out;
}

bool JsonReader::boolean(const std::string& what)
{
    peek();
    for (const bool value : {true, false}) {
        const std::string_view word = value ? "true" : "false";
        if (!rest_.starts_with(word)) continue;
        rest_.remove_prefix(word.size());
        return value;
    }
    refuse(what + " must be true or false");
}

std::string JsonReader::number()
{
    peek();
    std::size_t at = 0;
    const auto here = [&] { return at < rest_.size() ? rest_[at] : '\0'; };
    const auto digits = [&] {
        if (!is_digit(here())) refuse("not JSON: expected a value");
        while (is_digit(here())) ++at;
    };
    if (here() == '-') ++at;
    if (here() == '0')
        ++at;
    else
        digits();
    if (here() == '.') {
        ++at;
        digits();
    }
    if (here() == 'e' || here() == 'E') {
        ++at;
        if (here() == '+' || here() == '-') ++at;
        digits();
    }
    std::string text{rest_.substr(0, at)};
    rest_.remove_prefix(at);
    return text;
}

bool JsonReader::word(std::string_view text) noexcept
{
    peek();
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
}

unsigned JsonReader::hex4()
{
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
        const char c = rest_.empty() ? '\0' : rest_.front();
        std::uint32_t digit = 0;
        if (c >= '0' && c <= '9')
            digit = static_cast<std::uint32_t>(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = static_cast<std::uint32_t>((c | 0x20) - 'a' + 10);
        else
            refuse("not JSON: a bad escape in a string");
        value = value << 4 | digit;
        rest_.remove_prefix(1);
    }
    return value;
}

void JsonReader::escape(std::string& out)
{
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    rest_.remove_prefix(1);
    const char c = rest_.empty() ? '\0' : rest_.front();
    const std::size_t known = c == '\0' ? kNames.npos : kNames.find(c);
    if (c != 'u' && known == kNames.npos) refuse("not JSON: a bad escape in a string");
    rest_.remove_prefix(1);
    if (c != 'u') {
        out += kValues[known];
        return;
    }
    std::uint32_t point = hex4();
    if (point >= 0xd800 && point <= 0xdbff && rest_.starts_with("\\u")) {
        rest_.remove_prefix(2);
        const std::uint32_t low = hex4();
        if (low < 0xdc00 || low > 0xdfff) refuse("not JSON: half a surrogate pair in a string");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    if (point >= 0xd800 && point <= 0xdfff) refuse("not JSON: half a surrogate pair in a string");
    append_utf8(out, point);
}

const JsonValue* JsonValue::find(std::string_view name) const noexcept
{
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) return &items[i];
    }
    return nullptr;
}

std::optional<std::string_view> JsonValue::string(std::string_view name) const noexcept
{
    const JsonValue* member = find(name);
    if (member == nullptr || !member->is(Kind::string)) return std::nullopt;
    return member->text;
}

std::optional<JsonValue> parse_json(std::string_view text)
{
    try {
        return Builder{text}.whole();
    } catch (const JsonError&) {
        return std::nullopt;
    }
}

}
