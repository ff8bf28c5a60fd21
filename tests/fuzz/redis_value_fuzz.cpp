#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "cache/redis_value.hpp"
#include "fuzz/input.hpp"

/// Any bytes as a value of Redis or as a part of one: refused, or readable to the end without leaving them,
/// with header lines that can be sent. The checksum is made to fit, or nothing would be looked at.
namespace {

using namespace edge;

std::string with_sum(std::string_view bytes)
{
    std::string out{bytes};
    if (out.size() < 16) return out;
    const std::uint64_t sum = XXH3_64bits(out.data() + 16, out.size() - 16);
    std::memcpy(out.data() + 8, &sum, sizeof(sum));
    return out;
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::Input input{data, size};
    const bool fits = input.flag();
    const auto index = input.byte();
    const std::string_view rest = input.rest();
    fuzz::Copies copies;
    const std::string_view bytes = copies(fits ? with_sum(rest) : std::string{rest});

    if (const auto part = cache::parse_part(bytes, 1, index))
        FUZZ_CHECK(fuzz::within({reinterpret_cast<const char*>(part->data()), part->size()}, bytes));
    std::vector<std::byte> meta;
    const auto value = cache::parse_value(bytes, meta);
    if (!value) return 0;
    FUZZ_CHECK(fuzz::within({reinterpret_cast<const char*>(value->body.data()), value->body.size()}, bytes));
    const auto stored = cache::Stored::parse(value->meta);
    FUZZ_CHECK(stored.has_value());
    for (const auto& field : stored->fields()) {
        FUZZ_CHECK(!field.name.empty());
        FUZZ_CHECK(field.name.find_first_of("\r\n:") == std::string_view::npos);
        FUZZ_CHECK(field.value.find_first_of("\r\n") == std::string_view::npos);
    }
    if (value->head.part_size == 0) {
        FUZZ_CHECK(value->body.size() == value->head.body_size);
    } else {
        const auto parts = cache::parts_of(value->head.body_size, value->head.part_size);
        FUZZ_CHECK(parts.count <= 1 << 16);
        FUZZ_CHECK(parts.count == 0 || parts.last_size <= value->head.part_size);
    }
    return 0;
}
