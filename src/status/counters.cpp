#include "status/counters.hpp"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string_view>

namespace edge::status {

namespace {

using layout::Area;
using layout::Slot;

constexpr std::uint64_t kMagic = 0x7375746174736765;  // "egstatus", read as bytes
constexpr std::uint64_t kLayoutVersion = 2;

/// FNV-1a over everything that decides what lies where.
class Fingerprint {
public:
    constexpr void mix(std::uint64_t value)
    {
        for (int i = 0; i < 8; ++i, value >>= 8) step(static_cast<unsigned char>(value & 0xff));
    }
    constexpr void mix(std::string_view text)
    {
        mix(text.size());
        for (const char c : text) step(static_cast<unsigned char>(c));
    }
    constexpr std::uint64_t value() const { return value_; }

private:
    constexpr void step(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
    std::uint64_t value_ = 0xcbf29ce484222325;
};

constexpr std::uint64_t fingerprint()
{
    Fingerprint print;
    print.mix(kLayoutVersion);
    print.mix(sizeof(Area));
    print.mix(sizeof(Slot));
    print.mix(buckets::kCount);
    for (const CounterInfo& counter : kCounters) {
        print.mix(info(counter.family).name);
        print.mix(static_cast<std::uint64_t>(info(counter.family).kind));
        print.mix(counter.label_value);
    }
    for (const TimerInfo& timer : kTimers) print.mix(timer.name);
    return print.value();
}

constexpr std::uint64_t kFingerprint = fingerprint();

constexpr auto relaxed = std::memory_order_relaxed;

constexpr bool is_gauge(std::size_t counter) noexcept
{
    return info(kCounters[counter].family).kind == Kind::gauge;
}

void clear_gauges(Slot& slot) noexcept
{
    for (std::size_t i = 0; i < slot.counters.size(); ++i) {
        if (is_gauge(i)) slot.counters[i].store(0, relaxed);
    }
    for (auto& gauges : slot.nodes) {
        for (layout::Cell& gauge : gauges) gauge.store(0, relaxed);
    }
}

/// Takes `slot` if it is free or its owner is gone.
bool take(Slot& slot, std::int64_t pid, Counters::Exists exists) noexcept
{
    std::int64_t owner = slot.owner.load(std::memory_order_acquire);
    if (owner != 0 && exists(owner)) return false;
    if (!slot.owner.compare_exchange_strong(owner, pid, std::memory_order_acq_rel)) return false;
    clear_gauges(slot);
    return true;
}

void sum_timer(const layout::TimerCells& cells, Histogram& into) noexcept
{
    for (std::size_t i = 0; i < cells.count.size(); ++i) into.count[i] += cells.count[i].load(relaxed);
    into.sum += cells.sum.load(relaxed);
}

void sum_slot(const Slot& slot, bool has_gauges, Totals& into) noexcept
{
    for (std::size_t i = 0; i < slot.counters.size(); ++i) {
        if (has_gauges || !is_gauge(i)) into.counters[i] += slot.counters[i].load(relaxed);
    }
    for (std::size_t i = 0; i < slot.timers.size(); ++i) sum_timer(slot.timers[i], into.timers[i]);
}

}

bool usable(const void* memory, std::size_t size) noexcept
{
    if (memory == nullptr || size < bytes_needed()) return false;
    if (reinterpret_cast<std::uintptr_t>(memory) % layout::kLine != 0) return false;
    const auto& area = *static_cast<const Area*>(memory);
    return area.magic.load(std::memory_order_acquire) == kMagic && area.fingerprint == kFingerprint;
}

void format(void* memory, std::int64_t now) noexcept
{
    auto& area = *::new (memory) Area();
    area.fingerprint = kFingerprint;
    area.since = now;
    area.magic.store(kMagic, std::memory_order_release);
}

std::uint64_t begin_generation(void* memory) noexcept
{
    return static_cast<Area*>(memory)->generation.fetch_add(1, relaxed) + 1;
}

bool process_exists(std::int64_t pid) noexcept
{
    return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

Counters Counters::claim(void* memory, std::int64_t pid, Exists exists) noexcept
{
    auto& area = *static_cast<Area*>(memory);
    if (pid <= 0) return at(memory, kSlots);
    Slot* mine = nullptr;
    for (unsigned i = 0; i < kSlots && mine == nullptr; ++i) {
        if (area.slots[i].owner.load(std::memory_order_acquire) == pid) mine = &area.slots[i];
    }
    if (mine != nullptr) clear_gauges(*mine);
    for (unsigned i = 0; i < kSlots; ++i) {
        Slot& slot = area.slots[i];
        if (&slot == mine || !take(slot, pid, exists)) continue;
        if (mine == nullptr) {
            mine = &slot;
        } else {
            slot.owner.store(0, std::memory_order_release);
        }
    }
    return mine != nullptr ? Counters{&area, mine, true} : at(memory, kSlots);
}

Counters Counters::at(void* memory, unsigned slot) noexcept
{
    if (slot > kSlots) return {};
    auto& area = *static_cast<Area*>(memory);
    return {&area, &area.slots[slot], false};
}

void Counters::release() noexcept
{
    if (owned_) slot_->owner.store(0, std::memory_order_release);
    *this = {};
}

unsigned Counters::name_node(std::string_view name) noexcept
{
    return area_ != nullptr ? layout::name_node(area_->nodes, name) : kNodes;
}

std::vector<NodeTotals> sum_nodes(const void* memory)
{
    const auto& area = *static_cast<const Area*>(memory);
    std::vector<NodeTotals> all;
    for (unsigned n = 0; n < kNodes; ++n) {
        const layout::Node& node = area.nodes[n];
        if (node.state.load(std::memory_order_acquire) != layout::Node::kNamed) continue;
        const std::string_view name{node.name.data(), node.name_size};
        auto same = std::find_if(all.begin(), all.end(), [&](const NodeTotals& t) { return t.name == name; });
        if (same == all.end()) same = all.insert(same, NodeTotals{std::string{name}, {}, {}, {}});
        sum_timer(node.round_trip, same->round_trip);
        for (std::size_t i = 0; i < kNodeCounters; ++i) same->counters[i] += node.counters[i].load(relaxed);
        for (unsigned slot = 0; slot <= kSlots; ++slot) {
            if (slot < kSlots && area.slots[slot].owner.load(std::memory_order_acquire) == 0) continue;
            for (std::size_t i = 0; i < kNodeGauges; ++i)
                same->gauges[i] += area.slots[slot].nodes[n][i].load(relaxed);
        }
    }
    for (NodeTotals& node : all) {
        for (std::uint64_t& gauge : node.gauges) gauge = gauge >> 63 != 0 ? 0 : gauge;
    }
    return all;
}

Totals sum(const void* memory) noexcept
{
    const auto& area = *static_cast<const Area*>(memory);
    Totals totals;
    totals.since = area.since;
    totals.generation = area.generation.load(relaxed);
    for (unsigned i = 0; i < kSlots; ++i) {
        const bool owned = area.slots[i].owner.load(std::memory_order_acquire) != 0;
        totals.owners += owned ? 1 : 0;
        sum_slot(area.slots[i], owned, totals);
    }
    sum_slot(area.slots[kSlots], true, totals);
    // Lowered below zero: what it answers was raised in a slot that was cleared since.
    for (std::size_t i = 0; i < totals.counters.size(); ++i) {
        if (is_gauge(i) && totals.counters[i] >> 63 != 0) totals.counters[i] = 0;
    }
    return totals;
}

}
