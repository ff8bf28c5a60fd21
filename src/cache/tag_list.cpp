#include "cache/tag_list.hpp"

#include <limits>
#include <utility>
#include <variant>

#include "http/structured_fields.hpp"

namespace edge::cache {

std::vector<std::string> parse_groups(std::string_view value)
{
    auto list = http::sf::parse_list(value);
    if (!list) return {};
    std::vector<std::string> names;
    for (http::sf::Member& member : *list) {
        auto* item = std::get_if<http::sf::Item>(&member);
        auto* name = item != nullptr ? std::get_if<http::sf::String>(&item->value) : nullptr;
        if (name == nullptr) return {};
        names.push_back(std::move(name->text));
    }
    return names;
}

bool TagCount::add(std::vector<std::uint64_t>& list, std::uint64_t hash)
{
    if (std::find(seen_.begin(), seen_.end(), hash) != seen_.end()) return true;
    if (seen_.size() == kMaxTags) return false;
    seen_.push_back(hash);
    list.push_back(hash);
    return true;
}

Lifetime expired_since(Lifetime lifetime, Seconds since) noexcept
{
    const std::uint32_t age = current_age(lifetime, since);
    if (lifetime.freshness <= age) return lifetime;
    lifetime.freshness = age;
    // One that was never fresh may not answer for an origin that is gone; this one was.
    if (age == 0) {
        lifetime.freshness = 1;
        lifetime.corrected_initial_age = 1;
    }
    return lifetime;
}

}
