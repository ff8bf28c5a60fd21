#include "cache/zone_units.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace edge::cache::zone {

namespace {

using Bits = std::array<std::uint64_t, kPageWords>;

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::uint32_t kListTries = 4;
constexpr std::uint32_t kSpanTries = 256;

bool any(const Bits& bits) noexcept
{
    return (bits[0] | bits[1] | bits[2] | bits[3]) != 0;
}

/// bits & (bits >> n): the starts of runs n longer.
Bits narrowed(const Bits& bits, std::uint32_t n) noexcept
{
    Bits out{};
    const std::uint32_t words = n / 64, rest = n % 64;
    for (std::uint32_t i = 0; i + words < kPageWords; ++i) {
        std::uint64_t shifted = bits[i + words] >> rest;
        if (rest != 0 && i + words + 1 < kPageWords) shifted |= bits[i + words + 1] << (64 - rest);
        out[i] = bits[i] & shifted;
    }
    return out;
}

Bits free_bits(const std::uint64_t* used) noexcept
{
    return {~used[0], ~used[1], ~used[2], ~used[3]};
}

/// log2 of the longest run of ones, rounded down; -1: none.
int longest_class(Bits bits) noexcept
{
    int found = -1;
    for (std::uint32_t length = 1; any(bits); length *= 2, ++found) bits = narrowed(bits, length);
    return found;
}

/// The first run of n ones; kPageUnits: none.
std::uint32_t find_run(Bits bits, std::uint32_t n) noexcept
{
    std::uint32_t length = 1;
    for (; length * 2 <= n; length *= 2) bits = narrowed(bits, length);
    if (n > length) bits = narrowed(bits, n - length);
    for (std::uint32_t i = 0; i < kPageWords; ++i) {
        if (bits[i] != 0) return i * 64 + static_cast<std::uint32_t>(std::countr_zero(bits[i]));
    }
    return kPageUnits;
}

Bits range(std::uint32_t from, std::uint32_t count) noexcept
{
    Bits out{};
    for (std::uint32_t i = 0; i < kPageWords; ++i) {
        const std::uint32_t low = std::clamp(from, i * 64, i * 64 + 64) - i * 64;
        const std::uint32_t high = std::clamp(from + count, i * 64, i * 64 + 64) - i * 64;
        if (high > low) out[i] = (~std::uint64_t{0} >> (64 - (high - low))) << low;
    }
    return out;
}

}

/// Calls part(page, first unit in it, count) for the pages of a run.
template <class F>
void Units::each_page(Run run, F&& part) noexcept
{
    while (run.count != 0) {
        const std::uint32_t page = run.unit / kPageUnits, from = run.unit % kPageUnits;
        const std::uint32_t count = std::min(run.count, kPageUnits - from);
        part(page, from, count);
        run = {run.unit + count, run.count - count};
    }
}

void Units::link(std::uint32_t page, std::uint32_t run_class) noexcept
{
    Page& p = area_.page(page);
    std::uint32_t& head = state_.lists[run_class];
    p.listed = static_cast<std::uint8_t>(run_class + 1);
    p.previous = 0;
    p.next = head;
    if (head != 0) area_.page(head).previous = page;
    head = page;
}

void Units::unlink(std::uint32_t page) noexcept
{
    Page& p = area_.page(page);
    if (p.listed == 0) return;
    if (p.previous != 0) {
        area_.page(p.previous).next = p.next;
    } else {
        state_.lists[p.listed - 1] = p.next;
    }
    if (p.next != 0) area_.page(p.next).previous = p.previous;
    p.listed = 0;
}

/// Brings a page's list and its bit among the busy ones up to date with its units.
void Units::changed(std::uint32_t page) noexcept
{
    Page& p = area_.page(page);
    std::uint64_t& word = area_.busy_pages()[page / 64];
    const std::uint64_t bit = std::uint64_t{1} << page % 64;
    const bool was_busy = (word & bit) != 0;
    if (p.used == 0) {
        unlink(page);
        if (was_busy) {
            word &= ~bit;
            state_.free_pages.fetch_add(1, kRelaxed);
            state_.page_hint = std::min(state_.page_hint, page);
        }
        return;
    }
    if (!was_busy) {
        word |= bit;
        state_.free_pages.fetch_sub(1, kRelaxed);
    }
    const int run_class = p.used == kPageUnits ? -1 : longest_class(free_bits(area_.unit_words(page)));
    if (run_class + 1 == p.listed) return;
    unlink(page);
    if (run_class >= 0) link(page, static_cast<std::uint32_t>(run_class));
}

Run Units::take_in_page(std::uint32_t page, std::uint32_t want) noexcept
{
    std::uint64_t* used = area_.unit_words(page);
    const std::uint32_t from = find_run(free_bits(used), want);
    if (from == kPageUnits) return {};
    const Bits bits = range(from, want);
    for (std::uint32_t i = 0; i < kPageWords; ++i) used[i] |= bits[i];
    area_.page(page).used = static_cast<std::uint16_t>(area_.page(page).used + want);
    state_.free_units.fetch_sub(want, kRelaxed);
    changed(page);
    return {page * kPageUnits + from, want};
}

/// A partly used page that has a run of `want` < kPageUnits units; 0: none quickly found.
std::uint32_t Units::page_with_run(std::uint32_t want) noexcept
{
    const auto fits = [&](std::uint32_t page) {
        return find_run(free_bits(area_.unit_words(page)), want) != kPageUnits;
    };
    if (state_.current_page != 0 && area_.page(state_.current_page).listed != 0 &&
        fits(state_.current_page)) {
        return state_.current_page;
    }
    const auto low = static_cast<std::uint32_t>(std::bit_width(want) - 1);
    const std::uint32_t sure = std::has_single_bit(want) ? low : low + 1;
    if (sure != low) {
        std::uint32_t page = state_.lists[low];
        for (std::uint32_t i = 0; page != 0 && i < kListTries; ++i, page = area_.page(page).next) {
            if (fits(page)) return page;
        }
    }
    for (std::uint32_t c = sure; c < kRunClasses; ++c) {
        if (state_.lists[c] != 0) return state_.lists[c];
    }
    return 0;
}

/// The first page from `from` on that is (not) busy, at most `limit`.
std::uint32_t Units::next_page(std::uint32_t from, std::uint32_t limit, bool busy) const noexcept
{
    const std::uint64_t* words = area_.busy_pages();
    while (from < limit) {
        std::uint64_t word = busy ? words[from / 64] : ~words[from / 64];
        word >>= from % 64;
        if (word != 0) {
            from += static_cast<std::uint32_t>(std::countr_zero(word));
            return std::min(from, limit);
        }
        from = (from / 64 + 1) * 64;
    }
    return limit;
}

/// The first `want` wholly free pages in a row, else the longest such row.
Units::Span Units::free_pages(std::uint32_t want) const noexcept
{
    const std::uint32_t end = area_.geometry().end_page;
    Span best{};
    std::uint32_t from = std::max(state_.page_hint, area_.geometry().first_page);
    for (std::uint32_t i = 0; i < kSpanTries; ++i) {
        from = next_page(from, end, false);
        if (i == 0) state_.page_hint = from;
        if (from == end) break;
        const std::uint32_t stop = next_page(from, std::min(end, from + want), true);
        if (stop - from > best.count) best = {from, stop - from};
        if (best.count == want) break;
        from = stop;
    }
    return best;
}

Run Units::take(std::uint32_t want) noexcept
{
    if (want < kPageUnits) {
        if (const std::uint32_t page = page_with_run(want); page != 0) {
            state_.current_page = page;
            return take_in_page(page, want);
        }
    }
    if (state_.free_pages.load(kRelaxed) != 0) {
        const Span span = free_pages((want + kPageUnits - 1) / kPageUnits);
        if (span.count != 0) {
            const Run run{span.page * kPageUnits, std::min(want, span.count * kPageUnits)};
            each_page(run, [&](std::uint32_t page, std::uint32_t from, std::uint32_t count) {
                const Bits bits = range(from, count);
                std::copy(bits.begin(), bits.end(), area_.unit_words(page));
                area_.page(page).used = static_cast<std::uint16_t>(count);
                changed(page);
            });
            state_.free_units.fetch_sub(run.count, kRelaxed);
            if (want < kPageUnits) state_.current_page = span.page;
            return run;
        }
    }
    for (std::uint32_t c = kRunClasses; c-- > 0;) {
        const std::uint32_t page = state_.lists[c];
        if (page == 0) continue;
        const Bits bits = free_bits(area_.unit_words(page));
        std::uint32_t length = std::uint32_t{1} << c;
        for (std::uint32_t step = length / 2; step != 0; step /= 2) {
            if (find_run(bits, length + step) != kPageUnits) length += step;
        }
        return take_in_page(page, std::min(want, length));
    }
    return {};
}

void Units::give(Run run) noexcept
{
    state_.free_units.fetch_add(run.count, kRelaxed);
    each_page(run, [&](std::uint32_t page, std::uint32_t from, std::uint32_t count) {
        const Bits bits = range(from, count);
        std::uint64_t* used = area_.unit_words(page);
        for (std::uint32_t i = 0; i < kPageWords; ++i) used[i] &= ~bits[i];
        area_.page(page).used = static_cast<std::uint16_t>(area_.page(page).used - count);
        changed(page);
    });
}

void Units::reset() noexcept
{
    const Geometry& g = area_.geometry();
    for (std::uint32_t page = g.first_page; page < g.end_page; ++page) {
        // Only what was in use is written: an untouched part of a big zone stays untouched.
        if (area_.page(page).used != 0 || area_.page(page).listed != 0) area_.page(page) = {};
        std::uint64_t* used = area_.unit_words(page);
        if ((used[0] | used[1] | used[2] | used[3]) != 0) std::memset(used, 0, sizeof(Bits));
    }
    for (std::uint32_t word = g.first_page / 64; word <= (g.end_page - 1) / 64; ++word) {
        if (area_.busy_pages()[word] != 0) area_.busy_pages()[word] = 0;
    }
    std::fill(std::begin(state_.lists), std::end(state_.lists), 0U);
    state_.current_page = 0;
    state_.page_hint = g.first_page;
    state_.free_units.store(capacity(), kRelaxed);
    state_.free_pages.store(g.end_page - g.first_page, kRelaxed);
}

bool Units::mark(Run run) noexcept
{
    const Geometry& g = area_.geometry();
    const std::uint64_t end = std::uint64_t{run.unit} + run.count;
    if (run.unit < g.first_page * kPageUnits || end > std::uint64_t{g.end_page} * kPageUnits) return false;
    bool fresh = true;
    each_page(run, [&](std::uint32_t page, std::uint32_t from, std::uint32_t count) {
        const Bits bits = range(from, count);
        std::uint64_t* used = area_.unit_words(page);
        for (std::uint32_t i = 0; i < kPageWords; ++i) {
            if ((used[i] & bits[i]) != 0) fresh = false;
            used[i] |= bits[i];
        }
    });
    return fresh;
}

void Units::relist() noexcept
{
    const Geometry& g = area_.geometry();
    for (std::uint32_t page = g.first_page; page < g.end_page; ++page) {
        const std::uint64_t* words = area_.unit_words(page);
        const int used = std::popcount(words[0]) + std::popcount(words[1]) + std::popcount(words[2]) +
                         std::popcount(words[3]);
        if (used == 0) continue;
        area_.page(page).used = static_cast<std::uint16_t>(used);
        state_.free_units.fetch_sub(static_cast<std::uint64_t>(used), kRelaxed);
        changed(page);
    }
}

}
