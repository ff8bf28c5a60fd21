#include "cache/zone_pins.hpp"

#include <sys/mman.h>

#include <new>

namespace edge::cache::zone {

namespace {

std::uint64_t other_key(std::uint32_t id, std::uint32_t version) noexcept
{
    return std::uint64_t{id} << 32 | version;
}

}

LocalPins::~LocalPins()
{
    if (counts_ != nullptr) munmap(counts_, bytes_);
}

bool LocalPins::open(std::uint32_t entries) noexcept
{
    if (counts_ != nullptr) return true;
    bytes_ = std::uint64_t{entries} * sizeof(Count);
    void* memory =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    counts_ = static_cast<Count*>(memory);
    return true;
}

bool LocalPins::set_aside(std::uint32_t id) noexcept
{
    Count& count = counts_[id];
    try {
        others_[other_key(id, count.version)] += count.held;
    } catch (const std::bad_alloc&) {
        return false;
    }
    count.held = 0;
    return true;
}

void LocalPins::add_again(std::uint32_t id, std::uint32_t version) noexcept
{
    Count& count = counts_[id];
    ++total_;
    if (count.held != 0 && count.version == version) {
        ++count.held;
    } else {
        ++others_.find(other_key(id, version))->second;
    }
}

LocalPins::Left LocalPins::drop_other(std::uint32_t id, std::uint32_t version) noexcept
{
    const auto found = others_.find(other_key(id, version));
    const bool left = --found->second != 0;
    if (!left) others_.erase(found);
    return {left, counts_[id].held != 0 || has_others(id)};
}

bool LocalPins::has_others(std::uint32_t id) const noexcept
{
    const auto found = others_.lower_bound(other_key(id, 0));
    return found != others_.end() && found->first >> 32 == id;
}

}
