#include "redis/url.hpp"

#include <charconv>
#include <optional>

namespace edge::redis {

namespace {

constexpr std::string_view kForms =
    "expected redis://host:port, rediss://host:port or unix:/path, as in "
    "redis://user:password@10.0.0.5:6379/0";
constexpr std::size_t kMostPath = 107;  // sockaddr_un

int hex(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decode(std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
        out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
        i += 2;
    }
    return out;
}

template <class Number>
bool read_number(std::string_view text, Number& out) noexcept
{
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, out);
    return error == std::errc{} && at == end;
}

/// Takes "user:password@" from the front of `rest`. false: not decodable.
bool take_credentials(std::string_view& rest, std::string_view authority, Url& url)
{
    const std::size_t at = authority.rfind('@');
    if (at == authority.npos) return true;
    const std::string_view both = authority.substr(0, at);
    const std::size_t colon = both.find(':');
    const auto user = decode(both.substr(0, colon));
    const auto password =
        colon == both.npos ? std::optional<std::string>{std::string{}} : decode(both.substr(colon + 1));
    if (!user || !password) return false;
    url.user = *user;
    url.password = *password;
    rest.remove_prefix(at + 1);
    return true;
}

std::string_view parse_unix(std::string_view rest, Url& url)
{
    if (rest.starts_with("//")) {
        rest.remove_prefix(2);
        if (!take_credentials(rest, rest.substr(0, rest.find('/')), url))
            return "user and password: \"%\" has to be followed by two hexadecimal digits";
    }
    const std::size_t question = rest.find('?');
    const std::string_view path = rest.substr(0, question);
    if (!path.starts_with('/') || path.size() > kMostPath)
        return "expected the absolute path of a socket of at most 107 bytes, as in "
               "unix:/run/redis/redis.sock";
    url.path = path;
    if (question == rest.npos) return {};
    const std::string_view query = rest.substr(question + 1);
    if (!query.starts_with("db=") || !read_number(query.substr(3), url.database))
        return "after \"?\" expected the number of a database, as in unix:/run/redis/redis.sock?db=1";
    return {};
}

std::string_view parse_host(std::string_view text, Url& url)
{
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == text.npos) return "expected \"]\" after an IPv6 address, as in redis://[::1]:6379";
        url.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
    } else {
        const std::size_t colon = text.find(':');
        url.host = text.substr(0, colon);
        port = colon == text.npos ? std::string_view{} : text.substr(colon);
        if (port.find(':', 1) != port.npos)
            return "an IPv6 address stands in brackets, as in redis://[::1]:6379";
    }
    if (url.host.empty()) return "there is no host, expected as in redis://10.0.0.5:6379";
    if (!port.empty() && (port[0] != ':' || !read_number(port.substr(1), url.port) || url.port == 0))
        return "expected a port from 1 to 65535, as in redis://10.0.0.5:6379";
    return {};
}

std::string_view parse_into(std::string_view text, Url& url)
{
    if (text.starts_with("unix:")) return parse_unix(text.substr(5), url);
    if (text.starts_with("rediss://")) {
        url.tls = true;
        text.remove_prefix(9);
    } else if (text.starts_with("redis://")) {
        text.remove_prefix(8);
    } else {
        return kForms;
    }
    if (!take_credentials(text, text.substr(0, text.find('/')), url))
        return "user and password: \"%\" has to be followed by two hexadecimal digits";
    const std::size_t slash = text.find('/');
    if (const std::string_view error = parse_host(text.substr(0, slash), url); !error.empty()) return error;
    if (slash == text.npos) return {};
    const std::string_view database = text.substr(slash + 1);
    if (!database.empty() && !read_number(database, url.database))
        return "after the host expected the number of a database, as in redis://10.0.0.5:6379/1";
    return {};
}

}

std::string Url::address() const
{
    if (is_unix()) return "unix:" + path;
    const bool bare = host.find(':') == host.npos;
    return (bare ? host : "[" + host + "]") + ":" + std::to_string(port);
}

ParsedUrl parse_url(std::string_view text)
{
    ParsedUrl parsed;
    parsed.error = parse_into(text, parsed.url);
    return parsed;
}

}
