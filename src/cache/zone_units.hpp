#pragma once

#include "cache/zone_layout.hpp"

namespace edge::cache::zone {

/// The allocator of a zone's units. Mechanism only: the caller holds the ledger's lock.
///
/// Pages with free units are listed by the length of their longest free run; wholly free ones are bits in a
/// bitmap, so that long runs over several pages are found by words. Every call costs a small constant, plus
/// the pages of the run.
class Units {
public:
    explicit Units(Area area) noexcept : area_{area}, state_{area.header().ledger} {}

    /// A run of at most `want` >= 1 units: `want` where a run as long exists, else the longest at hand. None
    /// when nothing is free.
    Run take(std::uint32_t want) noexcept;
    void give(Run run) noexcept;

    std::uint64_t capacity() const noexcept
    {
        return std::uint64_t{area_.geometry().end_page - area_.geometry().first_page} * kPageUnits;
    }

    /// Everything is free; then mark() what is not, then relist().
    void reset() noexcept;
    /// false: outside the pages, or part of it is marked already. Marks the rest all the same.
    bool mark(Run run) noexcept;
    void relist() noexcept;

private:
    struct Span {
        std::uint32_t page, count;
    };
    std::uint32_t page_with_run(std::uint32_t want) noexcept;
    Run take_in_page(std::uint32_t page, std::uint32_t want) noexcept;
    Span free_pages(std::uint32_t want) const noexcept;
    std::uint32_t next_page(std::uint32_t from, std::uint32_t limit, bool busy) const noexcept;
    void changed(std::uint32_t page) noexcept;
    void link(std::uint32_t page, std::uint32_t run_class) noexcept;
    void unlink(std::uint32_t page) noexcept;
    template <class F>
    void each_page(Run run, F&& part) noexcept;

    Area area_;
    LedgerState& state_;
};

}
