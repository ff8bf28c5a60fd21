#include "cache/purge_request.hpp"

#include <algorithm>
#include <utility>

#include "http/json.hpp"

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

using Reader = http::JsonReader;

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
    } catch (http::JsonError& error) {
        return {.request = std::nullopt, .status = 400, .reason = std::move(error.reason)};
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
