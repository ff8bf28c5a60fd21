#include "redis/memory.hpp"

#include <algorithm>
#include <array>
#include <new>

namespace edge::redis {

namespace {

constexpr std::size_t kLarge = 4 * 1024;  ///< also what larger capacities are multiples of
constexpr std::size_t kMostSpare = 8 * 1024 * 1024;
constexpr std::size_t kMostTried = 32;

struct Spare {
    char* memory;
    std::size_t capacity;
};

/// What was given back, the latest at the end.
class Spares {
public:
    char* take(std::size_t bytes, std::size_t& capacity) noexcept
    {
        // The latest may still be in the processor's cache.
        for (std::size_t tried = 0; tried < std::min(count_, kMostTried); ++tried) {
            const std::size_t at = count_ - 1 - tried;
            const Spare found = all_[at];
            if (found.capacity < bytes || found.capacity > 2 * capacity) continue;
            erase(at);
            capacity = found.capacity;
            return found.memory;
        }
        return nullptr;
    }
    void give(Spare spare) noexcept
    {
        while (count_ == all_.size() || spare.capacity > kMostSpare - bytes_) {
            delete[] all_[0].memory;
            erase(0);
        }
        all_[count_++] = spare;
        bytes_ += spare.capacity;
    }

private:
    void erase(std::size_t at) noexcept
    {
        bytes_ -= all_[at].capacity;
        std::copy(all_.begin() + at + 1, all_.begin() + count_, all_.begin() + at);
        --count_;
    }
    std::array<Spare, 512> all_{};
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
};

constinit Spares spares;

constexpr std::size_t kMostInboxes = 128;
std::size_t inboxes = 0;

}

void Recycle::operator()(char* memory) const noexcept
{
    if (capacity < kLarge || capacity > kMostSpare)
        delete[] memory;
    else
        spares.give({memory, capacity});
}

Memory take_memory(std::size_t bytes) noexcept
{
    std::size_t capacity = bytes;
    if (bytes >= kLarge) {
        capacity = (bytes + kLarge - 1) / kLarge * kLarge;
        if (char* found = spares.take(bytes, capacity)) return {found, Recycle{capacity}};
    }
    return {new (std::nothrow) char[capacity], Recycle{capacity}};
}

std::span<char> Inbox::room() noexcept
{
    if (memory_.use_count() == 1) return {at_, kSize};
    Memory fresh = take_memory(kSize);
    if (!fresh) return {};
    at_ = fresh.get();
    ++inboxes;
    try {
        memory_ = {fresh.get(), [recycle = fresh.get_deleter()](char* memory) noexcept {
                       --inboxes;
                       recycle(memory);
                   }};
    } catch (...) {  // the memory is given back already
        static_cast<void>(fresh.release());
        return {};
    }
    static_cast<void>(fresh.release());
    return {at_, kSize};
}

bool Inbox::may_keep() noexcept
{
    return inboxes < kMostInboxes;
}

}
