#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cache/policy.hpp"
#include "cache/purge_table.hpp"
#include "http/field.hpp"

/// The meta block of a stored object: what a hit needs besides the body, in one piece that is read in place.
namespace edge::cache {

/// Fields a hit treats differently from the rest; recognised once, when the object is stored.
enum class FieldKind : std::uint8_t {
    other,
    accept_ranges,
    cache_control,
    cache_status,
    content_encoding,
    content_type,
    date,
    etag,
    expires,
    last_modified,
    link,
    location,
    refresh,
    server,
    www_authenticate,
};

FieldKind classify_field(std::string_view name) noexcept;

enum class StoredKind : std::uint16_t {
    response = 1,
    vary = 2,  ///< the fields are names only: what selects among the variants of a key (RFC 9111 section 4.1)
};

/// Hashes of the tags a response can be purged by (PurgeTable::hash), by where they come from: a 304 replaces
/// those of the fields it brings.
struct StoredTags {
    std::vector<std::uint64_t> own;     ///< of its URL, of its primary key, then edge_cache_tag's
    std::vector<std::uint64_t> fields;  ///< edge_cache_tag_header's
    std::vector<std::uint64_t> groups;  ///< Cache-Groups'
};

/// Of its URL and its primary key.
inline constexpr std::size_t kImplicitTags = 2;

/// First bytes of a meta block; the tags follow, then the field table, then the texts. Host byte order: a
/// block never leaves the host it was made on.
struct StoredHead {
    std::uint32_t magic;
    StoredKind kind;
    std::uint16_t status;
    Lifetime lifetime;
    std::int64_t last_modified;  ///< Unix time, -1 = none or not understood
    std::uint64_t number;        ///< vary: tells the variants of this record from those of an earlier one
    std::uint32_t size;          ///< of the whole block
    std::uint32_t key_size;      ///< the key's text follows the field table
    std::uint32_t field_count;
    std::uint32_t url_offset;  ///< host[:port] path-and-query; may lie within the key's text
    std::uint32_t url_size;
    std::uint16_t own_tags;  ///< how many there are of each
    std::uint16_t field_tags;
    std::uint16_t group_tags;
    std::uint16_t unasked;   ///< 1: fetched ahead of any client, by edge_cache_refill
    std::uint64_t sequence;  ///< PurgeTable::sequence() when the origin request started
};

/// One line. Offsets count from the start of the block.
struct StoredField {
    std::uint32_t name_offset;
    std::uint32_t value_offset;
    std::uint32_t value_size;
    std::uint16_t name_size;
    FieldKind kind;
    std::uint8_t spare;
};

/// What goes into a block.
struct StoredInput {
    StoredKind kind = StoredKind::response;
    std::uint16_t status = 200;
    Lifetime lifetime{};
    std::int64_t last_modified = -1;
    std::uint64_t number = 0;
    std::string_view key;
    http::Fields fields;
    std::string_view url = {};
    std::uint64_t sequence = 0;
    StoredTags tags = {};
    bool unasked = false;
};

/// The block as bytes. Names over 64 KB and blocks over 1 MB are refused: an empty result.
std::vector<std::byte> encode_stored(const StoredInput& input);

/// A block read in place; views point into it.
class Stored {
public:
    /// std::nullopt: not a block, cut short, or with an offset outside of it.
    static std::optional<Stored> parse(std::span<const std::byte> block) noexcept;
    /// The same for a block that encode_stored made and that has been in our own zone since: whether it is
    /// one is checked, not each of its offsets.
    static std::optional<Stored> from_zone(std::span<const std::byte> block) noexcept;

    const StoredHead& head() const noexcept { return *reinterpret_cast<const StoredHead*>(block_.data()); }
    std::string_view key() const noexcept;
    std::string_view url() const noexcept { return text(head().url_offset, head().url_size); }
    StoredTags tags() const;
    /// Tags beside those of its URL and its key.
    bool has_tags() const noexcept { return tag_count() > kImplicitTags; }
    /// What decides whether it was purged.
    Purgeable purgeable() const noexcept;
    std::size_t size() const noexcept { return head().field_count; }
    FieldKind kind(std::size_t i) const noexcept { return table()[i].kind; }
    http::Field field(std::size_t i) const noexcept
    {
        const StoredField& field = table()[i];
        return {text(field.name_offset, field.name_size), text(field.value_offset, field.value_size)};
    }
    /// The first line of this kind.
    std::optional<std::string_view> value(FieldKind kind) const noexcept;
    std::vector<http::Field> fields() const;

private:
    explicit Stored(std::span<const std::byte> block) noexcept : block_{block} {}
    std::size_t tag_count() const noexcept
    {
        return std::size_t{head().own_tags} + head().field_tags + head().group_tags;
    }
    std::size_t table_offset() const noexcept
    {
        return sizeof(StoredHead) + tag_count() * sizeof(std::uint64_t);
    }
    const std::uint64_t* first_tag() const noexcept
    {
        return reinterpret_cast<const std::uint64_t*>(block_.data() + sizeof(StoredHead));
    }
    const StoredField* table() const noexcept
    {
        return reinterpret_cast<const StoredField*>(block_.data() + table_offset());
    }
    std::string_view text(std::uint32_t offset, std::uint32_t size) const noexcept
    {
        return {reinterpret_cast<const char*>(block_.data()) + offset, size};
    }
    std::span<const std::byte> block_;
};

}
