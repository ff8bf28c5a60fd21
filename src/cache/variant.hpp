#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "cache/zone.hpp"
#include "http/accept_encoding.hpp"
#include "http/field.hpp"

/// What is encoded from a stored response, as an object of its own beside it.
///
/// A variant has a body and nothing else: header lines, freshness, tags and the purge sequence are those of
/// the response, which is looked up first, each time. What ties it to the response is `body`, a number that
/// no other body in any zone has: when the response is purged, evicted or replaced by another body, nobody
/// has the number any more, so that its variants can't be found; a 304 keeps it.
namespace edge::cache {

enum class VariantState : std::uint16_t {
    ready,
    pending,  ///< somebody is making it; no body
    useless,  ///< encoding makes it no smaller; no body
};

/// The meta block of a variant's object. Host byte order.
struct VariantHead {
    static constexpr std::uint32_t kMagic = 0x45564152;  // + 1 with any change
    std::uint32_t magic = kMagic;
    VariantState state = VariantState::ready;
    std::uint8_t coding = 0;
    std::uint8_t level = 0;
    std::uint64_t body = 0;          ///< StoredHead::number of the response it is made from
    std::int64_t pending_until = 0;  ///< Unix time; after it whoever was making it has failed
};
static_assert(sizeof(VariantHead) == 24);

/// Where the variant of the response under `response` is.
KeyHash variant_key_hash(const Zone& zone, const KeyHash& response, std::uint64_t body,
                         http::Coding coding) noexcept;
/// The head, if `meta` is that of this body's variant in this coding.
std::optional<VariantHead> read_variant(std::span<const std::byte> meta, std::uint64_t body,
                                        http::Coding coding) noexcept;

/// What forbids to send a 200 with these fields in a coding that its origin did not choose: a coding it has,
/// no-transform (RFC 9111 section 5.2.2.6), digests and signatures of the very bytes.
bool forbids_encoding(http::Fields fields) noexcept;

}
