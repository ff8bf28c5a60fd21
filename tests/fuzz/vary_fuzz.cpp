#include <algorithm>
#include <charconv>
#include <optional>

#include "fuzz/input.hpp"
#include "http/list.hpp"
#include "http/token.hpp"
#include "http/vary.hpp"

using namespace edge;
using namespace edge::fuzz;
using http::equal_fold;

namespace {

std::string lower(std::string_view text)
{
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), http::to_lower);
    return result;
}

/// All a request's lines of one field ask for, in a form of this test's own: white space, letter case, order
/// and the writing of weights count for nothing. Two values whose texts differ are surely different
/// questions.
std::string gist(const std::string& name, http::Fields request)
{
    std::vector<std::string> members;
    std::size_t lines = 0;
    for (const http::Field& field : request) {
        if (!equal_fold(field.name, name)) continue;
        ++lines;
        http::ListCursor cursor{field.value};
        while (const auto member = cursor.next()) {
            std::string text;
            for (const char c : lower(*member))
                if (!http::is_space(c)) text += c;
            if (!text.empty() && text.back() == ';') text.pop_back();  // an empty parameter
            // Weights as they are compared: ";q=1", ";q=1.0" and none are one, ";q=0.5" is ";q=0.50".
            const std::size_t weight = text.rfind(";q=");
            if (weight != std::string::npos && text.size() <= weight + 8) {
                std::string digits = text.substr(weight + 3);
                if (digits.find('.') != std::string::npos) {
                    while (digits.back() == '0') digits.pop_back();
                    if (digits.back() == '.') digits.pop_back();
                }
                text.resize(weight);
                if (digits != "1") text.append(";q=").append(digits);
            }
            members.push_back(std::move(text));
        }
    }
    std::sort(members.begin(), members.end());
    std::string all = lines == 0 ? "absent" : "";
    for (const std::string& member : members) all.append("\n").append(member);
    return all;
}

void the_key_can_be_taken_apart(const std::vector<std::string>& names, std::string_view key)
{
    const auto length = [&] {
        std::size_t value = 0;
        const auto end = std::from_chars(key.data(), key.data() + key.size(), value);
        FUZZ_CHECK(end.ec == std::errc{});
        key.remove_prefix(static_cast<std::size_t>(end.ptr - key.data()));
        return value;
    };
    const auto text = [&] {
        const std::size_t size = length();
        FUZZ_CHECK(key.size() > size && key.front() == ':');
        const std::string_view value = key.substr(1, size);
        key.remove_prefix(1 + size);
        return value;
    };
    for (const std::string& name : names) {
        FUZZ_CHECK(text() == name);
        FUZZ_CHECK(!key.empty());
        if (key.front() == '-') {
            key.remove_prefix(1);
            continue;
        }
        const std::size_t slash = key.find_first_not_of("0123456789");
        if (slash != std::string_view::npos && key[slash] == '/') {
            std::size_t lines = length();
            key.remove_prefix(1);
            while (lines-- != 0) text();
        } else {
            text();
        }
    }
    FUZZ_CHECK(key.empty());
}

}

/// A response's header lines, then those of two requests: equal keys mean equal questions.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input in{data, size};
    Copies copies;
    const auto response = in.fields(copies);
    const auto vary = http::parse_vary(response);
    FUZZ_CHECK(std::is_sorted(vary.names.begin(), vary.names.end()));
    FUZZ_CHECK(std::adjacent_find(vary.names.begin(), vary.names.end()) == vary.names.end());
    for (const std::string& name : vary.names) FUZZ_CHECK(http::is_token(name) && lower(name) == name);

    std::vector<std::string> names{"accept", "accept-language", "authorization", "origin"};
    if (!vary.names.empty()) names = vary.names;
    const auto first = in.fields(copies);
    auto second = in.fields(copies);
    const std::string a = http::secondary_key(names, first);
    const std::string b = http::secondary_key(names, second);
    the_key_can_be_taken_apart(names, a);
    the_key_can_be_taken_apart(names, b);
    for (const std::string& name : names) {
        const std::vector<std::string> one{name};
        if (http::secondary_key(one, first) == http::secondary_key(one, second)) {
            FUZZ_CHECK(gist(name, first) == gist(name, second));
        } else {
            FUZZ_CHECK(a != b);
        }
    }
    // What is not named does not count, nor does the case of names.
    std::vector<std::string> upper;
    for (http::Field& field : second) {
        std::string& name = upper.emplace_back(field.name);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
        field.name = copies(name);
    }
    second.push_back({"not a name", "anything"});
    FUZZ_CHECK(http::secondary_key(names, second) == b);
    return 0;
}
