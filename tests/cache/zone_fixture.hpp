#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "cache/zone.hpp"

/// What the store's tests share: memory, and bodies whose every byte follows from a number.
namespace edge::cache {

/// Shared memory with a zone in it.
class TestMemory {
public:
    explicit TestMemory(ZoneShape shape, std::uint64_t seed = 1) : shape_{shape}
    {
        memory_ = mmap(nullptr, shape.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        Zone::format(memory_, shape, seed);
    }
    explicit TestMemory(std::uint64_t bytes) : TestMemory{ZoneShape{bytes, bytes / 4}} {}
    ~TestMemory() { munmap(memory_, shape_.bytes); }
    TestMemory(const TestMemory&) = delete;
    TestMemory& operator=(const TestMemory&) = delete;

    void* get() const { return memory_; }
    const ZoneShape& shape() const { return shape_; }

private:
    ZoneShape shape_;
    void* memory_;
};

/// Byte `at` of the pattern `number`: mixes both, so that a shifted, foreign or torn part never looks right.
inline std::byte pattern_byte(std::uint64_t number, std::uint64_t at)
{
    std::uint64_t x = (number * 0x9e3779b97f4a7c15U) ^ (at >> 3) * 0xbf58476d1ce4e5b9U;
    x ^= x >> 29;
    x *= 0x94d049bb133111ebU;
    return static_cast<std::byte>(x >> (at % 8 * 8));
}

inline std::uint64_t pattern_word(std::uint64_t number, std::uint64_t word)
{
    std::uint64_t x = (number * 0x9e3779b97f4a7c15U) ^ word * 0xbf58476d1ce4e5b9U;
    x ^= x >> 29;
    return x * 0x94d049bb133111ebU;
}

inline void write_pattern(std::span<std::byte> to, std::uint64_t number, std::uint64_t from)
{
    std::size_t i = 0;
    for (; i < to.size() && (from + i) % 8 != 0; ++i) to[i] = pattern_byte(number, from + i);
    for (; i + 8 <= to.size(); i += 8) {
        const std::uint64_t word = pattern_word(number, (from + i) / 8);
        std::memcpy(to.data() + i, &word, 8);
    }
    for (; i < to.size(); ++i) to[i] = pattern_byte(number, from + i);
}

inline bool has_pattern(std::span<const std::byte> bytes, std::uint64_t number, std::uint64_t from)
{
    std::size_t i = 0;
    for (; i < bytes.size() && (from + i) % 8 != 0; ++i) {
        if (bytes[i] != pattern_byte(number, from + i)) return false;
    }
    for (; i + 8 <= bytes.size(); i += 8) {
        const std::uint64_t word = pattern_word(number, (from + i) / 8);
        if (std::memcmp(bytes.data() + i, &word, 8) != 0) return false;
    }
    for (; i < bytes.size(); ++i) {
        if (bytes[i] != pattern_byte(number, from + i)) return false;
    }
    return true;
}

/// First bytes of a test object's meta; the rest is pattern `meta_number`.
struct TestMeta {
    std::uint64_t key, number, body_size, meta_number, meta_size;
};

inline std::vector<std::byte> make_meta(TestMeta head)
{
    std::vector<std::byte> meta(std::max<std::size_t>(head.meta_size, sizeof head));
    head.meta_size = meta.size();
    write_pattern(meta, head.meta_number, 0);
    std::memcpy(meta.data(), &head, sizeof head);
    return meta;
}

/// Why `pin` is not the whole object under `key` that some fill() made; empty: it is.
inline std::string wrong_with(const Pin& pin, std::uint64_t key)
{
    if (pin.meta().size() < sizeof(TestMeta)) return "the meta is too short";
    TestMeta head;
    std::memcpy(&head, pin.meta().data(), sizeof head);
    if (head.key != key) return "another key's object";
    if (head.meta_size != pin.meta().size()) return "another meta size";
    if (!has_pattern(pin.meta().subspan(sizeof head), head.meta_number, sizeof head))
        return "wrong meta bytes";
    if (pin.body_size() != head.body_size) return "another body size";
    std::uint64_t at = 0;
    bool right = true;
    pin.for_each_piece([&](std::span<const std::byte> piece) {
        right = right && !piece.empty() && has_pattern(piece, head.number, at);
        at += piece.size();
    });
    if (!right) return "wrong body bytes";
    return at == head.body_size ? "" : "the pieces are not the body";
}

inline KeyHash key_hash(const Zone& zone, std::uint64_t key)
{
    return zone.hash({reinterpret_cast<const char*>(&key), sizeof key});
}

struct TestObject {
    std::uint64_t key = 1;
    std::uint64_t body = 0;
    std::uint64_t meta = 300;
    bool sized = true;       ///< the size is known when the fill begins
    bool meta_last = false;  ///< the body first
    std::size_t write = ~std::size_t{0};
};

/// Stores an object whose bytes are all checkable by wrong_with(). Empty: there was no room.
inline Pin store(Zone& zone, const TestObject& object)
{
    const std::uint64_t number = zone.next_number();
    Fill fill = zone.begin(key_hash(zone, object.key), object.sized ? object.body : 0);
    if (!fill) return {};
    const std::vector<std::byte> meta = make_meta({object.key, number, object.body, number, object.meta});
    if (!object.meta_last && !fill.set_meta(meta)) return {};
    while (fill.body_size() < object.body) {
        const auto left = static_cast<std::size_t>(object.body - fill.body_size());
        const std::span<std::byte> room = fill.room(std::min(left, object.write));
        if (room.empty()) return {};
        write_pattern(room, number, fill.body_size());
        fill.advance(room.size());
    }
    if (object.meta_last && !fill.set_meta(meta)) return {};
    return fill.finish();
}

inline std::size_t pieces(const Pin& pin)
{
    std::size_t n = 0;
    pin.for_each_piece([&](std::span<const std::byte>) { ++n; });
    return n;
}

}
