#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <vector>

#include "cache/zone_view.hpp"

/// The walker behind Zone::check(): what can be derived from the entries is derived again and compared.
namespace edge::cache {

using zone::Account;
using zone::Area;
using zone::Entry;
using zone::Ledger;
using zone::LockedShard;
using zone::Page;
using zone::Queue;
using zone::Run;
using zone::Shard;
using zone::State;
using zone::Status;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr const char* kFine = "";

struct Sums {
    std::array<std::uint64_t, zone::kAccounts> units{}, entries{};
};

/// One locked shard against its entries.
class ShardCheck {
public:
    ShardCheck(Area area, std::uint32_t index) noexcept
        : area_{area},
          index_{index},
          first_{index * area.geometry().entries_per_shard},
          end_{first_ + area.shard(index).high_water.load(kRelaxed)}
    {}

    const char* run()
    {
        if (area_.shard(index_).replacing != 0) return "a shard's exchange of a meta was left behind";
        for (const auto step :
             {&ShardCheck::free_list, &ShardCheck::index, &ShardCheck::queues, &ShardCheck::states}) {
            if (const char* wrong = (this->*step)(); *wrong != '\0') return wrong;
        }
        return kFine;
    }

private:
    bool ours(std::uint32_t link) const noexcept { return link > first_ && link <= end_; }

    /// Counts one more sighting of what `link` points to. false: not of this shard, or seen too often.
    bool seen(std::vector<unsigned char>& marks, std::uint32_t link) const
    {
        return ours(link) && marks[link - 1 - first_]++ == 0;
    }

    const char* free_list()
    {
        for (std::uint32_t link = area_.shard(index_).free_entries; link != 0;
             link = area_.entry(link - 1).chain) {
            if (!seen(free_, link)) return "a free list is broken";
        }
        return kFine;
    }

    const char* index()
    {
        const std::uint32_t buckets = area_.geometry().buckets_per_shard;
        for (std::uint32_t b = 0; b < buckets; ++b) {
            for (std::uint32_t link = area_.buckets(index_)[b]; link != 0;
                 link = area_.entry(link - 1).chain) {
                if (!seen(indexed_, link)) return "an index chain is broken";
                const Entry& entry = area_.entry(link - 1);
                const KeyHash key{entry.hash_high, entry.hash_low};
                if ((key.low & (buckets - 1)) != b || zone::shard_for(key) != index_)
                    return "an entry is in a wrong bucket";
                for (std::uint32_t other = entry.chain; ours(other); other = area_.entry(other - 1).chain) {
                    const Entry& twin = area_.entry(other - 1);
                    if (KeyHash{twin.hash_high, twin.hash_low} == key) return "a key is in the index twice";
                }
            }
        }
        return kFine;
    }

    const char* queues()
    {
        for (unsigned q = 0; q < zone::kQueues; ++q) {
            const zone::QueueEnds& ends = area_.shard(index_).queues[q];
            const std::uint64_t published = area_.header().oldest[q][index_].load(kRelaxed);
            if (ends.oldest == 0 ? published != zone::kNever
                                 : published != area_.entry(ends.oldest - 1).sequence.load(kRelaxed)) {
                return "a queue's published age is wrong";
            }
            std::uint32_t older = 0;
            std::uint64_t sequence = 0;
            for (std::uint32_t link = ends.oldest; link != 0; link = area_.entry(link - 1).newer) {
                if (!seen(queued_, link)) return "a queue is broken";
                const Entry& entry = area_.entry(link - 1);
                if (entry.older != older) return "a queue's links disagree";
                if (static_cast<unsigned>(zone::status_of(entry).queue) != q)
                    return "an entry is in the other queue";
                if (older != 0 && entry.sequence.load(kRelaxed) <= sequence) return "a queue is out of order";
                sequence = entry.sequence.load(kRelaxed);
                older = link;
            }
            if (ends.newest != older) return "a queue's newest is not its last";
        }
        return kFine;
    }

    const char* states()
    {
        for (std::uint32_t id = first_; id < end_; ++id) {
            const Entry& entry = area_.entry(id);
            const State state = zone::status_of(entry).state;
            const std::uint32_t i = id - first_;
            if ((free_[i] != 0) != (state == State::free))
                return "the free list and an entry's state disagree";
            if ((indexed_[i] != 0) != (state == State::live))
                return "the index and an entry's state disagree";
            if ((queued_[i] != 0) != (state == State::live))
                return "the queues and an entry's state disagree";
            if (state == State::dead && !any_pins(area_, entry))
                return "a dead entry without pins was not freed";
            if (state == State::vacated || state > State::vacated) return "an entry's state is impossible";
            if (state == State::live && entry.meta.load(kRelaxed) == 0) return "a live entry has no meta";
        }
        return kFine;
    }

    Area area_;
    std::uint32_t index_, first_, end_;
    std::vector<unsigned char> free_ = marks(), indexed_ = marks(), queued_ = marks();

    std::vector<unsigned char> marks() const { return std::vector<unsigned char>(end_ - first_); }
};

/// The ledger, locked, with all shards locked, against all entries.
class LedgerCheck {
public:
    explicit LedgerCheck(Area area)
        : area_{area}, owned_(std::size_t{area.geometry().end_page} * zone::kPageWords)
    {}

    const char* run(const Ledger& ledger)
    {
        for (const auto step : {&LedgerCheck::entries, &LedgerCheck::bitmap, &LedgerCheck::lists}) {
            if (const char* wrong = (this->*step)(); *wrong != '\0') return wrong;
        }
        for (unsigned a = 1; a < zone::kAccounts; ++a) {
            if (ledger.units(Account{a}) != sums_.units[a])
                return "an account's units are not the sum of its entries'";
            if (ledger.entries(Account{a}) != sums_.entries[a]) return "an account's entries are miscounted";
        }
        if (ledger.free_units() != free_) return "the free units are miscounted";
        if (area_.header().ledger.free_pages.load(kRelaxed) != free_pages_)
            return "the free pages are miscounted";
        return kFine;
    }

private:
    bool own(Run run)
    {
        const zone::Geometry& g = area_.geometry();
        if (run.count == 0 || run.unit < std::uint64_t{g.first_page} * zone::kPageUnits) return false;
        if (std::uint64_t{run.unit} + run.count > std::uint64_t{g.end_page} * zone::kPageUnits) return false;
        for (std::uint32_t unit = run.unit; unit < run.unit + run.count; ++unit) {
            const std::uint64_t bit = std::uint64_t{1} << unit % 64;
            if ((owned_[unit / 64] & bit) != 0) return false;
            owned_[unit / 64] |= bit;
        }
        return true;
    }

    const char* entries()
    {
        for (std::uint32_t s = 0; s < zone::kShards; ++s) {
            const std::uint32_t first = s * area_.geometry().entries_per_shard;
            const std::uint32_t end = first + area_.shard(s).high_water.load(kRelaxed);
            for (std::uint32_t id = first; id < end; ++id) {
                const Entry& entry = area_.entry(id);
                const auto account = static_cast<unsigned>(account_of(zone::status_of(entry)));
                if (account == 0) continue;
                std::uint64_t units = 0, bytes = 0;
                bool fresh = true;
                each_owned(area_, entry, [&](Run run) {
                    units += run.count;
                    fresh = own(run) && fresh;
                });
                each_extent(area_, entry,
                            [&](Run run) { bytes += std::uint64_t{run.count} * zone::kUnitBytes; });
                if (!fresh) return "a unit is outside of the pages or owned twice";
                if (units != entry.units) return "an entry's units are miscounted";
                if (entry.body_offset + entry.body_size.load(kRelaxed) > bytes) {
                    return "a body is larger than its extents";
                }
                sums_.units[account] += units;
                ++sums_.entries[account];
            }
        }
        return kFine;
    }

    const char* bitmap()
    {
        const zone::Geometry& g = area_.geometry();
        for (std::uint32_t page = g.first_page; page < g.end_page; ++page) {
            int used = 0;
            for (std::uint32_t i = 0; i < zone::kPageWords; ++i) {
                const std::uint64_t word = area_.unit_words(page)[i];
                if (word != owned_[std::size_t{page} * zone::kPageWords + i]) {
                    return "the bitmap and the entries disagree on a unit";
                }
                used += std::popcount(word);
            }
            if (area_.page(page).used != used) return "a page's units are miscounted";
            free_ += zone::kPageUnits - static_cast<std::uint32_t>(used);
            const bool busy = (area_.busy_pages()[page / 64] >> page % 64 & 1) != 0;
            if (busy != (used != 0)) return "a page's busy bit is wrong";
            if (!busy) ++free_pages_;
            const bool partly = used != 0 && used != static_cast<int>(zone::kPageUnits);
            if ((area_.page(page).listed != 0) != partly)
                return "a page is listed though it should not, or not";
            if (partly) ++partly_;
            if (!busy && page < area_.header().ledger.page_hint) return "a free page lies below the hint";
        }
        return kFine;
    }

    const char* lists()
    {
        std::uint64_t listed = 0;
        for (std::uint32_t c = 0; c < zone::kRunClasses; ++c) {
            std::uint32_t previous = 0;
            for (std::uint32_t page = area_.header().ledger.lists[c]; page != 0;
                 page = area_.page(page).next) {
                const Page& p = area_.page(page);
                if (p.listed != c + 1 || p.previous != previous || ++listed > partly_)
                    return "a page list is broken";
                const unsigned longest = longest_run(page);
                if (longest >> c != 1) {
                    return "a page is in the list of another run length";
                }
                previous = page;
            }
        }
        return listed == partly_ ? kFine : "a page is missing from its list";
    }

    unsigned longest_run(std::uint32_t page) const
    {
        unsigned longest = 0, run = 0;
        for (std::uint32_t unit = 0; unit < zone::kPageUnits; ++unit) {
            const bool used = (area_.unit_words(page)[unit / 64] >> unit % 64 & 1) != 0;
            run = used ? 0 : run + 1;
            longest = std::max(longest, run);
        }
        return longest;
    }

    Area area_;
    std::vector<std::uint64_t> owned_;
    Sums sums_;
    std::uint64_t free_ = 0, free_pages_ = 0, partly_ = 0;
};

}

const char* Zone::check() noexcept
{
    if (!view_) return "no memory for the view";
    try {
        // The only place that holds more than one shard; in order of their numbers, so that two cannot block.
        std::vector<std::unique_ptr<LockedShard>> all;
        for (std::uint32_t s = 0; s < zone::kShards; ++s) {
            all.push_back(std::make_unique<LockedShard>(view_->area, view_->ledger, s));
        }
        Ledger::Lock lock{view_->ledger};
        for (std::uint32_t s = 0; s < zone::kShards; ++s) {
            if (const char* wrong = ShardCheck{view_->area, s}.run(); *wrong != '\0') return wrong;
        }
        return LedgerCheck{view_->area}.run(view_->ledger);
    } catch (const std::bad_alloc&) {
        return "no memory to check with";
    }
}

}
