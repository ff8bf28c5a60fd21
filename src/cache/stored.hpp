#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cache/policy.hpp"
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

/// First bytes of a meta block. Host byte order: a block never leaves the host it was made on.
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
    std::uint32_t spare;
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
    const StoredField* table() const noexcept
    {
        return reinterpret_cast<const StoredField*>(block_.data() + sizeof(StoredHead));
    }
    std::string_view text(std::uint32_t offset, std::uint32_t size) const noexcept
    {
        return {reinterpret_cast<const char*>(block_.data()) + offset, size};
    }
    std::span<const std::byte> block_;
};

}
