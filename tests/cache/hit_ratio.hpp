#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <list>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/zone_fixture.hpp"
#include "cache/zone_layout.hpp"

/// How often a stream of requests is answered from a zone, beside an exact LRU of as many bytes.
namespace edge::cache::hit_ratio {

inline constexpr std::uint64_t kMeta = 304;  // bytes stored beside each body

/// Requests that follow from a seed.
class Stream {
public:
    struct Kind {
        const char* name;
        double zipf;              ///< exponent of the popularity
        double scanned = 0;       ///< share of requests for keys that come once, in runs
        double fresh = 0;         ///< recency only: share of requests for new keys
        std::uint64_t drift = 0;  ///< requests until the most popular key is another
    };
    struct Sizes {
        std::uint64_t least, most;  ///< bytes of a body
    };

    Stream(Kind kind, std::uint64_t keys, Sizes sizes, std::uint64_t seed)
        : kind_{kind}, keys_{keys}, sizes_{sizes}, engine_{seed}
    {
        double sum = 0;
        for (std::uint64_t rank = 1; kind.zipf != 0 && rank <= keys; ++rank)
            cumulated_.push_back(sum += std::pow(static_cast<double>(rank), -kind.zipf));
    }

    std::uint64_t next()
    {
        ++time_;
        if (kind_.fresh != 0) return remember(recent());
        if (kind_.scanned != 0) {
            // One run after each period: a crawler that reads on through what nobody else wants.
            const std::uint64_t period = 20000;
            if (static_cast<double>(time_ % period) < kind_.scanned * static_cast<double>(period))
                return kScan + time_;
        }
        const auto at = std::lower_bound(cumulated_.begin(), cumulated_.end(), uniform() * cumulated_.back());
        std::uint64_t rank = static_cast<std::uint64_t>(at - cumulated_.begin());
        if (kind_.drift != 0) rank += time_ / kind_.drift;
        return rank;
    }

    /// Mostly small, a few near the largest, independent of popularity.
    std::uint64_t size(std::uint64_t key) const
    {
        const double u = static_cast<double>(pattern_word(key, 77) >> 11) * 0x1p-53;
        const double spread = static_cast<double>(sizes_.most) / static_cast<double>(sizes_.least);
        return static_cast<std::uint64_t>(static_cast<double>(sizes_.least) * std::pow(spread, u * u * u));
    }

private:
    static constexpr std::uint64_t kScan = std::uint64_t{1} << 40;

    double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

    /// A key of a while ago, by how long ago alone, or a new one.
    std::uint64_t recent()
    {
        if (history_.empty() || uniform() < kind_.fresh) return kScan + time_;
        const auto span = static_cast<double>(std::min<std::uint64_t>(history_.size(), keys_));
        const auto ago = static_cast<std::uint64_t>(std::pow(span, uniform()));
        return history_[history_.size() - std::clamp<std::uint64_t>(ago, 1, history_.size())];
    }
    std::uint64_t remember(std::uint64_t key)
    {
        history_.push_back(key);
        return key;
    }

    Kind kind_;
    std::uint64_t keys_;
    Sizes sizes_;
    std::mt19937_64 engine_;
    std::vector<double> cumulated_;
    std::vector<std::uint64_t> history_;
    std::uint64_t time_ = 0;
};

/// An exact LRU that accounts as the zone does: whole units, meta and body together.
class Lru {
public:
    explicit Lru(std::uint64_t bytes) : free_{bytes / zone::kUnitBytes} {}

    bool request(std::uint64_t key, std::uint64_t body)
    {
        if (const auto known = places_.find(key); known != places_.end()) {
            order_.splice(order_.begin(), order_, known->second);
            return true;
        }
        const std::uint64_t units = zone::units_for(kMeta + body);
        while (free_ < units) {
            free_ += order_.back().units;
            places_.erase(order_.back().key);
            order_.pop_back();
        }
        free_ -= units;
        order_.push_front({key, units});
        places_[key] = order_.begin();
        return false;
    }

private:
    struct Object {
        std::uint64_t key, units;
    };
    std::uint64_t free_;
    std::list<Object> order_;
    std::unordered_map<std::uint64_t, std::list<Object>::iterator> places_;
};

/// The zone as a cache of bodies that nobody writes: only their room is taken.
class ZoneCache {
public:
    explicit ZoneCache(std::uint64_t bytes) : memory_{bytes} { attached_ = zone_.attach(); }

    bool request(std::uint64_t key, std::uint64_t body)
    {
        const KeyHash hash = key_hash(zone_, key);
        if (zone_.find(hash)) return true;
        Fill fill = zone_.begin(hash, body);
        if (!fill || !fill.set_meta(std::vector<std::byte>(kMeta))) return false;
        while (fill.body_size() < body) {
            const auto room = fill.room(static_cast<std::size_t>(body - fill.body_size()));
            if (room.empty()) return false;
            fill.advance(room.size());
        }
        fill.finish();
        return false;
    }
    Zone& zone() { return zone_; }
    bool attached() const { return attached_; }

private:
    TestMemory memory_;
    Zone zone_{memory_.get()};
    bool attached_ = false;
};

struct Ratio {
    double zone, lru;              ///< hits per request, percent
    double zone_bytes, lru_bytes;  ///< bytes out of the cache per byte asked for, percent
};

/// Both caches over the same requests; the first fifth only warms them.
inline Ratio measure(Stream stream, std::uint64_t zone_bytes, std::uint64_t requests)
{
    ZoneCache zone{zone_bytes};
    Lru lru{zone.zone().stats().capacity_bytes};
    double hits[2] = {0, 0}, bytes[2] = {0, 0}, asked = 0, counted = 0;
    for (std::uint64_t i = 0; i < requests; ++i) {
        const std::uint64_t key = stream.next(), body = stream.size(key);
        const bool hit[2] = {zone.request(key, body), lru.request(key, body)};
        if (i < requests / 5) continue;
        ++counted;
        asked += static_cast<double>(body);
        for (int c = 0; c < 2; ++c) {
            hits[c] += hit[c] ? 1 : 0;
            bytes[c] += hit[c] ? static_cast<double>(body) : 0;
        }
    }
    return {100 * hits[0] / counted, 100 * hits[1] / counted, 100 * bytes[0] / asked, 100 * bytes[1] / asked};
}

/// The kinds of streams, and what the zone owes there: points above the LRU.
struct Case {
    Stream::Kind kind;
    double at_least;
};
inline constexpr double kBetter = 0.0, kHardlyWorse = -0.5;
inline const Case kCases[] = {
    {{.name = "zipf 0.8", .zipf = 0.8}, kBetter},
    {{.name = "zipf 0.99", .zipf = 0.99}, kBetter},
    {{.name = "zipf 1.1", .zipf = 1.1}, kBetter},
    {{.name = "zipf 0.99, a quarter scans", .zipf = 0.99, .scanned = 0.25}, kBetter},
    {{.name = "zipf 0.8, half scans", .zipf = 0.8, .scanned = 0.5}, kBetter},
    {{.name = "zipf 0.99, drifting", .zipf = 0.99, .drift = 50}, kHardlyWorse},
    {{.name = "recency, 10 % new", .zipf = 0, .fresh = 0.1}, kHardlyWorse},
    {{.name = "recency, 30 % new", .zipf = 0, .fresh = 0.3}, kHardlyWorse},
    {{.name = "recency, 60 % new", .zipf = 0, .fresh = 0.6}, kHardlyWorse},
};

}
