#include <algorithm>
#include <cstring>
#include <utility>

#include "cache/zone_view.hpp"

/// Pin and Fill: a process's holds on single objects.
namespace edge::cache {

using zone::Entry;
using zone::kUnitBytes;
using zone::Ledger;
using zone::LockedShard;
using zone::Queue;
using zone::Run;
using zone::State;
using zone::Status;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::uint64_t kMetaAlignment = 8;
constexpr std::uint64_t kFirstRoom = 4096;           // of a body whose size is unknown
constexpr std::uint64_t kLargestRoom = 1024 * 1024;  // taken ahead for it

}

Pin::Pin(Pin&& other) noexcept
    : zone_{std::exchange(other.zone_, nullptr)},
      entry_{other.entry_},
      version_{other.version_},
      meta_{std::exchange(other.meta_, {})}
{}

Pin& Pin::operator=(Pin&& other) noexcept
{
    Pin held{std::move(other)};
    std::swap(zone_, held.zone_);
    std::swap(entry_, held.entry_);
    std::swap(version_, held.version_);
    std::swap(meta_, held.meta_);
    return *this;
}

Pin::~Pin()
{
    if (zone_ != nullptr) zone_->view_->unpin(entry_, version_);
}

std::uint64_t Pin::body_size() const noexcept
{
    if (zone_ == nullptr) return 0;
    return zone_->view_->area.entry(entry_).body_size.load(std::memory_order_acquire);
}

unsigned Pin::uses() const noexcept
{
    return zone_ == nullptr ? 0 : zone::status_of(zone_->view_->area.entry(entry_)).frequency;
}

std::optional<Stamp> Pin::stamp() const noexcept
{
    if (zone_ == nullptr) return std::nullopt;
    const std::uint64_t sequence = zone_->view_->area.entry(entry_).sequence.load(kRelaxed);
    if (sequence == 0) return std::nullopt;
    return Stamp{zone_->view_->area.header().seed, sequence};
}

Pin Pin::again() const noexcept
{
    Pin pin;
    if (zone_ == nullptr) return pin;
    zone_->view_->pins.add_again(entry_, version_);
    pin.zone_ = zone_;
    pin.entry_ = entry_;
    pin.version_ = version_;
    pin.meta_ = meta_;
    return pin;
}

Progress Pin::progress() const noexcept
{
    if (zone_ == nullptr) return Progress::broken;
    const Status status = zone::status_of(zone_->view_->area.entry(entry_));
    if (status.state == State::filling) return Progress::filling;
    return status.state == State::live || status.whole ? Progress::complete : Progress::broken;
}

std::span<const std::byte> Pin::next_available(Reader& reader) const noexcept
{
    // Who sees this size sees the extents that hold as many bytes; what lies behind them may be changing.
    const std::uint64_t size = body_size();
    if (reader.position_ >= size) return {};
    const zone::Area area = zone_->view_->area;
    const Entry& entry = area.entry(entry_);
    for (;; ++reader.index_, reader.used_ = 0) {
        if (reader.index_ == (reader.block_ == 0 ? zone::kInlineExtents : zone::kBlockExtents)) {
            reader.block_ =
                reader.block_ == 0 ? entry.overflow : area.at_unit<zone::ExtentBlock>(reader.block_).next;
            reader.index_ = 0;
        }
        const zone::ListedRun* extents =
            reader.block_ == 0 ? entry.extents : area.at_unit<zone::ExtentBlock>(reader.block_).extents;
        const Run run = extents[reader.index_].load(kRelaxed);
        if (reader.block_ == 0 && reader.index_ == 0 && reader.used_ == 0) reader.used_ = entry.body_offset;
        const std::uint64_t bytes =
            std::min(std::uint64_t{run.count} * kUnitBytes - reader.used_, size - reader.position_);
        if (bytes == 0) continue;
        const std::byte* from = area.unit(run.unit) + reader.used_;
        reader.used_ += bytes;
        reader.position_ += bytes;
        return {from, static_cast<std::size_t>(bytes)};
    }
}

Fill::Fill(Fill&& other) noexcept
    : zone_{std::exchange(other.zone_, nullptr)},
      entry_{other.entry_},
      over_{other.over_},
      hint_{other.hint_},
      at_{other.at_},
      left_{other.left_}
{}

Fill& Fill::operator=(Fill&& other) noexcept
{
    Fill held{std::move(other)};
    std::swap(zone_, held.zone_);
    std::swap(entry_, held.entry_);
    std::swap(over_, held.over_);
    std::swap(hint_, held.hint_);
    std::swap(at_, held.at_);
    std::swap(left_, held.left_);
    return *this;
}

Fill::~Fill()
{
    if (zone_ == nullptr) return;
    Zone::View& view = *zone_->view_;
    --view.fills;
    LockedShard shard = view.lock_shard_of(entry_);
    shard.discard(entry_);
}

std::span<std::byte> Fill::fail() noexcept
{
    if (zone_ != nullptr && !over_) zone_->view_->area.header().counters.refused.fetch_add(1, kRelaxed);
    over_ = true;
    return {};
}

bool Fill::set_meta(std::span<const std::byte> meta) noexcept
{
    if (zone_ == nullptr || over_) return false;
    Zone::View& view = *zone_->view_;
    Entry& entry = view.area.entry(entry_);
    const std::uint64_t limit = view.area.header().max_object, body = body_size();
    if (entry.meta.load(kRelaxed) != 0 || meta.size() > limit ||
        meta.size() + std::max(body, hint_) > limit) {
        fail();
        return false;
    }
    const auto size = static_cast<std::uint32_t>(meta.size());
    const std::uint32_t units = std::max(1U, zone::units_for(size));
    if (entry.extent_count.load(kRelaxed) != 0) {
        const bool stored = view.with_room(units, [&] {
            Ledger::Lock lock{view.ledger};
            const Run run = view.ledger.store_meta(meta.data(), size);
            if (run.count != 0) view.ledger.set_meta(entry, run, size);
            return run.count != 0;
        });
        if (!stored) fail();
        return stored;
    }
    // Meta and body side by side: a small object lies in few cache lines, a large one is one piece.
    const std::uint64_t offset = (size + kMetaAlignment - 1) / kMetaAlignment * kMetaAlignment;
    const std::uint64_t room = hint_ != 0 ? hint_ : std::min(kFirstRoom, limit - size);
    const Run run = view.reserve(entry, std::max(1U, zone::units_for(offset + room)), units);
    if (run.count == 0) {
        fail();
        return false;
    }
    if (size != 0) std::memcpy(view.area.unit(run.unit), meta.data(), size);
    entry.body_offset = static_cast<std::uint32_t>(offset);
    entry.meta.store(zone::MetaPlace{run.unit, size}.word(), std::memory_order_release);
    at_ = view.area.unit(run.unit) + offset;
    left_ = std::uint64_t{run.count} * kUnitBytes - offset;
    return true;
}

std::span<std::byte> Fill::room(std::size_t want) noexcept
{
    if (zone_ == nullptr || over_ || want == 0) return {};
    Zone::View& view = *zone_->view_;
    Entry& entry = view.area.entry(entry_);
    const std::uint64_t body = body_size(), limit = view.area.header().max_object;
    const std::uint64_t used = body + zone::MetaPlace::of(entry.meta.load(kRelaxed)).bytes;
    if (used >= limit) return fail();
    if (left_ == 0) {
        const std::uint64_t ahead = std::clamp(std::max<std::uint64_t>(body, want), kFirstRoom, kLargestRoom);
        const std::uint64_t bytes = std::min(hint_ > body ? hint_ - body : ahead, limit - used);
        const Run run = view.reserve(entry, zone::units_for(bytes), 1);
        if (run.count == 0) return fail();
        at_ = view.area.unit(run.unit);
        left_ = std::uint64_t{run.count} * kUnitBytes;
    }
    return {at_, static_cast<std::size_t>(std::min({std::uint64_t{want}, left_, limit - used}))};
}

void Fill::advance(std::size_t n) noexcept
{
    if (zone_ == nullptr) return;
    at_ += n;
    left_ -= n;
    Entry& entry = zone_->view_->area.entry(entry_);
    // Released: who reads this size may read the bytes.
    entry.body_size.store(entry.body_size.load(kRelaxed) + n, std::memory_order_release);
}

std::uint64_t Fill::body_size() const noexcept
{
    return zone_ == nullptr ? 0 : zone_->view_->area.entry(entry_).body_size.load(kRelaxed);
}

Pin Fill::finish() noexcept
{
    Fill self{std::move(*this)};  // whatever is not published below is freed on return
    Pin pin;
    if (self.zone_ == nullptr || self.over_) return pin;
    Zone::View& view = *self.zone_->view_;
    Entry& entry = view.area.entry(self.entry_);
    if (entry.meta.load(kRelaxed) == 0 || !view.pin(self.entry_)) return pin;
    pin.zone_ = self.zone_;
    pin.entry_ = self.entry_;
    pin.version_ = entry.version.load(kRelaxed);
    pin.meta_ = view.meta(entry);

    LockedShard shard = view.lock_shard_of(self.entry_);
    const KeyHash key{entry.hash_high, entry.hash_low};
    Status status{State::live, view.evictor.queue_for(key), 0, 0};
    if (const std::uint32_t old = shard.find(key); old != zone::kNoEntry) {
        const Status before = zone::status_of(view.area.entry(old));
        status.queue = before.queue;
        status.frequency = before.frequency;
        shard.delist(old);
        shard.discard(old);
    }
    {
        Ledger::Lock lock{view.ledger};
        auto unused = static_cast<std::uint32_t>(self.left_ / kUnitBytes);
        // An empty meta without a body still has its unit.
        if (unused != 0 && entry.extent_count.load(kRelaxed) == 1 &&
            unused == entry.extents[0].load(kRelaxed).count) {
            --unused;
        }
        view.ledger.trim(entry, unused);
        // First the queue: who dies in between leaves no live entry with the sequence of an earlier object.
        shard.enlist(self.entry_, status.queue);
        view.ledger.set_status(entry, status);
    }
    --view.fills;
    self.zone_ = nullptr;
    return pin;
}

Pin Fill::withdraw() noexcept
{
    Fill self{std::move(*this)};
    if (self.zone_ == nullptr || self.over_) return {};
    Zone::View& view = *self.zone_->view_;
    Entry& entry = view.area.entry(self.entry_);
    if (entry.meta.load(kRelaxed) == 0) return {};
    Pin pin = self.hold();
    if (!pin) return pin;
    LockedShard shard = view.lock_shard_of(self.entry_);
    {
        Ledger::Lock lock{view.ledger};
        view.ledger.set_status(entry, {State::dead, Queue::small, 0, 0, true});
    }
    --view.fills;
    self.zone_ = nullptr;
    return pin;
}

Pin Fill::hold() const noexcept
{
    Pin pin;
    if (zone_ == nullptr || !zone_->view_->pin(entry_)) return pin;
    const Entry& entry = zone_->view_->area.entry(entry_);
    pin.zone_ = zone_;
    pin.entry_ = entry_;
    pin.version_ = entry.version.load(kRelaxed);
    pin.meta_ = zone_->view_->meta(entry);
    return pin;
}

}
