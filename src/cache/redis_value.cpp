#include "cache/redis_value.hpp"

#define XXH_INLINE_ALL
#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

namespace edge::cache {

namespace {

// With any change of ValueHead, PartHead or of stored.hpp's structures another number. As a number it also
// tells the byte order.
constexpr std::uint64_t kValueMagic = 0x3130'6576'4547'4445;  // "EDGEve01"
constexpr std::uint64_t kPartMagic = 0x3130'7076'4547'4445;
constexpr std::uint64_t kMostBody = std::uint64_t{1} << 40;
constexpr std::uint32_t kMostParts = 1 << 16;

struct PartHead {
    std::uint64_t magic;
    std::uint64_t checksum;  ///< of all that comes after it
    std::uint64_t generation;
    std::uint32_t index;
    std::uint32_t size;
};
static_assert(sizeof(PartHead) == 32 && std::is_trivially_copyable_v<PartHead>);
static_assert(std::is_trivially_copyable_v<ValueHead>);

template <class Head>
constexpr std::size_t kSummedFrom = offsetof(Head, checksum) + sizeof(std::uint64_t);

/// `head` after its checksum, then the pieces.
template <class Head>
std::uint64_t sum_of(const Head& head, std::span<const std::byte> meta, Pieces pieces) noexcept
{
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, reinterpret_cast<const char*>(&head) + kSummedFrom<Head>,
                       sizeof(Head) - kSummedFrom<Head>);
    XXH3_64bits_update(&state, meta.data(), meta.size());
    for (const auto piece : pieces) XXH3_64bits_update(&state, piece.data(), piece.size());
    return XXH3_64bits_digest(&state);
}

template <class Head>
std::uint64_t sum_in_place(std::string_view bytes) noexcept
{
    return XXH3_64bits(bytes.data() + kSummedFrom<Head>, bytes.size() - kSummedFrom<Head>);
}

template <class Head>
std::string bytes_of(const Head& head, std::span<const std::byte> meta)
{
    std::string out;
    out.reserve(sizeof(head) + meta.size());
    out.append(reinterpret_cast<const char*>(&head), sizeof(head));
    return out.append(reinterpret_cast<const char*>(meta.data()), meta.size());
}

bool breaks_lines(std::string_view text) noexcept
{
    // Every byte is looked at, so that there is no branch on it.
    bool found = false;
    for (const char c : text) found |= c == '\r' || c == '\n' || c == '\0';
    return found;
}

/// Whoever can write to Redis can answer for us; but not in a way that makes two answers of one.
bool is_sendable(const Stored& stored) noexcept
{
    if (stored.head().kind == StoredKind::response &&
        (stored.head().status < 200 || stored.head().status > 999))
        return false;
    for (std::size_t i = 0; i < stored.size(); ++i) {
        const http::Field field = stored.field(i);
        if (field.name.empty() || breaks_lines(field.name) || breaks_lines(field.value) ||
            field.name.find(':') != field.name.npos || stored.kind(i) != classify_field(field.name)) {
            return false;
        }
    }
    return true;
}

bool fits_together(const ValueHead& head, std::size_t after_meta) noexcept
{
    if (head.body_size > kMostBody) return false;
    if (head.part_size == 0) return head.body_size == after_meta;
    return after_meta == 0 && head.body_size / head.part_size < kMostParts;
}

/// OpenSSL's one-shot functions look the algorithm up each time, which costs more than the hash itself.
std::array<unsigned char, 32> sha256(std::string_view text)
{
    static EVP_MD_CTX* const context = EVP_MD_CTX_new();
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    std::array<unsigned char, 32> sum{};
    if (context == nullptr || algorithm == nullptr || EVP_DigestInit_ex(context, algorithm, nullptr) != 1 ||
        EVP_DigestUpdate(context, text.data(), text.size()) != 1 ||
        EVP_DigestFinal_ex(context, sum.data(), nullptr) != 1) {
        throw std::bad_alloc{};
    }
    return sum;
}

constexpr std::size_t kDigestSize = 22;

/// 128 bits of SHA-256, in kDigestSize characters.
void append_digest(std::string& out, std::string_view text)
{
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const auto sum = sha256(text);
    unsigned bits = 0;
    unsigned held = 0;
    for (std::size_t i = 0; i < 16; ++i) {
        held = held << 8 | sum[i];
        for (bits += 8; bits >= 6; bits -= 6) out += kDigits[held >> (bits - 6) & 63];
        held &= (1U << bits) - 1;
    }
    out += kDigits[held << (6 - bits) & 63];
}

}

std::string encode_value(std::span<const std::byte> meta, Pieces body, std::uint64_t body_size,
                         std::uint32_t part_size, std::uint64_t generation, ValuePosition position)
{
    ValueHead head{.magic = kValueMagic,
                   .checksum = 0,
                   .body_size = body_size,
                   .generation = generation,
                   .position = position,
                   .meta_size = static_cast<std::uint32_t>(meta.size()),
                   .part_size = part_size};
    head.checksum = sum_of(head, meta, part_size == 0 ? body : Pieces{});
    return bytes_of(head, meta);
}

std::optional<Value> parse_value(std::string_view bytes, std::vector<std::byte>& meta)
{
    Value value{};
    ValueHead& head = value.head;
    if (bytes.size() < sizeof(head)) return std::nullopt;
    std::memcpy(&head, bytes.data(), sizeof(head));
    if (head.magic != kValueMagic || head.meta_size > bytes.size() - sizeof(head)) return std::nullopt;
    if (!fits_together(head, bytes.size() - sizeof(head) - head.meta_size)) return std::nullopt;
    if (sum_in_place<ValueHead>(bytes) != head.checksum) return std::nullopt;
    const auto* rest = reinterpret_cast<const std::byte*>(bytes.data()) + sizeof(head);
    meta.assign(rest, rest + head.meta_size);
    value.meta = meta;
    value.body = {rest + head.meta_size, bytes.size() - sizeof(head) - head.meta_size};
    const auto stored = Stored::parse(value.meta);
    if (!stored || !is_sendable(*stored)) return std::nullopt;
    return value;
}

std::string encode_part(Pieces bytes, std::uint64_t generation, std::uint32_t index)
{
    std::size_t size = 0;
    for (const auto piece : bytes) size += piece.size();
    PartHead head{.magic = kPartMagic,
                  .checksum = 0,
                  .generation = generation,
                  .index = index,
                  .size = static_cast<std::uint32_t>(size)};
    head.checksum = sum_of(head, {}, bytes);
    return bytes_of(head, {});
}

std::optional<std::span<const std::byte>> parse_part(std::string_view bytes, std::uint64_t generation,
                                                     std::uint32_t index) noexcept
{
    PartHead head;
    if (bytes.size() < sizeof(head)) return std::nullopt;
    std::memcpy(&head, bytes.data(), sizeof(head));
    if (head.magic != kPartMagic || head.generation != generation || head.index != index ||
        head.size != bytes.size() - sizeof(head) || sum_in_place<PartHead>(bytes) != head.checksum) {
        return std::nullopt;
    }
    return std::span{reinterpret_cast<const std::byte*>(bytes.data()) + sizeof(head), head.size};
}

Parts parts_of(std::uint64_t body_size, std::uint32_t part_size) noexcept
{
    if (body_size == 0 || part_size == 0) return {0, 0};
    const std::uint64_t count = (body_size - 1) / part_size + 1;
    return {static_cast<std::uint32_t>(count),
            static_cast<std::uint32_t>(body_size - (count - 1) * part_size)};
}

std::string value_key(std::string_view prefix, std::string_view primary, std::string_view selected)
{
    std::string key;
    key.reserve(prefix.size() + 2 * (kDigestSize + 1));
    key.append(prefix).append("{");
    append_digest(key, primary);
    key.append("}");
    if (selected != primary) append_digest(key, selected);
    return key;
}

std::string part_key(std::string_view value_key, std::uint64_t generation, std::uint32_t index)
{
    std::string key{value_key};
    return key.append(".").append(std::to_string(generation)).append(".").append(std::to_string(index));
}

}
