#include "http/structured_fields.hpp"

#include <algorithm>

#include "http/token.hpp"

namespace edge::http::sf {
namespace {

constexpr bool is_lower_alpha(char c)
{
    return c >= 'a' && c <= 'z';
}

// -1: not a digit of lower-case hexadecimal.
int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (is_digit(c)) return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

// Padding may be missing and the bits it leaves over may be set (section 4.2.7).
std::optional<std::string> decode_base64(std::string_view text)
{
    const std::size_t padding = text.size() - std::min(text.find_last_not_of('=') + 1, text.size());
    text.remove_suffix(padding);
    if (padding > 2 || text.size() % 4 == 1 || (padding != 0 && (text.size() + padding) % 4 != 0))
        return std::nullopt;
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
        const int value = base64_value(c);
        if (value < 0) return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>(bits >> count & 0xff);
        }
    }
    return bytes;
}

// RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text)
{
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || i + length > text.size()) return false;
        for (std::size_t k = 1; k < length; ++k)
            if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
        const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0U;
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
            (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
            return false;
        i += length;
    }
    return true;
}

// The algorithms of section 4.2. Each take_ function consumes what it understood; std::nullopt fails the
// field.
class Parser {
public:
    explicit Parser(std::string_view text) : rest_{text} {}

    void skip_spaces()
    {
        while (at(' ')) rest_.remove_prefix(1);
    }

    bool finished() const { return rest_.empty(); }

    std::optional<List> take_list()
    {
        List list;
        while (!rest_.empty()) {
            auto member = take_member();
            if (!member) return std::nullopt;
            list.push_back(std::move(*member));
            if (!take_comma()) return std::nullopt;
        }
        return list;
    }

    std::optional<Dictionary> take_dictionary()
    {
        Dictionary dictionary;
        while (!rest_.empty()) {
            auto key = take_key();
            if (!key) return std::nullopt;
            std::optional<Member> value;
            if (take('=')) {
                value = take_member();
            } else if (auto parameters = take_parameters()) {
                value = Item{.value = true, .parameters = std::move(*parameters)};
            }
            if (!value) return std::nullopt;
            put(dictionary, std::move(*key), std::move(*value));
            if (!take_comma()) return std::nullopt;
        }
        return dictionary;
    }

    std::optional<Item> take_item()
    {
        auto value = take_bare_item();
        if (!value) return std::nullopt;
        auto parameters = take_parameters();
        if (!parameters) return std::nullopt;
        return Item{.value = std::move(*value), .parameters = std::move(*parameters)};
    }

private:
    bool at(char c) const { return !rest_.empty() && rest_.front() == c; }

    bool take(char c)
    {
        if (!at(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    void skip_white()
    {
        while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
    }

    // Between members: the end, or a comma with another member behind it.
    bool take_comma()
    {
        skip_white();
        if (rest_.empty()) return true;
        if (!take(',')) return false;
        skip_white();
        return !rest_.empty();
    }

    template <class Entries, class Value>
    static void put(Entries& entries, std::string&& key, Value&& value)
    {
        const auto same = std::find_if(entries.begin(), entries.end(),
                                       [&key](const auto& entry) { return entry.key == key; });
        if (same != entries.end())
            same->value = std::forward<Value>(value);
        else
            entries.push_back({.key = std::move(key), .value = std::forward<Value>(value)});
    }

    std::optional<Member> take_member()
    {
        if (at('(')) return take_inner_list();
        return take_item();
    }

    std::optional<InnerList> take_inner_list()
    {
        take('(');
        InnerList inner;
        for (;;) {
            skip_spaces();
            if (take(')')) break;
            auto item = take_item();
            if (!item || (!at(' ') && !at(')'))) return std::nullopt;
            inner.items.push_back(std::move(*item));
        }
        auto parameters = take_parameters();
        if (!parameters) return std::nullopt;
        inner.parameters = std::move(*parameters);
        return inner;
    }

    std::optional<std::string> take_key()
    {
        if (rest_.empty() || (!is_lower_alpha(rest_.front()) && rest_.front() != '*')) return std::nullopt;
        const auto in_key = [](char c) {
            return is_lower_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*';
        };
        return take_while(in_key);
    }

    template <class Predicate>
    std::string take_while(Predicate&& belongs)
    {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
        std::string taken{rest_.begin(), end};
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::optional<Parameters> take_parameters()
    {
        Parameters parameters;
        while (take(';')) {
            skip_spaces();
            auto key = take_key();
            if (!key) return std::nullopt;
            BareItem value = true;
            if (take('=')) {
                auto given = take_bare_item();
                if (!given) return std::nullopt;
                value = std::move(*given);
            }
            put(parameters, std::move(*key), std::move(value));
        }
        return parameters;
    }

    std::optional<BareItem> take_bare_item()
    {
        if (rest_.empty()) return std::nullopt;
        const char first = rest_.front();
        if (first == '-' || is_digit(first)) return take_number();
        if (is_alpha(first) || first == '*') return take_token();
        switch (first) {
            case '"':
                return take_string();
            case ':':
                return take_bytes();
            case '?':
                return take_boolean();
            case '@':
                return take_date();
            case '%':
                return take_display_string();
            default:
                return std::nullopt;
        }
    }

    std::optional<BareItem> take_number()
    {
        const std::int64_t sign = take('-') ? -1 : 1;
        const std::string whole = take_while(is_digit);
        if (whole.empty() || whole.size() > 15) return std::nullopt;
        std::int64_t value = 0;
        for (char c : whole) value = value * 10 + (c - '0');
        if (!take('.')) return BareItem{sign * value};

        const std::string fraction = take_while(is_digit);
        if (whole.size() > 12 || fraction.empty() || fraction.size() > 3) return std::nullopt;
        for (std::size_t i = 0; i < 3; ++i)
            value = value * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
        return BareItem{Decimal{sign * value}};
    }

    std::optional<BareItem> take_string()
    {
        take('"');
        String string;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') return BareItem{std::move(string)};
            if (c == '\\') {
                if (!at('"') && !at('\\')) return std::nullopt;
                string.text += rest_.front();
                rest_.remove_prefix(1);
            } else if (c < 0x20 || c > 0x7e) {
                return std::nullopt;
            } else {
                string.text += c;
            }
        }
        return std::nullopt;
    }

    std::optional<BareItem> take_token()
    {
        return BareItem{Token{take_while([](char c) { return is_tchar(c) || c == ':' || c == '/'; })}};
    }

    std::optional<BareItem> take_bytes()
    {
        take(':');
        const std::size_t end = rest_.find(':');
        if (end == std::string_view::npos) return std::nullopt;
        auto bytes = decode_base64(rest_.substr(0, end));
        if (!bytes) return std::nullopt;
        rest_.remove_prefix(end + 1);
        return BareItem{ByteSequence{std::move(*bytes)}};
    }

    std::optional<BareItem> take_boolean()
    {
        take('?');
        if (take('1')) return BareItem{true};
        if (take('0')) return BareItem{false};
        return std::nullopt;
    }

    std::optional<BareItem> take_date()
    {
        take('@');
        if (!at('-') && (rest_.empty() || !is_digit(rest_.front()))) return std::nullopt;
        const auto number = take_number();
        if (!number) return std::nullopt;
        const auto* seconds = std::get_if<std::int64_t>(&*number);
        if (seconds == nullptr) return std::nullopt;
        return BareItem{Date{*seconds}};
    }

    std::optional<BareItem> take_display_string()
    {
        take('%');
        if (!take('"')) return std::nullopt;
        DisplayString string;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                if (!is_utf8(string.text)) return std::nullopt;
                return BareItem{std::move(string)};
            }
            if (c < 0x20 || c > 0x7e) return std::nullopt;
            if (c != '%') {
                string.text += c;
                continue;
            }
            const int high = rest_.empty() ? -1 : hex_value(rest_[0]);
            const int low = rest_.size() < 2 ? -1 : hex_value(rest_[1]);
            if (high < 0 || low < 0) return std::nullopt;
            string.text += static_cast<char>(high << 4 | low);
            rest_.remove_prefix(2);
        }
        return std::nullopt;
    }

    std::string_view rest_;
};

// Section 4.2: spaces, and nothing else, around the value.
template <class Take>
auto parse_whole(std::string_view text, Take&& take) -> decltype(take(std::declval<Parser&>()))
{
    Parser parser{text};
    parser.skip_spaces();
    auto result = take(parser);
    if (!result) return std::nullopt;
    parser.skip_spaces();
    if (!parser.finished()) return std::nullopt;
    return result;
}

}

std::optional<Item> parse_item(std::string_view text)
{
    return parse_whole(text, [](Parser& parser) { return parser.take_item(); });
}

std::optional<List> parse_list(std::string_view text)
{
    return parse_whole(text, [](Parser& parser) { return parser.take_list(); });
}

std::optional<Dictionary> parse_dictionary(std::string_view text)
{
    return parse_whole(text, [](Parser& parser) { return parser.take_dictionary(); });
}

}
