#include "image/refusals.hpp"

#include <cstring>

namespace edge::image {

std::size_t Refusals::Hash::operator()(const Key& key) const noexcept
{
    std::size_t value = 0;
    std::memcpy(&value, key.data(), sizeof value);  // keys are hashes already
    return value;
}

void Refusals::remember(const Key& key, Reason reason, std::uint64_t now)
{
    const auto known = entries_.find(key);
    if (known != entries_.end()) {
        const bool again = now < known->second.until;
        known->second = {reason, now + kFor, again || reason == Reason::timeout};
        return;
    }
    if (order_.size() == kMost) {
        entries_.erase(order_.front());
        order_.pop_front();
    }
    order_.push_back(key);
    entries_.emplace(key, Entry{reason, now + kFor, reason == Reason::timeout});
}

std::optional<Reason> Refusals::find(const Key& key, std::uint64_t now) const noexcept
{
    const auto known = entries_.find(key);
    if (known == entries_.end() || !known->second.believed || now >= known->second.until) return std::nullopt;
    return known->second.reason;
}

}
