#include "cache/purge_table.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "cache/purge_layout.hpp"
#include "cache/zone_lock.hpp"

namespace edge::cache {

using purging::Bucket;
using purging::Header;
using purging::Hot;
using purging::kWays;
using purging::Prefix;
using purging::Word32;
using purging::Word64;

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

static_assert(PurgeTable::kTags == std::size_t{purging::kTagBuckets} * kWays);
static_assert(PurgeTable::kPrefixes == purging::kPrefixes);

Header& header_of(std::byte* memory) noexcept
{
    return *reinterpret_cast<Header*>(memory);
}

Bucket* buckets_of(std::byte* memory) noexcept
{
    return reinterpret_cast<Bucket*>(memory + (sizeof(Header) + 63) / 64 * 64);
}

/// The two buckets where a tag may be.
struct Pair {
    Bucket* bucket[2];
};

/// Hashes are known to everybody; which of them meet in a bucket is not.
template <std::uint32_t Count>
Pair pair_of(Bucket* first, std::uint64_t tag, std::uint64_t seed) noexcept
{
    std::uint64_t mixed = (tag ^ seed) * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 32 ^ seed) * 0xd6e8feb86659fd93;
    return {{first + (mixed >> 20 & (Count - 1)), first + (mixed >> 44 & (Count - 1))}};
}

Pair tag_pair(std::byte* memory, std::uint64_t tag) noexcept
{
    return pair_of<purging::kTagBuckets>(buckets_of(memory), tag, header_of(memory).seed);
}

Pair write_pair(std::byte* memory, std::uint64_t key) noexcept
{
    return pair_of<purging::kWriteBuckets>(buckets_of(memory) + purging::kTagBuckets, key,
                                           header_of(memory).seed);
}

/// Judges an object by one purge after the other.
class Judge {
public:
    explicit Judge(std::uint64_t sequence) noexcept : sequence_{sequence} {}

    void see(const Word64& hard, const Word64& soft, const Word32& since) noexcept
    {
        if (hard.load(kAcquire) > sequence_) {
            verdict_.life = Life::dead;
        } else if (soft.load(kAcquire) > sequence_ && verdict_.life != Life::dead) {
            const std::int64_t time = since.load(kRelaxed);
            verdict_.since = verdict_.life == Life::stale ? std::min(verdict_.since, time) : time;
            verdict_.life = Life::stale;
        }
    }
    void see(const Pair& pair, std::uint64_t tag) noexcept
    {
        for (const Bucket* bucket : pair.bucket) {
            unsigned same = 0;  // without branches: hardly ever is there one
            for (std::uint32_t i = 0; i < kWays; ++i) {
                same |= static_cast<unsigned>(bucket->tag[i].load(kRelaxed) == tag) << i;
            }
            if (same == 0) continue;
            std::atomic_thread_fence(kAcquire);
            for (std::uint32_t i = 0; i < kWays; ++i) {
                if ((same >> i & 1) != 0) see(bucket->hard[i], bucket->soft[i], bucket->since[i]);
            }
        }
    }
    bool dead() const noexcept { return verdict_.life == Life::dead; }
    Judgement verdict() const noexcept { return verdict_; }

private:
    std::uint64_t sequence_;
    Judgement verdict_;
};

std::uint64_t hash_prefix(const Header& header, std::string_view text) noexcept
{
    return XXH3_64bits_withSeed(text.data(), text.size(), header.seed);
}

void see_prefixes(Judge& judge, const Header& header, std::string_view url) noexcept
{
    std::uint64_t hashed = 0;  // how much of the URL
    std::uint64_t hash = 0;
    for (const Prefix& prefix : header.prefixes) {
        Judge one = judge;
        one.see(prefix.hard, prefix.soft, prefix.since);
        if (one.verdict().life == judge.verdict().life) continue;
        const std::uint64_t length = prefix.length.load(kAcquire);
        if (length > url.size()) continue;
        if (length != hashed && length != 0) {
            hash = hash_prefix(header, url.substr(0, length));
            hashed = length;
        }
        if (prefix.hash.load(kAcquire) == hash) judge = one;
    }
}

}

/// Holds the mutex; makes the changes.
class PurgeTable::Writer {
public:
    /// `number`: of what is done; 0: the next of the table's own.
    explicit Writer(std::byte* memory, std::uint64_t number = 0) noexcept
        : memory_{memory}, header_{header_of(memory)}
    {
        if (zone::lock_mutex(header_.mutex) == zone::Taken::owner_died) {
            recover();
            zone::mark_consistent(header_.mutex);
        }
        // Counted before anything is done: whoever asks the origin from here on asks after the purge came.
        number_ = number != 0 ? number : header_.hot.sequence.load(kRelaxed) + 1;
        header_.hot.sequence.store(number_, kRelease);
    }
    ~Writer() { zone::unlock_mutex(header_.mutex); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    std::uint64_t number() const noexcept { return number_; }
    Hot& hot() const noexcept { return header_.hot; }

    void put_tag(std::uint64_t tag, bool soft, std::uint32_t now) noexcept
    {
        const Pair pair = tag_pair(memory_, tag);
        if (update(pair, tag, soft, now)) return;
        const Place place = room(pair);
        if (place.bucket->tag[place.way].load(kRelaxed) == 0) {
            header_.tags.fetch_add(1, kRelaxed);
        } else {
            // The floors come first: who no longer finds the forgotten tag finds them.
            raise(hot().floor, place.bucket->hard[place.way].load(kRelaxed));
            raise_soft(place.bucket->soft[place.way].load(kRelaxed),
                       place.bucket->since[place.way].load(kRelaxed));
            header_.overflows.fetch_add(1, kRelaxed);
        }
        fill(place, tag, soft, now);
    }

    void put_write(std::uint64_t key) noexcept
    {
        const Pair pair = write_pair(memory_, key);
        if (update(pair, key, false, 0)) return;
        const Place place = room(pair);
        raise(hot().fill_floor, place.bucket->hard[place.way].load(kRelaxed));
        fill(place, key, false, 0);
    }

    void put_prefix(std::string_view text, bool soft, std::uint32_t now) noexcept
    {
        const std::uint64_t hash = hash_prefix(header_, text);
        Prefix* oldest = nullptr;
        for (Prefix& prefix : header_.prefixes) {
            const std::uint64_t number = newest(prefix.hard, prefix.soft);
            if (number != 0 && prefix.hash.load(kRelaxed) == hash &&
                prefix.length.load(kRelaxed) == text.size()) {
                date(prefix.hard, prefix.soft, prefix.since, soft, now);
                return;
            }
            if (oldest == nullptr || number < newest(oldest->hard, oldest->soft)) oldest = &prefix;
        }
        if (newest(oldest->hard, oldest->soft) == 0) {
            header_.prefixes_used.fetch_add(1, kRelaxed);
        } else {
            raise(hot().floor, oldest->hard.load(kRelaxed));
            raise_soft(oldest->soft.load(kRelaxed), oldest->since.load(kRelaxed));
            header_.overflows.fetch_add(1, kRelaxed);
            oldest->hard.store(0, kRelease);
            oldest->soft.store(0, kRelease);
        }
        oldest->hash.store(hash, kRelease);
        oldest->length.store(text.size(), kRelease);
        date(oldest->hard, oldest->soft, oldest->since, soft, now);
    }

    /// Readers see everything dead until the last line.
    void restart(std::uint64_t number) noexcept
    {
        constexpr std::uint64_t kAllDead = ~std::uint64_t{0};
        hot().floor.store(kAllDead, kRelease);
        hot().newest.store(kAllDead, kRelease);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        std::memset(static_cast<void*>(buckets_of(memory_)), 0,
                    sizeof(Bucket) * std::size_t{purging::kTagBuckets + purging::kWriteBuckets});
        std::memset(static_cast<void*>(header_.prefixes), 0, sizeof(header_.prefixes));
        for (Word64* word :
             {&hot().newest_prefix, &hot().newest_write, &hot().soft_floor, &hot().fill_floor}) {
            word->store(0, kRelease);
        }
        header_.tags.store(0, kRelaxed);
        header_.prefixes_used.store(0, kRelaxed);
        hot().sequence.store(number, kRelease);
        hot().floor.store(number, kRelease);
        hot().newest.store(number, kRelease);
    }

    static void raise(Word64& word, std::uint64_t number) noexcept
    {
        if (word.load(kRelaxed) < number) word.store(number, kRelease);
    }
    void raise_soft(std::uint64_t number, std::uint32_t since) noexcept
    {
        if (hot().soft_floor.load(kRelaxed) >= number) return;
        hot().soft_since.store(since, kRelease);
        hot().soft_floor.store(number, kRelease);
    }

private:
    struct Place {
        Bucket* bucket;
        std::uint32_t way;
    };

    static std::uint64_t newest(const Word64& hard, const Word64& soft) noexcept
    {
        return std::max(hard.load(kRelaxed), soft.load(kRelaxed));
    }

    void date(Word64& hard, Word64& soft, Word32& since, bool is_soft, std::uint32_t now) noexcept
    {
        if (is_soft) since.store(now, kRelease);
        (is_soft ? soft : hard).store(number_, kRelease);
    }

    bool update(const Pair& pair, std::uint64_t tag, bool soft, std::uint32_t now) noexcept
    {
        for (Bucket* bucket : pair.bucket) {
            for (std::uint32_t i = 0; i < kWays; ++i) {
                if (bucket->tag[i].load(kRelaxed) != tag) continue;
                date(bucket->hard[i], bucket->soft[i], bucket->since[i], soft, now);
                return true;
            }
        }
        return false;
    }

    /// A free way in the emptier bucket, or else the one purged longest ago.
    static Place room(const Pair& pair) noexcept
    {
        Place oldest{pair.bucket[0], 0};
        Place open{nullptr, 0};
        std::uint32_t most_free = 0;
        for (Bucket* bucket : pair.bucket) {
            std::uint32_t free = 0;
            for (std::uint32_t i = 0; i < kWays; ++i) {
                if (bucket->tag[i].load(kRelaxed) == 0) ++free;
                if (newest(bucket->hard[i], bucket->soft[i]) <
                    newest(oldest.bucket->hard[oldest.way], oldest.bucket->soft[oldest.way]))
                    oldest = {bucket, i};
            }
            if (free <= most_free) continue;
            most_free = free;
            open = {bucket, 0};
            while (bucket->tag[open.way].load(kRelaxed) != 0) ++open.way;
        }
        return open.bucket != nullptr ? open : oldest;
    }

    /// The tag comes last: until then the numbers speak of the tag that was there, which is purged once more.
    void fill(const Place& place, std::uint64_t tag, bool soft, std::uint32_t now) noexcept
    {
        Bucket& bucket = *place.bucket;
        bucket.since[place.way].store(soft ? now : 0, kRelease);
        bucket.soft[place.way].store(soft ? number_ : 0, kRelease);
        bucket.hard[place.way].store(soft ? 0 : number_, kRelease);
        bucket.tag[place.way].store(tag, kRelease);
    }

    /// Somebody died in here. Whatever he had stored of his purge stands; readers must not skip it. His
    /// client had no answer.
    void recover() noexcept
    {
        const std::uint64_t last = hot().sequence.load(kRelaxed);
        for (Word64* word : {&hot().newest_prefix, &hot().newest_write, &hot().newest}) raise(*word, last);
        std::uint32_t tags = 0;
        for (std::uint32_t i = 0; i < purging::kTagBuckets; ++i) {
            for (const Word64& tag : buckets_of(memory_)[i].tag) tags += tag.load(kRelaxed) != 0 ? 1 : 0;
        }
        header_.tags.store(tags, kRelaxed);
        std::uint32_t prefixes = 0;
        for (const Prefix& prefix : header_.prefixes) {
            prefixes += newest(prefix.hard, prefix.soft) != 0 ? 1 : 0;
        }
        header_.prefixes_used.store(prefixes, kRelaxed);
    }

    std::byte* memory_;
    Header& header_;
    std::uint64_t number_ = 0;
};

std::size_t PurgeTable::bytes_needed() noexcept
{
    return purging::kBytes;
}

bool PurgeTable::usable(const void* memory) noexcept
{
    if (memory == nullptr || reinterpret_cast<std::uintptr_t>(memory) % alignof(Header) != 0) return false;
    const auto& header = *static_cast<const Header*>(memory);
    return header.magic.load(kAcquire) == purging::kMagic && header.layout_version == purging::kLayoutVersion;
}

void PurgeTable::format(void* memory, std::uint64_t seed) noexcept
{
    std::memset(memory, 0, bytes_needed());
    Header& header = *::new (memory) Header();
    header.layout_version = purging::kLayoutVersion;
    header.seed = seed;
    zone::make_mutex(header.mutex);
    header.magic.store(purging::kMagic, kRelease);
}

std::uint64_t PurgeTable::hash(TagKind kind, std::string_view text) noexcept
{
    constexpr std::uint64_t kCommon = 0x0065646765746167;
    const std::uint64_t seed = kCommon ^ (std::uint64_t{static_cast<std::uint8_t>(kind)} + 1) << 56;
    const std::uint64_t hash = XXH3_64bits_withSeed(text.data(), text.size(), seed);
    return hash != 0 ? hash : 1;
}

std::uint64_t PurgeTable::sequence() const noexcept
{
    return header_of(memory_).hot.sequence.load(kAcquire);
}

Judgement PurgeTable::judge(const Purgeable& object) const noexcept
{
    const Header& header = header_of(memory_);
    const Hot& hot = header.hot;
    Judge judge{object.sequence};
    if (object.sequence < hot.newest_write.load(kAcquire))
        judge.see(write_pair(memory_, object.key), object.key);
    if (object.sequence < hot.newest.load(kAcquire)) {
        for (const std::uint64_t tag : object.tags) {
            for (const Bucket* bucket : tag_pair(memory_, tag).bucket) __builtin_prefetch(bucket);
        }
        for (const std::uint64_t tag : object.tags) judge.see(tag_pair(memory_, tag), tag);
        if (object.sequence < hot.newest_prefix.load(kAcquire)) see_prefixes(judge, header, object.url);
        // After the tags: one that was just forgotten is in the floors by now.
        std::atomic_thread_fence(kAcquire);
        judge.see(hot.floor, hot.soft_floor, hot.soft_since);
    }
    return judge.verdict();
}

bool PurgeTable::dead_on_arrival(const Purgeable& object) const noexcept
{
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return judge(object).life == Life::dead ||
           object.sequence < header_of(memory_).hot.fill_floor.load(kAcquire);
}

void PurgeTable::carry_out(Writer& writer, const Order& order) noexcept
{
    const auto now = static_cast<std::uint32_t>(order.now);
    const std::uint64_t number = writer.number();
    if (order.all) {
        if (order.soft)
            writer.raise_soft(number, now);
        else
            writer.raise(writer.hot().floor, number);
    }
    for (const std::uint64_t tag : order.tags) writer.put_tag(tag, order.soft, now);
    for (const std::string_view prefix : order.prefixes) writer.put_prefix(prefix, order.soft, now);
    if (!order.prefixes.empty()) writer.raise(writer.hot().newest_prefix, number);
    writer.raise(writer.hot().newest, number);
}

std::uint64_t PurgeTable::purge(const Order& order) noexcept
{
    Writer writer{memory_};
    carry_out(writer, order);
    return writer.number();
}

void PurgeTable::purge_as(std::uint64_t number, const Order& order) noexcept
{
    Writer writer{memory_, number};
    carry_out(writer, order);
}

void PurgeTable::raise_floor(std::uint64_t number) noexcept
{
    Writer writer{memory_, number};
    writer.raise(writer.hot().floor, number);
    writer.raise(writer.hot().newest, number);
}

void PurgeTable::restart(std::uint64_t number) noexcept
{
    // Number 1 in between: 0 would ask for the next.
    Writer{memory_, 1}.restart(number);
}

std::uint64_t PurgeTable::note_write(std::uint64_t key) noexcept
{
    Writer writer{memory_};
    writer.put_write(key);
    writer.raise(writer.hot().newest_write, writer.number());
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return writer.number();
}

bool PurgeTable::is_barred() const noexcept
{
    return header_of(memory_).hot.floor.load(kAcquire) == ~std::uint64_t{0};
}

PurgeStats PurgeTable::stats() const noexcept
{
    const Header& header = header_of(memory_);
    return {.sequence = header.hot.sequence.load(kRelaxed),
            .floor = header.hot.floor.load(kRelaxed),
            .soft_floor = header.hot.soft_floor.load(kRelaxed),
            .tags = header.tags.load(kRelaxed),
            .tags_limit = kTags,
            .prefixes = header.prefixes_used.load(kRelaxed),
            .overflows = header.overflows.load(kRelaxed)};
}

}
