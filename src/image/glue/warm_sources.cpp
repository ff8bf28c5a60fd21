#include "image/glue/warm_sources.hpp"

#include <algorithm>
#include <vector>

namespace edge::image {

namespace {

constexpr std::uint64_t kMostBytes = 32 << 20;
constexpr std::size_t kMost = 64;
constexpr ngx_msec_t kKept = 3000;
constexpr ngx_msec_t kLookEvery = 1000;

struct Kept {
    BodyNumber body;
    WarmSource source;
    ngx_msec_t used;
};

/// Of this worker.
struct Shelf {
    std::vector<Kept> all;
    std::uint64_t bytes = 0;
    ngx_event_t timer{};
    ngx_connection_t connection{};  // the debug log reads `fd` through a timer's data
};
Shelf* shelf = nullptr;

void drop(std::vector<Kept>::iterator which) noexcept
{
    shelf->bytes -= which->source.size;
    shelf->all.erase(which);
}

void on_time(ngx_event_t*) noexcept
{
    for (std::size_t i = shelf->all.size(); i-- > 0;) {
        const auto which = shelf->all.begin() + static_cast<std::ptrdiff_t>(i);
        if (static_cast<ngx_msec_int_t>(ngx_current_msec - which->used) >= static_cast<ngx_msec_int_t>(kKept))
            drop(which);
    }
    if (!shelf->all.empty()) ngx_add_timer(&shelf->timer, kLookEvery);
}

Shelf& open_shelf()
{
    if (shelf != nullptr) return *shelf;
    shelf = new Shelf;
    shelf->connection.fd = static_cast<ngx_socket_t>(-1);
    shelf->timer.data = &shelf->connection;
    shelf->timer.handler = on_time;
    shelf->timer.log = ngx_cycle->log;
    shelf->timer.cancelable = 1;
    return *shelf;
}

}

const WarmSource* find_warm_source(const BodyNumber& body) noexcept
{
    if (shelf == nullptr) return nullptr;
    for (Kept& kept : shelf->all) {
        if (kept.body != body) continue;
        kept.used = ngx_current_msec;
        return &kept.source;
    }
    return nullptr;
}

void keep_warm_source(const BodyNumber& body, WarmSource source)
{
    if (source.size > kMostBytes || find_warm_source(body) != nullptr) return;
    Shelf& all = open_shelf();
    while (!all.all.empty() && (all.bytes + source.size > kMostBytes || all.all.size() >= kMost)) {
        drop(std::min_element(all.all.begin(), all.all.end(), [](const Kept& a, const Kept& b) {
            return static_cast<ngx_msec_int_t>(a.used - b.used) < 0;
        }));
    }
    const std::uint64_t size = source.size;
    all.all.push_back({body, std::move(source), ngx_current_msec});
    all.bytes += size;
    if (!all.timer.timer_set) ngx_add_timer(&all.timer, kLookEvery);
}

void forget_warm_sources() noexcept
{
    if (shelf == nullptr) return;
    if (shelf->timer.timer_set) ngx_del_timer(&shelf->timer);
    delete std::exchange(shelf, nullptr);
}

}
