#include "cache/purge_request.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace edge::cache {

namespace {

/// Thrown inside this file only.
struct Refused {
    unsigned status;
    std::string reason;
};

[[noreturn]] void refuse(std::string reason, unsigned status = 400)
{
    throw Refused{status, std::move(reason)};
}

/// What a client may have written, for a message.
std::string shown(std::string_view name)
{
    constexpr std::size_t kLongest = 32;
    std::string out;
    for (const char c : name.substr(0, kLongest)) {
        const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
        out += plain ? c : '?';
    }
    return out;
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

class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_{text} {}

    /// The next character that is not white space, taken away; 0 at the end.
    char next() noexcept
    {
        const char c = peek();
        if (c != 0) rest_.remove_prefix(1);
        return c;
    }
    char peek() noexcept
    {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
        return rest_.empty() ? '\0' : rest_.front();
    }
    void expect(char c, const char* where)
    {
        if (next() != c) refuse(std::string{"not JSON: expected "} + c + " " + where);
    }
    bool at_end() noexcept
    {
        peek();
        return rest_.empty();
    }

    std::string string(const std::string& what)
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

    bool boolean(const std::string& what)
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

private:
    std::uint32_t hex4()
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

    void escape(std::string& out)
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

    std::string_view rest_;
};

bool is_target(std::string_view text) noexcept
{
    return text.starts_with("/") || text.starts_with("http://") || text.starts_with("https://");
}

void check_target(const std::string& text, const std::string& what)
{
    if (!is_target(text)) refuse(what + " must begin with /, http:// or https://");
    if (text.find_first_of(std::string_view{" \t\r\n\0", 5}) != text.npos)
        refuse(what + " has white space in it");
}

void read_strings(Reader& in, const std::string& name, std::vector<std::string>& out, std::size_t others)
{
    if (in.peek() != '[') refuse(name + " must be a list of strings");
    in.next();
    for (char separator = in.peek(); separator != ']'; separator = in.peek()) {
        if (!out.empty()) in.expect(',', "between members of a list");
        std::string text = in.string("a member of " + name);
        if (text.empty()) refuse("an empty string among " + name);
        if (out.size() + others >= PurgeRequest::kMaxItems) {
            refuse("more than " + std::to_string(PurgeRequest::kMaxItems) + " tags and urls", 413);
        }
        out.push_back(std::move(text));
    }
    in.next();
    if (out.empty()) refuse(name + " is an empty list");
}

void read_member(Reader& in, const std::string& name, PurgeRequest& request)
{
    if (name == "tags") {
        read_strings(in, name, request.tags, request.urls.size());
    } else if (name == "urls") {
        read_strings(in, name, request.urls, request.tags.size());
        for (const std::string& url : request.urls) check_target(url, "a member of urls");
    } else if (name == "prefix") {
        request.prefix = in.string(name);
        check_target(request.prefix, name);
    } else if (name == "all") {
        request.all = in.boolean(name);
        if (!request.all) refuse("all can only be true");
    } else if (name == "soft") {
        request.soft = in.boolean(name);
    } else {
        refuse("unknown member " + shown(name) + ", expected tags, urls, prefix, all or soft");
    }
}

PurgeRequest read_request(std::string_view text)
{
    Reader in{text};
    PurgeRequest request;
    std::vector<std::string> seen;
    in.expect('{', "at the beginning");
    while (in.peek() != '}') {
        if (!seen.empty()) in.expect(',', "between members");
        std::string name = in.string("a member name");
        if (std::find(seen.begin(), seen.end(), name) != seen.end()) refuse(shown(name) + " is given twice");
        in.expect(':', "after a member name");
        read_member(in, name, request);
        seen.push_back(std::move(name));
    }
    in.next();
    if (!in.at_end()) refuse("not JSON: something after the object");
    if (request.tags.empty() && request.urls.empty() && request.prefix.empty() && !request.all) {
        refuse("nothing to purge, expected tags, urls, prefix or all");
    }
    return request;
}

}

PurgeRequestResult parse_purge_request(std::string_view text)
{
    try {
        if (text.size() > PurgeRequest::kMaxBytes) refuse("more than 1 MB", 413);
        return {.request = read_request(text), .status = 200, .reason = {}};
    } catch (Refused& refused) {
        return {.request = std::nullopt, .status = refused.status, .reason = std::move(refused.reason)};
    }
}

std::string plain_json_string(std::string_view text)
{
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c >= ' ' && c <= '~' ? c : '?';
    }
    return out += '"';
}

}
