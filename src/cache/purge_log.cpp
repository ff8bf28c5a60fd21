#include "cache/purge_log.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <type_traits>

#include "cache/zone_layout.hpp"
#include "cache/zone_lock.hpp"

namespace edge::cache {

namespace purging {

using zone::Mutex;
using zone::Word32;
using zone::Word64;

constexpr std::uint64_t kLogMagic = 0x31676f6c67656465;  // "edgelog1", little-endian; + 1 with each change
constexpr std::uint32_t kPendingWords = 4096;

/// In front of each queued purge; the encoded entry follows, filled up to 8 bytes.
struct Record {
    std::uint64_t ticket;
    std::uint32_t size;  ///< of the entry
    std::uint32_t spare;
};

struct alignas(64) Log {
    Word64 magic;  ///< written last
    std::uint64_t host;
    Mutex role;  ///< held for life by the follower
    Word32 leader;
    std::uint32_t spare;

    alignas(64) Word64 epoch;  ///< 0 while number and tables change to another
    Word64 number;
    Word64 in_touch_until;
    Word64 pending_wide;  ///< queued purges that are not of tags alone

    alignas(64) Mutex mutex;  ///< of the queue and of `pending`
    Word64 last_ticket;
    Word64 confirmed;
    Word64 everywhere;
    Word64 queued;
    std::uint64_t begin;  ///< of the records in `queue`
    std::uint64_t end;
    Word64 awaiting[PurgeLog::kSlots / 64];

    alignas(64) Word64 counts[8];
    Word64 overflows;
    Word64 top_epoch;
    Word64 top_number;
    Word64 hosts;
    Word64 floor;

    Word32 pending[kPendingWords];  ///< queued purges of tags by their hash
    alignas(8) std::byte queue[PurgeLog::kQueueBytes];
};
static_assert(std::is_standard_layout_v<Log> && alignof(Log) == 64);

}

using purging::Log;
using purging::Record;
using zone::Word32;
using zone::Word64;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kOrdered = std::memory_order_seq_cst;

std::size_t record_bytes(std::size_t entry) noexcept
{
    return (sizeof(Record) + entry + 7) / 8 * 8;
}

Word32& pending_word(Log& log, std::uint64_t tag) noexcept
{
    return log.pending[tag % purging::kPendingWords];
}

void raise(Word64& word, std::uint64_t value) noexcept
{
    if (word.load(kRelaxed) < value) word.store(value, kRelease);
}

}

/// Holds the mutex of the queue.
class PurgeLog::Queue {
public:
    explicit Queue(Log& log) : log_{log}
    {
        if (zone::lock_mutex(log_.mutex) != zone::Taken::owner_died) return;
        // What a dead process was changing can't be trusted: everything, once.
        collapse();
        zone::mark_consistent(log_.mutex);
    }
    ~Queue() { zone::unlock_mutex(log_.mutex); }
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    std::uint64_t push(PurgeEntry& entry)
    {
        entry.host = log_.host;
        entry.ticket = log_.last_ticket.load(kRelaxed) + 1;
        const std::string text = encode_purge(entry);
        // What overflows the queue makes it one purge, which is this one's too.
        if (!append(entry.ticket, text)) return collapse();
        note(text, 1);
        log_.last_ticket.store(entry.ticket, kRelease);
        return entry.ticket;
    }
    template <class F>
    void each(F&& visit)
    {
        for (std::uint64_t at = log_.begin; at < log_.end;) {
            const Record record = record_at(at);
            const std::string_view text{reinterpret_cast<const char*>(log_.queue + at + sizeof(Record)),
                                        record.size};
            at += record_bytes(record.size);
            if (!visit(record.ticket, text)) return;
        }
    }
    void drop(std::uint64_t ticket)
    {
        ticket = std::min(ticket, log_.last_ticket.load(kRelaxed));
        while (log_.begin < log_.end) {
            const Record record = record_at(log_.begin);
            if (record.ticket > ticket) break;
            const std::string text{reinterpret_cast<const char*>(log_.queue + log_.begin + sizeof(Record)),
                                   record.size};
            note(text, -1);
            log_.begin += record_bytes(record.size);
        }
        if (log_.begin == log_.end) log_.begin = log_.end = 0;
        raise(log_.confirmed, ticket);
    }

private:
    Record record_at(std::uint64_t at) const noexcept
    {
        Record record;
        std::memcpy(&record, log_.queue + at, sizeof(record));
        return record;
    }
    bool append(std::uint64_t ticket, std::string_view text) noexcept
    {
        const std::size_t needed = record_bytes(text.size());
        if (needed > kQueueBytes - (log_.end - log_.begin)) return false;
        if (needed > kQueueBytes - log_.end) {
            std::memmove(log_.queue, log_.queue + log_.begin, log_.end - log_.begin);
            log_.end -= log_.begin;
            log_.begin = 0;
        }
        const Record record{ticket, static_cast<std::uint32_t>(text.size()), 0};
        std::memcpy(log_.queue + log_.end, &record, sizeof(record));
        std::memcpy(log_.queue + log_.end + sizeof(record), text.data(), text.size());
        log_.end += needed;
        return true;
    }
    /// Counts a purge among those that are pending, or takes it away.
    void note(const std::string& text, int sign)
    {
        const auto entry = parse_purge(text);
        const auto by = static_cast<std::uint64_t>(std::int64_t{sign});
        if (!entry || entry->all || !entry->prefixes.empty()) log_.pending_wide.fetch_add(by, kOrdered);
        if (entry) {
            for (const std::uint64_t tag : entry->tags)
                pending_word(log_, tag).fetch_add(static_cast<std::uint32_t>(by), kOrdered);
        }
        log_.queued.fetch_add(by, kRelaxed);
    }
    /// One purge of everything instead of all that is queued, and of what is about to be. Returns its ticket.
    std::uint64_t collapse()
    {
        PurgeEntry everything;
        everything.all = true;
        everything.sync = true;
        everything.host = log_.host;
        everything.ticket = log_.last_ticket.load(kRelaxed) + 1;
        const std::string text = encode_purge(everything);
        log_.pending_wide.store(1, kOrdered);  // first: nothing is missed in between
        for (Word32& word : log_.pending) word.store(0, kOrdered);
        log_.begin = log_.end = 0;
        append(everything.ticket, text);
        log_.queued.store(1, kRelaxed);
        log_.last_ticket.store(everything.ticket, kRelease);
        log_.overflows.fetch_add(1, kRelaxed);
        return everything.ticket;
    }

    Log& log_;
};

std::size_t PurgeLog::bytes_needed() noexcept
{
    return sizeof(Log);
}

bool PurgeLog::usable(const void* memory) noexcept
{
    return static_cast<const Log*>(memory)->magic.load(kAcquire) == purging::kLogMagic;
}

void PurgeLog::format(void* memory, std::uint64_t host) noexcept
{
    auto& log = *static_cast<Log*>(memory);
    log.host = host;
    log.leader.store(kSlots, kRelaxed);
    zone::make_mutex(log.role);
    zone::make_mutex(log.mutex);
    log.magic.store(purging::kLogMagic, kRelease);
}

std::uint64_t PurgeLog::host() const noexcept
{
    return log_->host;
}

LogPosition PurgeLog::position() const noexcept
{
    for (;;) {
        const std::uint64_t epoch = log_->epoch.load(kAcquire);
        if (epoch == 0) return {};
        const std::uint64_t number = log_->number.load(kAcquire);
        if (log_->epoch.load(kAcquire) == epoch) return {epoch, number};
    }
}

bool PurgeLog::in_touch(std::uint64_t now) const noexcept
{
    return now < log_->in_touch_until.load(kAcquire);
}

bool PurgeLog::is_pending(const Purgeable& object) const noexcept
{
    if (log_->pending_wide.load(kOrdered) != 0) return true;
    for (const std::uint64_t tag : object.tags) {
        if (pending_word(*log_, tag).load(kOrdered) != 0) return true;
    }
    return false;
}

Judgement PurgeLog::judge(const PurgeTable& table, LogPosition at, Purgeable object) const noexcept
{
    constexpr Judgement kDead{Life::dead, 0};
    if (at.epoch == 0 || at.epoch != log_->epoch.load(kAcquire)) return kDead;
    // In this order: what is no longer pending is in the table.
    if (is_pending(object)) return kDead;
    object.sequence = at.number;
    const Judgement verdict = table.judge(object);
    std::atomic_thread_fence(kAcquire);
    return log_->epoch.load(kAcquire) == at.epoch ? verdict : kDead;
}

std::uint64_t PurgeLog::push(PurgeEntry entry)
{
    return Queue{*log_}.push(entry);
}

bool PurgeLog::is_everywhere(std::uint64_t ticket) const noexcept
{
    return ticket <= log_->everywhere.load(kAcquire);
}

void PurgeLog::await(unsigned slot) noexcept
{
    if (slot < kSlots) log_->awaiting[slot / 64].fetch_or(std::uint64_t{1} << slot % 64, kOrdered);
}

bool PurgeLog::lead(unsigned slot) noexcept
{
    const zone::Taken taken = zone::try_lock_mutex(log_->role);
    if (taken == zone::Taken::no) return false;
    if (taken == zone::Taken::owner_died) zone::mark_consistent(log_->role);
    log_->leader.store(slot, kRelease);
    return true;
}

void PurgeLog::stop_leading() noexcept
{
    log_->leader.store(kSlots, kRelease);
    zone::unlock_mutex(log_->role);
}

unsigned PurgeLog::leader() const noexcept
{
    return log_->leader.load(kAcquire);
}

void PurgeLog::forget_position() noexcept
{
    log_->epoch.store(0, kOrdered);
    std::atomic_thread_fence(kOrdered);
}

void PurgeLog::set_position(LogPosition at) noexcept
{
    log_->number.store(at.number, kRelease);
    log_->epoch.store(at.epoch, kRelease);
}

void PurgeLog::keep_in_touch(std::uint64_t until) noexcept
{
    raise(log_->in_touch_until, until);
}

PurgeLog::Batch PurgeLog::queued(std::uint64_t after, std::size_t bytes)
{
    Batch batch;
    batch.last_ticket = after;
    if (last_ticket() <= after) return batch;
    std::size_t taken = 0;
    Queue queue{*log_};
    queue.each([&](std::uint64_t ticket, std::string_view text) {
        if (ticket <= after) return true;
        if (!batch.entries.empty() && taken + text.size() > bytes) return false;
        batch.entries.emplace_back(text);
        batch.last_ticket = ticket;
        taken += text.size();
        return true;
    });
    return batch;
}

std::uint64_t PurgeLog::last_ticket() const noexcept
{
    return log_->last_ticket.load(kAcquire);
}

void PurgeLog::confirm(std::uint64_t ticket)
{
    if (ticket <= confirmed()) return;
    Queue{*log_}.drop(ticket);
}

std::uint64_t PurgeLog::confirmed() const noexcept
{
    return log_->confirmed.load(kAcquire);
}

void PurgeLog::set_everywhere(std::uint64_t ticket) noexcept
{
    raise(log_->everywhere, ticket);
}

std::uint64_t PurgeLog::everywhere() const noexcept
{
    return log_->everywhere.load(kAcquire);
}

PurgeLog::Slots PurgeLog::take_awaiting() noexcept
{
    Slots slots{};
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = log_->awaiting[i].exchange(0, kOrdered);
    return slots;
}

PurgeLog::Figures PurgeLog::figures() const noexcept
{
    const auto count = [&](Count what) { return log_->counts[static_cast<int>(what)].load(kRelaxed); };
    return {.position = position(),
            .top = {log_->top_epoch.load(kRelaxed), log_->top_number.load(kRelaxed)},
            .floor = log_->floor.load(kRelaxed),
            .queued = log_->queued.load(kRelaxed),
            .overflows = log_->overflows.load(kRelaxed),
            .applied = count(Count::applied),
            .epochs = count(Count::epochs),
            .gaps = count(Count::gaps),
            .hosts = log_->hosts.load(kRelaxed),
            .failures = count(Count::failures),
            .awaited = count(Count::awaited),
            .given_up = count(Count::given_up),
            .refused = count(Count::refused)};
}

void PurgeLog::count(Count what) noexcept
{
    log_->counts[static_cast<int>(what)].fetch_add(1, kRelaxed);
}

void PurgeLog::note_top(LogPosition top, std::uint64_t hosts) noexcept
{
    log_->top_epoch.store(top.epoch, kRelaxed);
    log_->top_number.store(top.number, kRelaxed);
    log_->hosts.store(hosts, kRelaxed);
}

void PurgeLog::note_floor(std::uint64_t number) noexcept
{
    log_->floor.store(number, kRelaxed);
}

}
