#include "cache/glue/passing.hpp"

#include <cstring>
#include <new>
#include <utility>

namespace edge::cache {

namespace {

constexpr std::size_t kMostHeld = 64 * 1024 * 1024;  ///< bytes of bodies on their way, of a worker
constexpr std::size_t kAlignment = alignof(StoredHead);

constexpr std::size_t kLarge = 4096;  ///< what a pool would take from elsewhere too

std::size_t held = 0;

std::span<const std::byte> copied(std::span<const std::byte> bytes, std::byte* to) noexcept
{
    std::memcpy(to, bytes.data(), bytes.size());
    return {to, bytes.size()};
}

}

bool Passing::has_room(std::size_t bytes) noexcept
{
    return bytes <= kMostHeld - held;
}

Passing::Passing(ngx_pool_t* pool, const redis::Reply& reply, const Value& value, bool stays) : stays_{stays}
{
    const std::size_t meta_size = (value.meta.size() + kAlignment - 1) / kAlignment * kAlignment;
    std::size_t more = 0;
    if (reply.memory != nullptr) {
        memory_ = std::move(*reply.memory);
        body_ = value.body;
    } else if (value.body.size() < kLarge) {
        more = value.body.size();
    } else if (reply.shared != nullptr && redis::Inbox::may_keep()) {
        shared_ = *reply.shared;
        body_ = value.body;
    } else {
        memory_ = redis::take_memory(value.body.size());
        if (!memory_) throw std::bad_alloc{};
        body_ = copied(value.body, reinterpret_cast<std::byte*>(memory_.get()));
    }
    auto* room = static_cast<std::byte*>(ngx_palloc(pool, meta_size + more));
    if (room == nullptr) throw std::bad_alloc{};
    meta_ = copied(value.meta, room);
    if (more != 0) body_ = copied(value.body, room + meta_size);
    held += body_.size();
}

Passing::~Passing()
{
    held -= body_.size();
}

}
