#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/purge_entry.hpp"
#include "cache/stored.hpp"

/// Stored responses as values of Redis: a head, the meta block (cache/stored.hpp), and the body, or the
/// number of the values of their own that a large body is cut into.
///
/// Little-endian. Whoever reads another version, another byte order, or bytes that have been cut or changed
/// on their way, finds no value at all.
namespace edge::cache {

/// How far the host that stored it knew all purges, when the origin was asked (PurgeLog::position).
using ValuePosition = LogPosition;

struct ValueHead {
    std::uint64_t magic;
    std::uint64_t checksum;    ///< of all that comes after it in this value
    std::uint64_t body_size;   ///< of the whole body
    std::uint64_t generation;  ///< of the parts of a cut body: they belong to this value only
    ValuePosition position;
    std::uint32_t meta_size;
    std::uint32_t part_size;  ///< bytes of each part but the last; 0: the body follows the meta block
};
static_assert(sizeof(ValueHead) == 56);

/// A value read in place but for its meta block, which is copied: it has to be aligned, and is changed before
/// it is used.
struct Value {
    ValueHead head;
    std::span<std::byte> meta;        ///< Stored::parse understands it
    std::span<const std::byte> body;  ///< whole, or empty when head.part_size is not 0
};

using Pieces = std::span<const std::span<const std::byte>>;

/// The bytes of a value before its body, which is `body`, or what the parts of `part_size` bytes hold.
std::string encode_value(std::span<const std::byte> meta, Pieces body, std::uint64_t body_size,
                         std::uint32_t part_size, std::uint64_t generation, ValuePosition position);
/// `meta` becomes the meta block. std::nullopt: no value, or with header lines that no header can have.
/// Throws std::bad_alloc.
std::optional<Value> parse_value(std::string_view bytes, std::vector<std::byte>& meta);

/// The bytes before part `index` of a cut body.
std::string encode_part(Pieces bytes, std::uint64_t generation, std::uint32_t index);
/// The bytes of part `index` of that generation. std::nullopt: it is another one, or none.
std::optional<std::span<const std::byte>> parse_part(std::string_view bytes, std::uint64_t generation,
                                                     std::uint32_t index) noexcept;

/// Of a body cut into parts.
struct Parts {
    std::uint32_t count;
    std::uint32_t last_size;
};
Parts parts_of(std::uint64_t body_size, std::uint32_t part_size) noexcept;

/// Keys of one URL: all have the same hash tag, so that they are in one slot of a cluster. Digests of the
/// cache keys: those are compared when a value is read.
///
/// `selected` is the key of the object: the primary one, or a variant's.
std::string value_key(std::string_view prefix, std::string_view primary, std::string_view selected);
std::string part_key(std::string_view value_key, std::uint64_t generation, std::uint32_t index);

}
