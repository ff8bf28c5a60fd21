#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cache/zone_layout.hpp"

/// What the bytes of a purge table mean. Any change here changes kLayoutVersion.
///
/// Order in the mapping: Header, Bucket[kTagBuckets], Bucket[kWriteBuckets]. All-zero buckets are empty.
///
/// Readers take no lock: each word changes by one store, in an order in which every state in between says at
/// least what the one before said. So nothing has to be repaired after a writer died at any instant.
namespace edge::cache::purging {

using zone::Mutex;
using zone::Word32;
using zone::Word64;

inline constexpr std::uint64_t kMagic = 0x3172677065676465;  // "edgepgr1", little-endian
inline constexpr std::uint32_t kLayoutVersion = 2;
inline constexpr std::uint32_t kWays = 8;
inline constexpr std::uint32_t kTagBuckets = 8192;
inline constexpr std::uint32_t kWriteBuckets = 1024;
inline constexpr std::uint32_t kPrefixes = 64;

/// Eight tags and when each was purged last; 0: never. A tag is in one of the two buckets its hash names.
struct alignas(64) Bucket {
    Word64 tag[kWays];  ///< 0: free. Written last.
    Word64 hard[kWays];
    Word64 soft[kWays];
    Word32 since[kWays];  ///< Unix time of the soft purge
    std::byte spare[32];
};
static_assert(sizeof(Bucket) == 256 && std::is_standard_layout_v<Bucket>);

/// The beginning of purged URLs: the hash of its text and its length.
struct Prefix {
    Word64 hash;
    Word64 length;
    Word64 hard;
    Word64 soft;
    Word32 since;
    std::uint32_t spare;
};
static_assert(sizeof(Prefix) == 40 && std::is_standard_layout_v<Prefix>);

/// What a hit reads. Every number but `sequence` is at most the newest purge's.
struct alignas(64) Hot {
    Word64 sequence;       ///< of the purge begun last; what an origin request takes along
    Word64 newest;         ///< of the last finished purge of tags, prefixes or all
    Word64 newest_prefix;  ///< of prefixes
    Word64 newest_write;   ///< of a key a write invalidated
    Word64 floor;          ///< what is older is dead
    Word64 soft_floor;     ///< what is older is stale
    Word64 fill_floor;     ///< what is older and being stored is not kept
    Word32 soft_since;     ///< Unix time of soft_floor
    std::uint32_t spare;
};
static_assert(sizeof(Hot) == 64 && std::is_standard_layout_v<Hot>);

struct Header {
    Word64 magic;  ///< written last
    std::uint32_t layout_version;
    Word32 tags;           ///< in use; counted anew after a writer died
    Word32 prefixes_used;  ///< the same
    std::uint32_t spare;
    std::uint64_t seed;
    Word64 overflows;  ///< purges forgotten to make room
    Mutex mutex;       ///< of those who purge
    Hot hot;
    Prefix prefixes[kPrefixes];
};
static_assert(std::is_standard_layout_v<Header> && alignof(Header) == 64);

inline constexpr std::size_t kBytes =
    (sizeof(Header) + 63) / 64 * 64 + sizeof(Bucket) * std::size_t{kTagBuckets + kWriteBuckets};

}
