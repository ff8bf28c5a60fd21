#include "cache/glue/purge.hpp"
#include "cache/tag_list.hpp"

namespace edge::cache {

bool is_purged(Request& q, const Pin& object, const Stored& stored)
{
    const Judgement verdict = q.conf->zone->purges.judge(stored.purgeable());
    q.stale_since = verdict.life == Life::stale ? verdict.since : -1;
    if (verdict.life != Life::dead) return false;
    q.zone->remove(object);
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

bool arrive_promoted(Request& q, Fill fill)
{
    if (was_overtaken(q, fill.hold())) {
        observer.counted(Count::dead_on_arrival, 1);
        return false;
    }
    const Pin object = fill.finish();
    if (!was_overtaken(q, object)) return static_cast<bool>(object);
    q.zone->remove(object);
    observer.counted(Count::dead_on_arrival, 1);
    return false;
}

bool arrive(Request& q)
{
    // Before it can be found: it must not take the place of a newer one.
    if (was_overtaken(q, q.fill.hold())) {
        q.object = q.fill.withdraw();
        observer.counted(Count::dead_on_arrival, 1);
        return false;
    }
    q.object = q.fill.finish();
    // And after: a write that came in between has not found it.
    if (!was_overtaken(q, q.object)) return static_cast<bool>(q.object);
    q.zone->remove(q.object);
    observer.counted(Count::dead_on_arrival, 1);
    return false;
}

}
