#include <algorithm>
#include <vector>

#include "cache/policy.hpp"
#include "http/token.hpp"

namespace edge::cache {
namespace {

struct Uri {
    std::optional<std::string_view> scheme;
    std::optional<std::string_view> authority;
    std::string_view path;
    std::optional<std::string_view> query;
};

// Printable ASCII without what RFC 3986 leaves out, and bytes above, which clients send although it does.
bool is_uri_char(char c)
{
    const auto u = static_cast<unsigned char>(c);
    return u > 0x20 && u != 0x7f && std::string_view{"\"<>\\^`{|}"}.find(c) == std::string_view::npos;
}

// RFC 3986 appendix B, the fragment dropped.
Uri split(std::string_view text)
{
    Uri uri;
    text = text.substr(0, text.find('#'));
    const std::size_t colon = text.find_first_of(":/?");
    if (colon != std::string_view::npos && text[colon] == ':') {
        uri.scheme = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    if (text.substr(0, 2) == "//") {
        const std::size_t end = std::min(text.find_first_of("/?", 2), text.size());
        uri.authority = text.substr(2, end - 2);
        text.remove_prefix(end);
    }
    const std::size_t question = text.find('?');
    uri.path = text.substr(0, question);
    if (question != std::string_view::npos) uri.query = text.substr(question + 1);
    return uri;
}

std::string lower(std::string_view text)
{
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), http::to_lower);
    return result;
}

// scheme "://" host [":" port], the default port dropped. std::nullopt: not http(s), user information, no
// host, or a port that is not a number.
std::optional<std::string> origin_of(std::string_view scheme, std::string_view authority)
{
    const std::string name = lower(scheme);
    if (name != "http" && name != "https") return std::nullopt;
    if (authority.find('@') != std::string_view::npos) return std::nullopt;
    std::string_view host = authority;
    std::string_view port;
    const std::size_t colon = authority.rfind(':');
    const std::size_t bracket = authority.rfind(']');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
        host = authority.substr(0, colon);
        port = authority.substr(colon + 1);
    }
    if (host.empty() || !std::all_of(port.begin(), port.end(), http::is_digit)) return std::nullopt;
    while (port.size() > 1 && port.front() == '0') port.remove_prefix(1);
    std::string origin = name + "://" + lower(host);
    if (!port.empty() && port != (name == "http" ? "80" : "443")) origin.append(1, ':').append(port);
    return origin;
}

// RFC 3986 section 5.2.4. `path` begins with a slash.
std::string without_dots(std::string_view path)
{
    std::vector<std::string_view> kept;
    bool directory = false;
    for (path.remove_prefix(1);;) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view segment = path.substr(0, end);
        const bool last = end == path.size();
        directory = segment == "." || segment == "..";
        if (segment == "..") {
            if (!kept.empty()) kept.pop_back();
        } else if (segment != ".") {
            kept.push_back(segment);
        }
        if (last) break;
        path.remove_prefix(end + 1);
    }
    std::string result;
    for (std::string_view segment : kept) result.append(1, '/').append(segment);
    if (directory || kept.empty()) result += '/';
    return result;
}

// RFC 3986 section 5.2.2 for a reference without authority.
std::string resolve_path(const Uri& base, const Uri& reference)
{
    if (reference.path.empty()) {
        std::string result{base.path.empty() ? "/" : base.path};
        const auto& query = reference.query ? reference.query : base.query;
        if (query) result.append(1, '?').append(*query);
        return result;
    }
    std::string path;
    if (reference.path.front() != '/') {
        path = base.path.substr(0, base.path.rfind('/') + 1);
        if (path.empty()) path = "/";
    }
    path += reference.path;
    std::string result = without_dots(path);
    if (reference.query) result.append(1, '?').append(*reference.query);
    return result;
}

}

bool invalidates(Method method, std::uint16_t status) noexcept
{
    return method == Method::unsafe && status >= 200 && status < 400;
}

std::optional<std::string> same_origin_target(std::string_view base, std::string_view reference)
{
    if (!std::all_of(reference.begin(), reference.end(), is_uri_char)) return std::nullopt;
    const Uri from = split(base);
    Uri to = split(reference);
    if (!from.scheme || !from.authority || (!from.path.empty() && from.path.front() != '/'))
        return std::nullopt;
    const auto origin = origin_of(*from.scheme, *from.authority);
    if (!origin) return std::nullopt;
    if (!to.scheme && !to.authority) return *origin + resolve_path(from, to);

    if (!to.authority) return std::nullopt;
    if (origin_of(to.scheme.value_or(*from.scheme), *to.authority) != origin) return std::nullopt;
    std::string result = *origin + (to.path.empty() ? "/" : without_dots(to.path));
    if (to.query) result.append(1, '?').append(*to.query);
    return result;
}

}
