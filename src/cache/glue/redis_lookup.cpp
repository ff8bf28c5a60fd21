#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "cache/glue/collapse.hpp"
#include "cache/glue/encode.hpp"
#include "cache/glue/passing.hpp"
#include "cache/glue/purge.hpp"
#include "cache/glue/redis_flight.hpp"
#include "cache/glue/redis_level.hpp"
#include "cache/redis_value.hpp"
#include "cache/tag_list.hpp"
#include "nginx/barrier.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"
#include "nginx/suspended.hpp"
#include "redis/glue/client.hpp"

namespace edge::cache {

namespace {

/// false: the zone has no room for all of it.
bool copy(Fill& fill, std::span<const std::byte> bytes) noexcept
{
    while (!bytes.empty()) {
        const std::span<std::byte> room = fill.room(bytes.size());
        if (room.empty()) return false;
        std::memcpy(room.data(), bytes.data(), room.size());
        fill.advance(room.size());
        bytes = bytes.subspan(room.size());
    }
    return true;
}

}

/// One request's wait for Redis. Owned by the request's pool; its Call ends with the request.
///
/// A GET for the key at hand. An object in one piece that nobody else waits for is sent on as it is, and then
/// copied into the zone if that has room for it; others are copied first, part after part when they are cut,
/// and served from there. A vary record is copied too, and then the variant is asked for.
/// The request goes on at the end of the turn in which the last reply came, when all that came with it has
/// been read.
class RedisLookup {
public:
    RedisLookup(Request& q, redis::Client& client, redis::Access access) noexcept
        : q_{q}, client_{client}, access_{access}
    {
        hooks_.owner = this;
        hooks_.resume.data = q.r.connection;
        hooks_.resume.log = q.r.connection->log;
        hooks_.resume.handler = [](ngx_event_t* event) noexcept {
            const Hooks& hooks =
                *reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, resume));
            ngx::resume_phases_from_event(hooks.owner->q_.r);  // the owner may be gone now
        };
    }
    ~RedisLookup() { leave(); }
    RedisLookup(const RedisLookup&) = delete;
    RedisLookup& operator=(const RedisLookup&) = delete;

    /// false: nobody can be asked.
    bool start()
    {
        sequence_ = q_.conf->zone->purges.sequence();
        until_ = ngx_current_msec + client_.settings().timeout;
        return ask(value_key(client_.settings().prefix, ngx::view(q_.key), ngx::view(q_.selected_key)));
    }
    ngx_int_t wait()
    {
        if (!ngx::suspend(q_.r)) return NGX_HTTP_INTERNAL_SERVER_ERROR;
        q_.step = Request::Step::asking_redis;
        return NGX_AGAIN;
    }
    void leave() noexcept
    {
        call_.cancel();
        if (hooks_.resume.posted) {  // a macro of several statements
            ngx_delete_posted_event((&hooks_.resume));
        }
        fill_ = {};
    }
    bool found() const noexcept { return found_; }
    bool heard() const noexcept { return heard_; }

private:
    enum class Next : std::uint8_t { done, waits };
    /// What nginx holds on to.
    struct Hooks {
        ngx_event_t resume;
        RedisLookup* owner;
    };

    bool ask(std::string key)
    {
        // However many values it takes, the request waits for all of them together no longer than for one.
        const auto left = static_cast<ngx_msec_int_t>(until_ - ngx_current_msec);
        if (left <= 0) return false;
        asked_ = std::move(key);
        return client_.send(&call_, asked_, access_, redis::Command{"GET", asked_},
                            static_cast<ngx_msec_t>(left));
    }

    void answered(const redis::Answer& answer) noexcept
    {
        const Next next = ngx::guarded<Next>(q_.r.connection->log, Next::done, [&] { return take(answer); });
        if (next == Next::waits) return;
        fill_ = {};
        if (!hooks_.resume.posted) {
            ngx_event_t* event = &hooks_.resume;
            ngx_post_event(event, (&ngx_posted_events));
        }
    }

    Next give_up(Count why) noexcept
    {
        observer.counted(why, 1);
        return Next::done;
    }

    Next take(const redis::Answer& answer)
    {
        heard_ = answer.well() || answer.failure == redis::Failure::error_reply;
        if (!answer.well()) return give_up(Count::redis_failed);
        if (answer.reply.is_nil())
            return give_up(parts_.count != 0 ? Count::redis_unusable : Count::redis_miss);
        if (!answer.reply.is_string()) return give_up(Count::redis_unusable);
        observer.counted(Count::redis_bytes_read, answer.reply.text.size());
        if (parts_.count != 0) return take_part(answer.reply.text);
        static std::vector<std::byte> meta;  // used before this returns, and by no other thread
        auto value = parse_value(answer.reply.text, meta);
        if (!value) return give_up(Count::redis_unusable);
        const auto stored = Stored::from_zone(value->meta);
        if (!stored) return give_up(Count::redis_unusable);
        return stored->head().kind == StoredKind::vary ? take_record(*value, *stored)
                                                       : take_object(answer.reply, *value, *stored);
    }

    /// The request fields that select a variant; this request's is asked for next.
    Next take_record(Value& value, const Stored& stored)
    {
        if (ngx::view(q_.selected_key) != ngx::view(q_.key) || stored.key() != ngx::view(q_.key))
            return give_up(Count::redis_unusable);
        if (Fill record = q_.zone->begin(q_.primary, 0);
            !record || !record.set_meta(value.meta) || !record.finish())
            return give_up(Count::redis_unusable);
        std::vector<std::string> names;
        for (std::size_t i = 0; i < stored.size(); ++i) names.emplace_back(stored.field(i).name);
        q_.selected_key = variant_key(q_, names, stored.head().number);
        q_.selected = q_.zone->hash(ngx::view(q_.selected_key));
        const std::string key =
            value_key(client_.settings().prefix, ngx::view(q_.key), ngx::view(q_.selected_key));
        return ask(key) ? Next::waits : give_up(Count::redis_failed);
    }

    Next take_object(const redis::Reply& reply, Value& value, const Stored& stored)
    {
        if (stored.key() != ngx::view(q_.selected_key)) return give_up(Count::redis_unusable);
        const Judgement judgement = judge_value(q_, value.head.position, stored.purgeable());
        if (judgement.life == Life::dead) {
            observer.counted(Count::purged_found, 1);
            return give_up(Count::redis_miss);
        }
        Lifetime lifetime = stored.head().lifetime;
        if (judgement.life == Life::stale) lifetime = expired_since(lifetime, judgement.since);
        if (!q_.identity.prefix.empty()) limit_use(lifetime, q_.facts.longest_use);
        // What the zone has is at least as new: it is that which the origin is asked about.
        const auto here = q_.object ? Stored::from_zone(q_.object.meta()) : std::nullopt;
        if (here && here->head().lifetime.response_time >= lifetime.response_time)
            return give_up(Count::redis_miss);

        auto& head = *reinterpret_cast<StoredHead*>(value.meta.data());
        head.lifetime = lifetime;
        head.sequence = sequence_;
        head.number = body_number(*q_.conf, head.status, stored.fields());  // this zone's own
        if (may_pass(value, stored)) {
            const bool stays = q_.zone->admits(q_.selected, reply.text.size());
            q_.passing = &ngx::make<Passing>(q_.r.pool, q_.r.pool, reply, value, stays);
            found_ = true;
            return give_up(Count::redis_hit);
        }
        fill_ = q_.zone->begin(q_.selected, value.head.body_size);
        if (!fill_ || !fill_.set_meta(value.meta)) return give_up(Count::redis_unusable);
        if (value.head.part_size == 0)
            return copy(fill_, value.body) ? arrived() : give_up(Count::redis_unusable);
        parts_ = parts_of(value.head.body_size, value.head.part_size);
        if (parts_.count == 0) return arrived();
        generation_ = value.head.generation;
        part_size_ = value.head.part_size;
        base_ = std::move(asked_);
        return ask(part_key(base_, generation_, 0)) ? Next::waits : give_up(Count::redis_failed);
    }

    /// Whether the object can be sent on before it has a place in the zone: nobody but this request's client
    /// needs it, now and as it is.
    bool may_pass(const Value& value, const Stored& stored) const
    {
        const StoredHead& head = stored.head();
        if (value.head.part_size != 0 || head.number != 0 || q_.object || q_.across != nullptr) return false;
        if (q_.derived != nullptr || has_heirs(q_) || is_followed(q_)) return false;
        if (!Passing::has_room(value.body.size())) return false;
        return may_reuse(q_.facts.control, head.lifetime, ngx_time(), q_.conf->settings->policy).reuse ==
               Reuse::fresh;
    }

    Next take_part(std::string_view bytes)
    {
        const auto part = parse_part(bytes, generation_, part_);
        const bool last = part_ + 1 == parts_.count;
        if (!part || part->size() != (last ? parts_.last_size : part_size_) || !copy(fill_, *part))
            return give_up(Count::redis_unusable);
        if (last) return arrived();
        return ask(part_key(base_, generation_, ++part_)) ? Next::waits : give_up(Count::redis_failed);
    }

    Next arrived()
    {
        found_ = arrive_promoted(q_, std::move(fill_));
        return give_up(found_ ? Count::redis_hit : Count::redis_miss);
    }

    Request& q_;
    redis::Client& client_;
    const redis::Access access_;
    redis::Call call_{[](void* self, const redis::Answer& answer) noexcept {
                          static_cast<RedisLookup*>(self)->answered(answer);
                      },
                      this};
    Hooks hooks_{};
    std::string asked_;           ///< the key
    std::string base_;            ///< of a cut body's parts
    ngx_msec_t until_ = 0;        ///< when the request goes on without
    std::uint64_t sequence_ = 0;  ///< of purges here, when Redis was asked
    std::uint64_t generation_ = 0;
    Parts parts_{0, 0};
    std::uint32_t part_size_ = 0;
    std::uint32_t part_ = 0;
    Fill fill_;
    bool found_ = false;
    bool heard_ = true;  ///< Redis answers
};

namespace {

/// What a request that ends must not wait for any more: its pool may live on for a while.
void leave_at_end(Request& q, RedisLookup& lookup)
{
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&q.r, 0);
    if (cleanup == nullptr) throw std::bad_alloc{};
    cleanup->data = &lookup;
    cleanup->handler = [](void* data) noexcept { static_cast<RedisLookup*>(data)->leave(); };
}

ngx_int_t go_on(Request& q)
{
    if (q.facts.control.only_if_cached) return refuse_to_forward(q);
    return lead_across(q, q.redis == nullptr || q.redis->heard());
}

}

ngx_int_t ask_redis(Request& q)
{
    // A client that wants the origin's own answer gets it.
    if (q.conf->redis == nullptr || q.redis != nullptr || q.facts.control.no_cache ||
        q.facts.control.no_store)
        return go_on(q);
    redis::Client* client = redis::client_of(q.conf->redis->settings);
    if (client == nullptr) return go_on(q);
    q.redis = &ngx::make<RedisLookup>(q.r.pool, q, *client, redis::Access::read);
    if (!q.redis->start()) {
        observer.counted(Count::redis_failed, 1);
        return go_on(q);
    }
    leave_at_end(q, *q.redis);
    return q.redis->wait();
}

ngx_int_t ask_redis_again(Request& q)
{
    redis::Client* client = redis::client_of(q.conf->redis->settings);
    if (client == nullptr) return NGX_DECLINED;
    // Stored a moment ago, if at all: a replica may not have it yet.
    q.redis = &ngx::make<RedisLookup>(q.r.pool, q, *client, redis::Access::write);
    if (!q.redis->start()) return NGX_DECLINED;
    leave_at_end(q, *q.redis);
    return q.redis->wait();
}

void keep_passing(Request& q) noexcept
{
    ngx::guarded<bool>(q.r.connection->log, false, [&q] {
        Fill fill = q.zone->begin(q.selected, q.passing->body().size());
        return fill && fill.set_meta(q.passing->meta()) && copy(fill, q.passing->body()) &&
               arrive_promoted(q, std::move(fill));
    });
}

ngx_int_t after_redis(Request& q)
{
    q.step = Request::Step::passing;
    if (!q.redis->found()) return go_on(q);
    q.from_redis = true;
    if (q.passing == nullptr) {
        end_flight(q);  // who has waited finds it in the zone
        return look_up(q);
    }
    const ngx_int_t rc = serve_passing(q);
    if (rc != NGX_DECLINED) return rc;
    q.from_redis = false;
    return go_on(q);
}

}
