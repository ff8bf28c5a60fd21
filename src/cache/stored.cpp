#include "cache/stored.hpp"

#include <array>
#include <cstring>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

namespace edge::cache {

namespace {

constexpr std::uint32_t kMagic = 0x45534f33;  // + 1 with any change to StoredHead or StoredField
constexpr std::size_t kMaxBlock = 1024 * 1024;

static_assert(std::is_standard_layout_v<StoredHead> && std::is_trivially_copyable_v<StoredHead>);
static_assert(sizeof(StoredHead) == 96 && sizeof(StoredField) == 16);

constexpr std::pair<std::string_view, FieldKind> kKinds[] = {
    {"accept-ranges", FieldKind::accept_ranges},
    {"cache-control", FieldKind::cache_control},
    {"cache-status", FieldKind::cache_status},
    {"content-encoding", FieldKind::content_encoding},
    {"content-type", FieldKind::content_type},
    {"date", FieldKind::date},
    {"etag", FieldKind::etag},
    {"expires", FieldKind::expires},
    {"last-modified", FieldKind::last_modified},
    {"link", FieldKind::link},
    {"location", FieldKind::location},
    {"refresh", FieldKind::refresh},
    {"server", FieldKind::server},
    {"www-authenticate", FieldKind::www_authenticate},
};

// The names of one length as a list.
constexpr std::size_t kNoLength = 17;
constexpr std::uint8_t kNone = 0xff;
constexpr auto kFirstOfLength = [] {
    std::array<std::uint8_t, kNoLength> first{};
    first.fill(kNone);
    for (std::uint8_t i = std::size(kKinds); i-- != 0;) first[kKinds[i].first.size()] = i;
    return first;
}();
constexpr auto kNextOfLength = [] {
    std::array<std::uint8_t, std::size(kKinds)> next{};
    next.fill(kNone);
    for (std::uint8_t i = 0; i < next.size(); ++i) {
        for (std::uint8_t other = i + 1; other < next.size() && next[i] == kNone; ++other) {
            if (kKinds[other].first.size() == kKinds[i].first.size()) next[i] = other;
        }
    }
    return next;
}();

constexpr char lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

/// Of the same length, not 0.
bool same_name(std::string_view lower_case, std::string_view any_case) noexcept
{
    for (std::size_t i = 0; i < any_case.size(); ++i) {
        if (lower(any_case[i]) != lower_case[i]) return false;
    }
    return true;
}

bool inside(std::size_t offset, std::size_t size, std::size_t end) noexcept
{
    return offset <= end && size <= end - offset;
}

}

FieldKind classify_field(std::string_view name) noexcept
{
    if (name.size() >= kNoLength) return FieldKind::other;
    for (std::uint8_t i = kFirstOfLength[name.size()]; i != kNone; i = kNextOfLength[i]) {
        if (same_name(kKinds[i].first, name)) return kKinds[i].second;
    }
    return FieldKind::other;
}

std::vector<std::byte> encode_stored(const StoredInput& input)
{
    const StoredTags& tags = input.tags;
    constexpr std::size_t kMostTags = std::numeric_limits<std::uint16_t>::max();
    for (const auto* list : {&tags.own, &tags.fields, &tags.groups}) {
        if (list->size() > kMostTags) return {};
    }
    const std::size_t tag_bytes =
        (tags.own.size() + tags.fields.size() + tags.groups.size()) * sizeof(std::uint64_t);
    const std::size_t table_end = sizeof(StoredHead) + tag_bytes + input.fields.size() * sizeof(StoredField);
    const std::size_t url_in_key = input.key.find(input.url);
    const bool own_url = url_in_key == input.key.npos;
    std::size_t size = table_end + input.key.size() + (own_url ? input.url.size() : 0);
    for (const http::Field& field : input.fields) {
        if (field.name.size() > std::numeric_limits<std::uint16_t>::max()) return {};
        size += field.name.size() + field.value.size();
    }
    if (size > kMaxBlock) return {};

    std::vector<std::byte> block(size);
    const StoredHead head{
        .magic = kMagic,
        .kind = input.kind,
        .status = input.status,
        .lifetime = input.lifetime,
        .last_modified = input.last_modified,
        .number = input.number,
        .size = static_cast<std::uint32_t>(size),
        .key_size = static_cast<std::uint32_t>(input.key.size()),
        .field_count = static_cast<std::uint32_t>(input.fields.size()),
        .url_offset = static_cast<std::uint32_t>(table_end + (own_url ? input.key.size() : url_in_key)),
        .url_size = static_cast<std::uint32_t>(input.url.size()),
        .own_tags = static_cast<std::uint16_t>(tags.own.size()),
        .field_tags = static_cast<std::uint16_t>(tags.fields.size()),
        .group_tags = static_cast<std::uint16_t>(tags.groups.size()),
        .unasked = input.unasked ? std::uint16_t{1} : std::uint16_t{0},
        .sequence = input.sequence};
    std::memcpy(block.data(), &head, sizeof(head));
    std::byte* tag_at = block.data() + sizeof(StoredHead);
    for (const auto* list : {&tags.own, &tags.fields, &tags.groups}) {
        if (!list->empty()) std::memcpy(tag_at, list->data(), list->size() * sizeof(std::uint64_t));
        tag_at += list->size() * sizeof(std::uint64_t);
    }

    std::size_t at = table_end;
    const auto put = [&](std::string_view text) {
        const std::size_t offset = at;
        if (!text.empty()) std::memcpy(block.data() + at, text.data(), text.size());
        at += text.size();
        return static_cast<std::uint32_t>(offset);
    };
    put(input.key);
    if (own_url) put(input.url);
    std::byte* row = block.data() + sizeof(StoredHead) + tag_bytes;
    for (const http::Field& field : input.fields) {
        const std::uint32_t name = put(field.name);
        const std::uint32_t value = put(field.value);
        const StoredField entry{.name_offset = name,
                                .value_offset = value,
                                .value_size = static_cast<std::uint32_t>(field.value.size()),
                                .name_size = static_cast<std::uint16_t>(field.name.size()),
                                .kind = classify_field(field.name),
                                .spare = 0};
        std::memcpy(row, &entry, sizeof(entry));
        row += sizeof(entry);
    }
    return block;
}

std::optional<Stored> Stored::from_zone(std::span<const std::byte> block) noexcept
{
    if (block.size() < sizeof(StoredHead)) return std::nullopt;
    if (reinterpret_cast<std::uintptr_t>(block.data()) % alignof(StoredHead) != 0) return std::nullopt;
    const Stored stored{block};
    const StoredHead& head = stored.head();
    if (head.magic != kMagic || head.size != block.size()) return std::nullopt;
    if (head.kind != StoredKind::response && head.kind != StoredKind::vary) return std::nullopt;
    const std::size_t table_end = stored.table_offset() + std::size_t{head.field_count} * sizeof(StoredField);
    if (!inside(table_end, head.key_size, block.size())) return std::nullopt;
    if (!inside(head.url_offset, head.url_size, block.size())) return std::nullopt;
    return stored;
}

std::optional<Stored> Stored::parse(std::span<const std::byte> block) noexcept
{
    const auto stored = from_zone(block);
    if (!stored) return std::nullopt;
    for (std::size_t i = 0; i < stored->size(); ++i) {
        const StoredField& field = stored->table()[i];
        if (!inside(field.name_offset, field.name_size, block.size())) return std::nullopt;
        if (!inside(field.value_offset, field.value_size, block.size())) return std::nullopt;
        if (field.kind > FieldKind::www_authenticate) return std::nullopt;
    }
    return stored;
}

StoredTags Stored::tags() const
{
    StoredTags tags;
    const std::uint64_t* at = first_tag();
    const auto take = [&at](std::vector<std::uint64_t>& list, std::size_t n) {
        list.assign(at, at + n);
        at += n;
    };
    take(tags.own, head().own_tags);
    take(tags.fields, head().field_tags);
    take(tags.groups, head().group_tags);
    return tags;
}

Purgeable Stored::purgeable() const noexcept
{
    return {.sequence = head().sequence,
            .tags = {first_tag(), tag_count()},
            .key = head().own_tags > 1 ? first_tag()[1] : 0,
            .url = url()};
}

std::string_view Stored::key() const noexcept
{
    const auto offset = static_cast<std::uint32_t>(table_offset() + head().field_count * sizeof(StoredField));
    return text(offset, head().key_size);
}

std::optional<std::string_view> Stored::value(FieldKind kind) const noexcept
{
    for (std::size_t i = 0; i < size(); ++i) {
        if (this->kind(i) == kind) return field(i).value;
    }
    return std::nullopt;
}

std::vector<http::Field> Stored::fields() const
{
    std::vector<http::Field> out;
    out.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) out.push_back(field(i));
    return out;
}

}
