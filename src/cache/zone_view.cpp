#include "cache/zone_view.hpp"

#include <algorithm>

namespace edge::cache {

using zone::Entry;
using zone::Ledger;
using zone::LockedShard;
using zone::RetiredBlock;
using zone::RetiredMeta;
using zone::Run;
using zone::State;
using zone::Status;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kOrdered = std::memory_order_seq_cst;

}

bool Zone::View::pin(std::uint32_t id) noexcept
{
    Entry& entry = area.entry(id);
    if (!pins.add(id, entry.version.load(kRelaxed))) return false;
    zone::Word64& word = slot_word(entry.pins);
    if ((word.load(kRelaxed) & slot_bit()) == 0) word.fetch_or(slot_bit(), kOrdered);
    return true;
}

void Zone::View::unpin(std::uint32_t id, std::uint32_t version) noexcept
{
    const zone::LocalPins::Left left = pins.drop(id, version);
    if (left.version) return;
    Entry& entry = area.entry(id);
    if (entry.version.load(kOrdered) == version) {
        slot_word(entry.pins).fetch_and(~slot_bit(), kOrdered);
        // Whoever discards the object or exchanges its meta does so first and reads the bits then: if neither
        // shows here, it will not see the bit.
        const bool dead = Status::of(entry.state.load(kOrdered)).state == State::dead;
        if (!dead && entry.version.load(kOrdered) == version) return;
    }
    unpin_locked(id, version, left.entry);
}

void Zone::View::unpin_locked(std::uint32_t id, std::uint32_t version, bool others) noexcept
{
    LockedShard shard = lock_shard_of(id);
    Entry& entry = area.entry(id);
    const bool current = entry.version.load(kRelaxed) == version;
    if (!others || current) slot_word(entry.pins).fetch_and(~slot_bit(), kOrdered);
    if (const std::uint32_t unit = entry.retired.load(kRelaxed); unit != 0) {
        for (RetiredMeta& old : area.at_unit<RetiredBlock>(unit).metas) {
            if (old.used.load(kRelaxed) == 0 || (others && old.version != version)) continue;
            slot_word(old.pins).fetch_and(~slot_bit(), kOrdered);
        }
        Ledger::Lock lock{ledger};
        ledger.sweep_retired(entry);
    }
    shard.bury(id);
}

void Zone::View::sweep(std::uint32_t of) noexcept
{
    const std::uint64_t bit = std::uint64_t{1} << of % 64;
    const auto clear = [&](zone::Word64* words) {
        zone::Word64& word = words[of / 64];
        if ((word.load(kRelaxed) & bit) == 0) return false;
        word.fetch_and(~bit, kOrdered);
        return true;
    };
    constexpr std::uint32_t kPerHold = 1024;
    const std::uint32_t per_shard = area.geometry().entries_per_shard;
    for (std::uint32_t from = 0; from < area.entries();) {
        LockedShard shard = lock_shard_of(from);
        const std::uint32_t first = from / per_shard * per_shard;
        const std::uint32_t used = first + shard.state().high_water.load(kRelaxed);
        std::uint32_t id = from;
        from = std::min(from + kPerHold, first + per_shard);
        if (from >= used) from = first + per_shard;
        for (; id < std::min(from, used); ++id) {
            Entry& entry = area.entry(id);
            const Status status = zone::status_of(entry);
            if (status.state == State::free) continue;
            clear(entry.pins);
            if (const std::uint32_t unit = entry.retired.load(kRelaxed); unit != 0) {
                bool cleared = false;
                for (RetiredMeta& old : area.at_unit<RetiredBlock>(unit).metas) {
                    if (old.used.load(kRelaxed) != 0) cleared = clear(old.pins) || cleared;
                }
                if (cleared) {
                    Ledger::Lock lock{ledger};
                    ledger.sweep_retired(entry);
                }
            }
            if (status.state == State::filling && status.owner == of) {
                shard.discard(id);
            } else {
                shard.bury(id);
            }
        }
    }
}

Run Zone::View::reserve(Entry& entry, std::uint32_t want, std::uint32_t at_least) noexcept
{
    // Crumbs make many pieces: better to evict a little more than to use them.
    constexpr std::uint32_t kFair = 16;
    std::uint32_t bearable = std::max(at_least, std::min(want, kFair));
    int patience = 4;
    Run run{};
    with_room(want, [&] {
        if (--patience == 0) bearable = at_least;
        Ledger::Lock lock{ledger};
        run = ledger.extend(entry, want, bearable);
        return run.count != 0;
    });
    if (run.count == 0 && bearable != at_least) {
        Ledger::Lock lock{ledger};
        run = ledger.extend(entry, want, at_least);
    }
    return run;
}

}
