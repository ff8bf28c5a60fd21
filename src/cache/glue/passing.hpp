#pragma once

#include <cstddef>
#include <span>

#include "cache/redis_value.hpp"
#include "nginx/ngx.hpp"
#include "redis/reply.hpp"

namespace edge::cache {

/// What was found in Redis and is sent on as it came, before it has a place in the zone, or without one: when
/// the zone is full, and nobody has asked for it lately. In the pool of the one request that it answers.
class Passing {
public:
    /// Whether there may be one more: clients that read slowly must not make a worker's memory grow without
    /// end.
    static bool has_room(std::size_t bytes) noexcept;

    /// Takes the memory that `reply` lies in if it has its own, keeps it if it is large, else copies into
    /// `pool`. `value` was read from it. `stays`: there will be a place for it. Throws std::bad_alloc.
    Passing(ngx_pool_t* pool, const redis::Reply& reply, const Value& value, bool stays);
    ~Passing();
    Passing(const Passing&) = delete;
    Passing& operator=(const Passing&) = delete;

    std::span<const std::byte> meta() const noexcept { return meta_; }
    std::span<const std::byte> body() const noexcept { return body_; }
    /// Whether it is to be stored in the zone when it has been sent.
    bool stays() const noexcept { return stays_; }

private:
    std::span<const std::byte> meta_;
    std::span<const std::byte> body_;
    redis::Memory memory_;
    redis::SharedMemory shared_;
    bool stays_;
};

}
