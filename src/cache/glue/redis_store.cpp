#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cache/glue/redis_flight.hpp"
#include "cache/glue/redis_level.hpp"
#include "cache/glue/use_counting.hpp"
#include "cache/redis_value.hpp"
#include "nginx/barrier.hpp"
#include "nginx/str.hpp"
#include "redis/glue/client.hpp"

namespace edge::cache {

namespace {

constexpr std::size_t kMostHeld = 64 * 1024 * 1024;  ///< bytes of bodies on their way to Redis, of a worker
constexpr std::int64_t kRecordOutlives = 86400;  ///< seconds that a vary record is kept longer than a variant

std::size_t held = 0;

/// Keeps a body in the zone while it is on its way.
struct Held {
    Pin pin;
    std::size_t bytes;
    Held(Pin object, std::size_t size) noexcept : pin{std::move(object)}, bytes{size} { held += bytes; }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { held -= bytes; }
};

std::uint64_t random_number()
{
    static std::mt19937_64 numbers{(std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()};
    return numbers();
}

/// Milliseconds that it is of use to anybody: fresh, or stale in a way that is allowed. 0: not at all.
std::int64_t useful_for(const Lifetime& lifetime) noexcept
{
    const std::int64_t window = std::max(lifetime.stale_while_revalidate, lifetime.stale_if_error);
    const std::int64_t seconds = time_to_live(lifetime, ngx_time()) + window;
    return std::max<std::int64_t>(seconds, 0) * 1000;
}

std::vector<std::span<const std::byte>> pieces_of(const Pin& object)
{
    std::vector<std::span<const std::byte>> pieces;
    object.for_each_piece([&](std::span<const std::byte> piece) { pieces.push_back(piece); });
    return pieces;
}

/// The next `size` bytes of the body.
std::vector<std::span<const std::byte>> take_front(std::span<std::span<const std::byte>>& pieces,
                                                   std::size_t size)
{
    std::vector<std::span<const std::byte>> taken;
    while (size != 0 && !pieces.empty()) {
        const std::size_t n = std::min(size, pieces.front().size());
        taken.push_back(pieces.front().first(n));
        pieces.front() = pieces.front().subspan(n);
        if (pieces.front().empty()) pieces = pieces.subspan(1);
        size -= n;
    }
    return taken;
}

/// What goes to Redis for one object.
class Writer {
public:
    /// `delivery`: nullptr, or what is told of each value.
    Writer(Request& q, redis::Client& client, std::int64_t ms, Delivery* delivery)
        : q_{q}, client_{client}, ms_{ms}, delivery_{delivery}
    {}

    bool object(std::span<const std::byte> meta)
    {
        const RedisRule& rule = *q_.conf->redis;
        const std::string key =
            value_key(client_.settings().prefix, ngx::view(q_.key), ngx::view(q_.selected_key));
        const std::uint64_t size = q_.object.body_size();
        auto pieces = pieces_of(q_.object);
        const auto keep = std::make_shared<Held>(q_.object.again(), size);
        if (!keep->pin) return false;
        if (size <= rule.part) {
            const std::string head = encode_value(meta, pieces, size, 0, 0, q_.value_position);
            return set(key, head, std::move(pieces), keep, ms_);
        }
        const std::uint64_t generation = random_number();
        const Parts parts = parts_of(size, rule.part);
        std::span<std::span<const std::byte>> rest{pieces};
        for (std::uint32_t i = 0; i < parts.count; ++i) {
            auto part = take_front(rest, rule.part);
            const std::string head = encode_part(part, generation, i);
            if (!set(part_key(key, generation, i), head, std::move(part), keep, ms_)) return false;
        }
        return set(key, encode_value(meta, {}, size, rule.part, generation, q_.value_position), {}, nullptr,
                   ms_);
    }
    /// What selects among the variants, if this is one.
    bool record()
    {
        if (ngx::view(q_.selected_key) == ngx::view(q_.key)) return true;
        const Pin record = q_.zone->find(q_.primary);
        const auto stored = record ? Stored::from_zone(record.meta()) : std::nullopt;
        if (!stored || stored->head().kind != StoredKind::vary || stored->key() != ngx::view(q_.key))
            return false;
        const std::string key = value_key(client_.settings().prefix, ngx::view(q_.key), ngx::view(q_.key));
        return set(key, encode_value(record.meta(), {}, 0, 0, 0, q_.value_position), {}, nullptr,
                   ms_ + kRecordOutlives * 1000);
    }

private:
    bool set(const std::string& key, std::string_view head, std::vector<std::span<const std::byte>> body,
             std::shared_ptr<const Held> keep, std::int64_t ms)
    {
        // The head is ours and has to live as long as the body's bytes.
        struct Whole {
            std::string head;
            std::shared_ptr<const Held> body;
        };
        const auto whole = std::make_shared<Whole>(Whole{std::string{head}, std::move(keep)});
        body.insert(body.begin(),
                    {reinterpret_cast<const std::byte*>(whole->head.data()), whole->head.size()});
        redis::Borrowed value{std::move(body), whole};
        const std::size_t bytes = value.size();
        const auto command =
            redis::Command::carrying({"SET", key}, std::move(value), {"PX", std::to_string(ms)});
        redis::Call* call = delivery_ != nullptr ? delivery_->expect() : nullptr;
        const bool sent = client_.send(call, key, redis::Access::write, command);
        if (!sent && delivery_ != nullptr) delivery_->unsent();
        if (sent) observer.counted(Count::redis_bytes_written, bytes);
        return sent;
    }

    Request& q_;
    redis::Client& client_;
    std::int64_t ms_;
    Delivery* delivery_;
};

bool is_asked_for_enough(const Request& q)
{
    const RedisRule& rule = *q.conf->redis;
    if (rule.min_uses <= 1) return true;
    // Counted apart from edge_cache_min_uses.
    const KeyHash key{q.selected.high ^ 0x5245'4449'53ULL, q.selected.low};
    return count_use(*q.conf->zone, key) >= rule.min_uses;
}

}

std::uint64_t shared_number()
{
    return random_number() | 1;
}

bool store_in_redis(Request& q, std::span<const std::byte> meta)
{
    if (q.conf->redis == nullptr || !q.object || q.value_position.epoch == 0) return false;
    const RedisRule& rule = *q.conf->redis;
    const auto stored = Stored::from_zone(meta);
    if (!stored || q.object.body_size() > rule.max) return false;
    const std::int64_t ms = useful_for(stored->head().lifetime);
    if (ms == 0 || !is_asked_for_enough(q)) return false;
    redis::Client* client = redis::client_of(rule.settings);
    if (client == nullptr) return false;
    if (held + q.object.body_size() > kMostHeld) {
        observer.counted(Count::redis_dropped, 1);
        return false;
    }
    Delivery* delivery = q.across != nullptr ? q.across->deliver() : nullptr;
    Writer writer{q, *client, ms, delivery};
    const bool sent = ngx::guarded<bool>(q.r.connection->log, false,
                                         [&] { return writer.object(meta) && writer.record(); });
    if (delivery != nullptr) delivery->complete(sent);
    observer.counted(sent ? Count::redis_stored : Count::redis_dropped, 1);
    return sent;
}

void forget_in_redis(Request& q)
{
    if (q.conf->redis == nullptr || q.selected_key.data == nullptr) return;
    redis::Client* client = redis::client_of(q.conf->redis->settings);
    if (client == nullptr) return;
    const std::string key = value_key(client->settings().prefix, ngx::view(q.key), ngx::view(q.selected_key));
    static_cast<void>(client->send(nullptr, key, redis::Access::write, redis::Command{"UNLINK", key}));
}

}
