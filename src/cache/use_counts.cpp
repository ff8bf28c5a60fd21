#include "cache/use_counts.hpp"

#include <new>

namespace edge::cache {

namespace {

constexpr std::uint64_t kMagic = 0x6564'6765'7573'6531;  // layout 1

/// Quarters of a minute, so that 16 bits last for eleven days.
constexpr unsigned kTick = 15;

struct Use {
    std::uint32_t tag;
    std::uint16_t when;
    std::uint16_t count;
};

constexpr Use unpack(std::uint64_t cell) noexcept
{
    return {.tag = static_cast<std::uint32_t>(cell >> 32),
            .when = static_cast<std::uint16_t>(cell >> 16),
            .count = static_cast<std::uint16_t>(cell)};
}

constexpr std::uint64_t pack(const Use& use) noexcept
{
    return std::uint64_t{use.tag} << 32 | std::uint64_t{use.when} << 16 | use.count;
}

}

bool UseCounts::usable(const void* memory) noexcept
{
    return static_cast<const use_layout::Table*>(memory)->magic.load(std::memory_order_acquire) == kMagic;
}

void UseCounts::format(void* memory) noexcept
{
    auto* table = ::new (memory) use_layout::Table;
    table->magic.store(kMagic, std::memory_order_release);
}

std::uint16_t UseCounts::add(const KeyHash& key, std::int64_t now) noexcept
{
    const auto when = static_cast<std::uint16_t>(now / kTick);
    const auto tag = static_cast<std::uint32_t>(key.high >> 32);
    auto& cells = table_->rows[key.low % use_layout::kRows].cells;
    const auto replace = [](use_layout::Cell& cell, std::uint64_t expected, const Use& use) {
        // Lost to another process, this use goes uncounted: the key is stored one miss later.
        cell.compare_exchange_strong(expected, pack(use), std::memory_order_relaxed);
        return use.count;
    };

    use_layout::Cell* oldest = nullptr;
    std::uint64_t oldest_cell = 0;
    std::uint32_t oldest_age = 0;
    // Among uses of the same quarter of a minute the one to go is any.
    const auto first = static_cast<unsigned>(key.high % use_layout::kWays);
    for (unsigned i = 0; i < use_layout::kWays; ++i) {
        use_layout::Cell& cell = cells[(first + i) % use_layout::kWays];
        const std::uint64_t value = cell.load(std::memory_order_relaxed);
        const Use use = unpack(value);
        if (use.count != 0 && use.tag == tag) {
            const auto count = static_cast<std::uint16_t>(use.count == kMost ? kMost : use.count + 1);
            return replace(cell, value, {.tag = tag, .when = when, .count = count});
        }
        const std::uint32_t age =
            use.count == 0 ? 0x10000U
                           : static_cast<std::uint32_t>(static_cast<std::uint16_t>(when - use.when));
        if (oldest == nullptr || age > oldest_age) {
            oldest = &cell;
            oldest_cell = value;
            oldest_age = age;
        }
    }
    return replace(*oldest, oldest_cell, {.tag = tag, .when = when, .count = 1});
}

}
