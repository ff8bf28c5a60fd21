#include "cache/glue/encode.hpp"
#include "cache/glue/purge.hpp"
#include "cache/tag_list.hpp"

namespace edge::cache {

bool is_purged(Request& q, const Pin& object, const Stored& stored)
{
    const Judgement verdict = q.conf->zone->purges.judge(stored.purgeable());
    q.stale_since = verdict.life == Life::stale ? verdict.since : -1;
    if (verdict.life != Life::dead) return false;
    q.zone->remove(object);
    drop_variants(*q.zone, q.selected, stored.head().number);
    observer.counted(Count::purged_found, 1);
    return true;
}

bool is_out_of_touch(const Request& q, const Stored& stored) noexcept
{
    if (q.conf->redis == nullptr || !stored.has_tags()) return false;
    const ZoneBinding& zone = *q.conf->zone;
    if (zone.log.in_touch(touch_clock()) && !zone.following.is_barred()) return false;
    PurgeLog{zone.log}.count(PurgeLog::Count::refused);
    return true;
}

Lifetime lifetime_now(const Request& q, const Stored& stored) noexcept
{
    const Lifetime& lifetime = stored.head().lifetime;
    return q.stale_since < 0 ? lifetime : expired_since(lifetime, q.stale_since);
}

namespace {

bool was_overtaken(const Request& q, const Pin& object)
{
    const auto stored = object ? Stored::parse(object.meta()) : std::nullopt;
    return stored && q.conf->zone->purges.dead_on_arrival(stored->purgeable());
}

}

ValuePosition position_now(const Request& q) noexcept
{
    return q.conf->zone->log.position();
}

Judgement judge_value(const Request& q, const ValuePosition& at, Purgeable object) noexcept
{
    const ZoneBinding& zone = *q.conf->zone;
    const bool tagged = object.tags.size() > kImplicitTags;
    if (tagged && !zone.log.in_touch(touch_clock())) return {Life::dead, 0};
    return zone.log.judge(zone.following, at, object);
}

namespace {

/// Makes what was filled findable in place of `q.object`, unless a purge or a write overtook it. `object` is
/// what was filled in any case.
bool publish(Request& q, Fill& fill, Pin& object)
{
    // Before it can be found: it must not take the place of a newer one.
    if (was_overtaken(q, fill.hold())) {
        object = fill.withdraw();
        observer.counted(Count::dead_on_arrival, 1);
        return false;
    }
    const auto before = q.object ? Stored::from_zone(q.object.meta()) : std::nullopt;
    if (before) drop_variants(*q.zone, q.selected, before->head().number);
    object = fill.finish();
    // And after: a write that came in between has not found it.
    if (!was_overtaken(q, object)) return static_cast<bool>(object);
    q.zone->remove(object);
    observer.counted(Count::dead_on_arrival, 1);
    return false;
}

}

bool arrive_promoted(Request& q, Fill fill)
{
    Pin object;
    return publish(q, fill, object);
}

bool arrive(Request& q)
{
    return publish(q, q.fill, q.object);
}

}
