#include "cache/redis_value.hpp"

#define XXH_INLINE_ALL
#include <openssl/sha.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "cache/checksum.hpp"

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
    return checksum(bytes.substr(kSummedFrom<Head>));
}

template <class Head>
std::string bytes_of(const Head& head, std::span<const std::byte> meta)
{
    std::string out;
    out.reserve(sizeof(head) + meta.size());
    out.append(reinterpret_cast<const char*>(&head), sizeof(head));
    return out.append(reinterpret_cast<const char*>(meta.data()), meta.size());
}

/// Sixteen bytes at a time, whatever the processor has for that.
using Bytes = unsigned char __attribute__((vector_size(16)));

bool breaks_lines(std::string_view text) noexcept
{
    const auto breaks = [](const Bytes& bytes) {
        return (bytes == '\r') | (bytes == '\n') | (bytes == '\0');
    };
    decltype(breaks(Bytes{})) found{};
    Bytes bytes;
    for (; text.size() >= sizeof(bytes); text.remove_prefix(sizeof(bytes))) {
        std::memcpy(&bytes, text.data(), sizeof(bytes));
        found |= breaks(bytes);
    }
    bytes = Bytes{} + static_cast<unsigned char>(' ');
    std::memcpy(&bytes, text.data(), text.size());
    found |= breaks(bytes);
    std::uint64_t halves[2];
    std::memcpy(halves, &found, sizeof(found));
    return (halves[0] | halves[1]) != 0;
}

/// Whoever can write to Redis can answer for us; but not in a way that makes two answers of one.
bool is_sendable(const Stored& stored, std::string_view block) noexcept
{
    if (stored.head().kind == StoredKind::response &&
        (stored.head().status < 200 || stored.head().status > 999))
        return false;
    const char* first = block.data() + block.size();
    for (std::size_t i = 0; i < stored.size(); ++i) {
        const http::Field field = stored.field(i);
        if (field.name.empty() || field.name.find(':') != field.name.npos ||
            stored.kind(i) != classify_field(field.name)) {
            return false;
        }
        first = std::min({first, field.name.data(), field.value.data()});
    }
    // The lines' texts are the last in a block, and nothing else is there.
    return !breaks_lines({first, static_cast<std::size_t>(block.data() + block.size() - first)});
}

bool fits_together(const ValueHead& head, std::size_t after_meta) noexcept
{
    if (head.body_size > kMostBody) return false;
    if (head.part_size == 0) return head.body_size == after_meta;
    return after_meta == 0 && head.body_size / head.part_size < kMostParts;
}

// What OpenSSL has put in the place of these allocates five times for each text, and takes five times as
// long.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

std::array<unsigned char, SHA256_DIGEST_LENGTH> sha256(std::string_view text) noexcept
{
    std::array<unsigned char, SHA256_DIGEST_LENGTH> sum;
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, text.data(), text.size());
    SHA256_Final(sum.data(), &context);
    return sum;
}

#pragma GCC diagnostic pop

constexpr std::size_t kDigestSize = 22;

/// 128 bits of SHA-256, in kDigestSize characters.
void append_digest(std::string& out, std::string_view text)
{
    static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const auto sum = sha256(text);
    std::array<char, kDigestSize> digits;
    std::size_t at = 0;
    for (std::size_t i = 0; i < 15; i += 3) {
        const unsigned bits = unsigned{sum[i]} << 16 | unsigned{sum[i + 1]} << 8 | sum[i + 2];
        for (const unsigned shift : {18U, 12U, 6U, 0U}) digits[at++] = kDigits[bits >> shift & 63];
    }
    digits[at++] = kDigits[sum[15] >> 2];
    digits[at] = kDigits[(sum[15] & 3) << 4];
    out.append(digits.data(), digits.size());
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
    if (!stored || !is_sendable(*stored, {reinterpret_cast<const char*>(meta.data()), meta.size()}))
        return std::nullopt;
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
