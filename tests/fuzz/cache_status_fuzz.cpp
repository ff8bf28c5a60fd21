#include <algorithm>
#include <array>

#include "fuzz/input.hpp"
#include "http/cache_status.hpp"
#include "http/structured_fields.hpp"

using namespace edge;
using namespace edge::fuzz;
namespace sf = edge::http::sf;

namespace {

const sf::BareItem* parameter(const sf::Item& item, std::string_view key)
{
    for (const auto& parameter : item.parameters)
        if (parameter.key == key) return &parameter.value;
    return nullptr;
}

/// The text a string or token stands for.
std::string text_of(const sf::BareItem& value)
{
    if (const auto* string = std::get_if<sf::String>(&value)) return string->text;
    return std::get<sf::Token>(value).text;
}

std::string printable(std::string_view text)
{
    std::string result{text};
    std::replace_if(
        result.begin(), result.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    return result;
}

}

/// Any status, written after any list that came before, into any room.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static constexpr std::array<std::string_view, 5> kForward = {"", "uri-miss", "stale", "bypass",
                                                                 "vary-miss"};
    Input in{data, size};
    Copies copies;
    http::CacheStatus status;
    status.hit = in.flag();
    status.forward = kForward[in.byte() % kForward.size()];
    status.forward_status = in.number<std::uint16_t>();
    status.stored = in.flag();
    status.collapsed = in.flag();
    if (in.flag()) status.ttl = in.number<std::int64_t>();
    std::size_t room = in.number<std::uint16_t>();
    status.cache = copies(in.line());
    status.key = copies(in.line());
    status.detail = copies(in.line());
    const std::string_view existing = copies(in.rest());
    const auto before = sf::parse_list(existing);
    if (!before || (before->empty() && !existing.empty())) return 0;

    const std::size_t bound = http::cache_status_bound(status, existing);
    if (in.empty() && room > 4096) room = bound;
    const std::unique_ptr<char[]> out{new char[room]};
    const std::string_view text = http::write_cache_status(status, existing, {out.get(), room});
    FUZZ_CHECK(within(text, {out.get(), room}));
    FUZZ_CHECK(room < bound || !text.empty());
    if (text.empty()) return 0;

    const auto after = sf::parse_list(copies(text));
    FUZZ_CHECK(after && after->size() == before->size() + 1);
    FUZZ_CHECK(std::equal(before->begin(), before->end(), after->begin()));
    const auto& own = std::get<sf::Item>(after->back());
    FUZZ_CHECK(text_of(own.value) == printable(status.cache));
    FUZZ_CHECK((parameter(own, "hit") != nullptr) == status.hit);
    FUZZ_CHECK((parameter(own, "fwd") != nullptr) == (!status.hit && !status.forward.empty()));
    FUZZ_CHECK((parameter(own, "ttl") != nullptr) == status.ttl.has_value());
    const sf::BareItem* key = parameter(own, "key");
    const sf::BareItem* detail = parameter(own, "detail");
    if (room >= bound) {
        FUZZ_CHECK((key != nullptr) == !status.key.empty() && (detail != nullptr) == !status.detail.empty());
    }
    if (key != nullptr) FUZZ_CHECK(text_of(*key) == printable(status.key));
    if (detail != nullptr) FUZZ_CHECK(text_of(*detail) == printable(status.detail));
    return 0;
}
