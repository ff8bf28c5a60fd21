#include "cache/flight_table.hpp"

#include <atomic>
#include <type_traits>

#include "cache/zone_lock.hpp"

namespace edge::cache {

namespace flight {

constexpr std::uint64_t kMagic =
    0x3174686769666465;  // "edfligh1", little-endian; + 1 with each change of the layout
constexpr std::uint32_t kShards = 64;
constexpr std::uint32_t kPlaces = 32;  ///< in a shard

struct Flight {
    std::uint64_t number;  ///< of the flight that is or was here
    FlightTable::State state;
    FlightTable::Worker leader;
    std::uint32_t entry;
    KeyHash object;
    std::int64_t length;
    std::uint64_t refused_until;
    FlightTable::Watchers watchers;
};

/// The keys stand apart: a search reads them only.
struct alignas(64) Shard {
    zone::Mutex mutex;
    std::uint64_t numbers;  ///< given out so far
    KeyHash keys[kPlaces];
    Flight flights[kPlaces];
};

struct alignas(64) Area {
    std::atomic<std::uint64_t> magic;
    Shard shards[kShards];
};
static_assert(std::is_standard_layout_v<Area> && std::is_trivially_destructible_v<Area>);

namespace {

using State = FlightTable::State;
using Ticket = FlightTable::Ticket;
using Watchers = FlightTable::Watchers;
using Worker = FlightTable::Worker;

/// A shard, locked. What a dead process was changing is not worth a repair: its flights are over, and whoever
/// follows one looks again.
class Locked {
public:
    Locked(Area& area, std::uint32_t index) noexcept : index_{index}, shard_{area.shards[index]}
    {
        if (zone::lock_mutex(shard_.mutex) != zone::Taken::owner_died) return;
        for (Flight& flight : shard_.flights) end(flight);
        zone::mark_consistent(shard_.mutex);
    }
    ~Locked() { zone::unlock_mutex(shard_.mutex); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

    Flight* find(const KeyHash& key) noexcept
    {
        for (std::uint32_t i = 0; i < kPlaces; ++i)
            if (shard_.keys[i] == key && shard_.flights[i].state != State::over) return &shard_.flights[i];
        return nullptr;
    }
    Flight* find(Ticket ticket) noexcept
    {
        Flight& flight = shard_.flights[ticket.place % kPlaces];
        return flight.number == ticket.number && flight.state != State::over ? &flight : nullptr;
    }
    /// A place for a new flight: a free one, else that of the refusal that ends first, else one nobody leads.
    /// nullptr: all are in the air.
    Flight* place_for(std::uint64_t now, FlightTable::Exists exists) noexcept
    {
        Flight* best = nullptr;
        for (Flight& flight : shard_.flights) {
            if (flight.state == State::over) return &flight;
            if (flight.state != State::refused) continue;
            if (flight.refused_until <= now) return &flight;
            if (best == nullptr || flight.refused_until < best->refused_until) best = &flight;
        }
        for (Flight& flight : shard_.flights) {
            if (best != nullptr) break;
            if (flight.state == State::vacant || !exists(flight.leader.process)) best = &flight;
        }
        return best;
    }
    Ticket begin(Flight& flight, const KeyHash& key, Worker leader) noexcept
    {
        // Numbers are never given twice, also across the places of a shard.
        flight.number = ++shard_.numbers;
        flight.leader = leader;
        flight.watchers = {};
        shard_.keys[&flight - shard_.flights] = key;
        flight.state = State::asking;
        return ticket_of(flight);
    }
    Ticket ticket_of(const Flight& flight) const noexcept
    {
        const auto i = static_cast<std::uint32_t>(&flight - shard_.flights);
        return {index_ * kPlaces + i, flight.number};
    }
    void rekey(const Flight& flight, const KeyHash& key) noexcept
    {
        shard_.keys[&flight - shard_.flights] = key;
    }
    Watchers end(Flight& flight) noexcept
    {
        flight.state = State::over;
        return flight.watchers;
    }

private:
    std::uint32_t index_;
    Shard& shard_;
};

std::uint32_t shard_of(const KeyHash& key) noexcept
{
    return static_cast<std::uint32_t>(key.high >> 58);
}

std::uint32_t shard_of(Ticket ticket) noexcept
{
    return ticket.place / kPlaces % kShards;
}

void watch(Flight& flight, Worker worker) noexcept
{
    if (worker.slot < FlightTable::kWorkers)
        flight.watchers[worker.slot / 64] |= std::uint64_t{1} << worker.slot % 64;
}

bool empty(const Watchers& watchers) noexcept
{
    for (const std::uint64_t word : watchers)
        if (word != 0) return false;
    return true;
}

FlightTable::Seen seen(const Flight& flight) noexcept
{
    return {flight.state, flight.leader.process, {flight.entry, flight.object, flight.length}};
}

}
}

using flight::Flight;
using flight::Locked;
using flight::State;

std::size_t FlightTable::bytes_needed() noexcept
{
    return sizeof(flight::Area);
}

void FlightTable::format(void* memory) noexcept
{
    auto& area = *static_cast<flight::Area*>(memory);
    for (flight::Shard& shard : area.shards) zone::make_mutex(shard.mutex);
    area.magic.store(flight::kMagic, std::memory_order_release);
}

bool FlightTable::usable(const void* memory) noexcept
{
    return static_cast<const flight::Area*>(memory)->magic.load(std::memory_order_acquire) == flight::kMagic;
}

FlightTable::FlightTable(void* memory, Exists exists) noexcept
    : area_{static_cast<flight::Area*>(memory)}, exists_{exists}
{}

FlightTable::Joined FlightTable::join(const Key& key, Worker self, std::uint64_t now_ms) noexcept
{
    Locked shard{*area_, flight::shard_of(key.home)};
    Flight* flight = shard.find(key.object);
    if (flight != nullptr && flight->state == State::refused) {
        if (flight->refused_until > now_ms) return {};
        shard.end(*flight);
        flight = nullptr;
    }
    // What a dead leader was streaming is cut; what it was asking for, somebody else asks.
    if (flight != nullptr && flight->state == State::streaming && !exists_(flight->leader.process)) {
        shard.end(*flight);
        flight = nullptr;
    }
    if (flight == nullptr) {
        flight = shard.place_for(now_ms, exists_);
        if (flight == nullptr) return {};
        return {Role::lead, shard.begin(*flight, key.object, self), {}};
    }
    const bool leads = flight->state == State::vacant ||
                       (flight->state == State::asking && !exists_(flight->leader.process));
    if (leads) {
        flight->leader = self;
        flight->state = State::asking;
        return {Role::lead, shard.ticket_of(*flight), {}};
    }
    flight::watch(*flight, self);
    return {Role::follow, shard.ticket_of(*flight), flight::seen(*flight)};
}

FlightTable::Seen FlightTable::look(Ticket ticket) const noexcept
{
    Locked shard{*area_, flight::shard_of(ticket)};
    const Flight* flight = shard.find(ticket);
    return flight != nullptr ? flight::seen(*flight) : Seen{};
}

bool FlightTable::take_over(Ticket ticket, Worker self) noexcept
{
    Locked shard{*area_, flight::shard_of(ticket)};
    Flight* flight = shard.find(ticket);
    if (flight == nullptr) return false;
    const bool led =
        flight->state != State::vacant && (flight->state != State::asking || exists_(flight->leader.process));
    if (led) return false;
    flight->leader = self;
    flight->state = State::asking;
    return true;
}

FlightTable::Watchers FlightTable::watchers(Ticket ticket) const noexcept
{
    Locked shard{*area_, flight::shard_of(ticket)};
    const Flight* flight = shard.find(ticket);
    return flight != nullptr ? flight->watchers : Watchers{};
}

FlightTable::Watchers FlightTable::publish(Ticket ticket, const Body& body) noexcept
{
    Locked shard{*area_, flight::shard_of(ticket)};
    Flight* flight = shard.find(ticket);
    if (flight == nullptr) return {};
    flight->entry = body.entry;
    flight->object = body.key;
    flight->length = body.length;
    flight->state = State::streaming;
    shard.rekey(*flight, body.key);
    return flight->watchers;
}

FlightTable::Watchers FlightTable::finish(Ticket ticket) noexcept
{
    Locked shard{*area_, flight::shard_of(ticket)};
    Flight* flight = shard.find(ticket);
    return flight != nullptr ? shard.end(*flight) : Watchers{};
}

FlightTable::Watchers FlightTable::refuse(Ticket ticket, std::uint64_t now_ms, std::uint64_t for_ms) noexcept
{
    Locked shard{*area_, flight::shard_of(ticket)};
    Flight* flight = shard.find(ticket);
    if (flight == nullptr) return {};
    flight->refused_until = now_ms + for_ms;
    flight->state = State::refused;
    return flight->watchers;
}

FlightTable::Watchers FlightTable::abandon(Ticket ticket) noexcept
{
    Locked shard{*area_, flight::shard_of(ticket)};
    Flight* flight = shard.find(ticket);
    if (flight == nullptr) return {};
    if (flight->state != State::asking || flight::empty(flight->watchers)) return shard.end(*flight);
    flight->state = State::vacant;
    return flight->watchers;
}

void FlightTable::forget_refusal(const Key& key) noexcept
{
    Locked shard{*area_, flight::shard_of(key.home)};
    Flight* flight = shard.find(key.object);
    if (flight != nullptr && flight->state == State::refused) shard.end(*flight);
}

}
