#include "cache/glue/encode.hpp"
#include "cache/variant.hpp"
#include "encode/encoder.hpp"
#include "nginx/barrier.hpp"

#if (NGX_THREADS)

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace edge::cache {

namespace {

using encode::Outcome;
using http::Coding;

/// A level that is this much above the quick one is worth a second go when the variant is hot.
constexpr int kStep = 1;
constexpr std::size_t kMostWaiting = 64;         ///< orders in a lane; beyond it nothing is ordered
constexpr std::uint32_t kQuickLease = 30;        ///< seconds after which a first encoding has failed
constexpr std::uint32_t kBetterLease = 300;      ///< and a better one
constexpr std::size_t kMostAtOnce = 256 * 1024;  ///< bytes put into the zone in one turn of the loop

/// What is to be made of what. Holds nothing: the response is looked up again when its turn comes.
struct Order {
    ZoneBinding* zone;
    const EncodeRule* rule;
    KeyHash response;
    std::uint32_t entry;
    std::uint64_t body;
    Coding coding;
    int level;
    bool better;            ///< in place of a variant that there is
    std::uint64_t to_beat;  ///< bytes

    KeyHash key() const noexcept { return variant_key_hash(*zone->view, response, body, coding); }
    VariantHead head(VariantState state, std::uint8_t at_level) const noexcept
    {
        VariantHead head;
        head.state = state;
        head.coding = static_cast<std::uint8_t>(coding);
        head.level = at_level;
        head.body = body;
        return head;
    }
};

std::span<const std::byte> bytes_of(const VariantHead& head) noexcept
{
    return std::as_bytes(std::span{&head, 1});
}

/// Puts a variant without a body under the order's key.
bool put_mark(const Order& order, const VariantHead& head) noexcept
{
    Fill fill = order.zone->view->begin(order.key(), 0);
    return fill && fill.set_meta(bytes_of(head)) && fill.finish();
}

/// The order's response, if it can still be found.
Pin find_response(const Order& order)
{
    Pin pin = order.zone->view->join(order.response, order.entry);
    if (!pin || pin.progress() != Progress::complete) return {};
    const auto stored = Stored::from_zone(pin.meta());
    return stored && stored->head().number == order.body ? std::move(pin) : Pin{};
}

void forget(const Order& order) noexcept
{
    if (!order.better) order.zone->view->remove(order.key());
}

class Lane;

/// One encoding: in a thread, which sees nothing but pinned bytes and its own, then in the loop, which stores
/// it.
class Job {
public:
    Job(Lane& lane, const Order& order, Pin response);
    ~Job()
    {
        if (step_.posted) {
            ngx_delete_posted_event((&step_));  // two statements
        }
    }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    bool post() noexcept { return ngx_thread_task_post(order_.rule->threads, &task_) == NGX_OK; }
    const Order& order() const noexcept { return order_; }

private:
    static void in_thread(void* data, ngx_log_t*) noexcept;
    static bool go_on() noexcept
    {
        return __atomic_load_n(&ngx_terminate, __ATOMIC_RELAXED) == 0 &&
               __atomic_load_n(&ngx_quit, __ATOMIC_RELAXED) == 0 &&
               __atomic_load_n(&ngx_exiting, __ATOMIC_RELAXED) == 0;
    }
    void encoded();
    /// false: there is more to do.
    bool store_some();
    void finish() noexcept;

    Lane& lane_;
    Order order_;
    Pin response_;
    std::vector<std::span<const std::byte>> pieces_;
    std::uint64_t size_;
    encode::Blocks out_;
    Outcome outcome_ = Outcome::failed;
    std::uint64_t microseconds_ = 0;
    Fill fill_;
    std::size_t stored_ = 0;
    ngx_thread_task_t task_{};
    ngx_event_t step_{};
};

/// Orders one after the other: a worker has one lane for what clients wait for and one for what takes long,
/// so that it never has more than two threads busy.
class Lane {
public:
    bool full() const noexcept { return waiting_.size() >= kMostWaiting; }
    void add(const Order& order)
    {
        waiting_.push_back(order);
        if (!running_) next();
    }
    void next() noexcept
    {
        running_.reset();
        while (!running_ && !waiting_.empty()) {
            const Order order = waiting_.front();
            waiting_.pop_front();
            ngx::guarded<int>(ngx_cycle->log, 0, [&] {
                start(order);
                return 0;
            });
        }
    }
    void stop() noexcept
    {
        for (const Order& order : waiting_) forget(order);
        waiting_.clear();
        if (running_) forget(running_->order());
        running_.reset();
    }

private:
    void start(const Order& order)
    {
        Pin response = find_response(order);
        if (!response) return forget(order);
        auto job = std::make_unique<Job>(*this, order, std::move(response));
        if (!job->post()) return forget(order);
        running_ = std::move(job);
    }
    std::deque<Order> waiting_;
    std::unique_ptr<Job> running_;
};

constinit std::unique_ptr<Lane> quick_lane, better_lane;

Lane& lane_for(bool better)
{
    auto& lane = better ? better_lane : quick_lane;
    if (!lane) lane = std::make_unique<Lane>();
    return *lane;
}

Job::Job(Lane& lane, const Order& order, Pin response)
    : lane_{lane}, order_{order}, response_{std::move(response)}, size_{response_.body_size()}
{
    response_.for_each_piece([this](std::span<const std::byte> piece) { pieces_.push_back(piece); });
    task_.ctx = this;
    task_.handler = in_thread;
    task_.event.data = this;
    task_.event.log = ngx_cycle->log;
    task_.event.handler = [](ngx_event_t* event) noexcept {
        Job& job = *static_cast<Job*>(event->data);
        ngx::guarded<int>(ngx_cycle->log, 0, [&] {
            job.encoded();
            return 0;
        });
    };
    step_.data = this;
    step_.log = ngx_cycle->log;
    step_.handler = [](ngx_event_t* event) noexcept {
        Job& job = *static_cast<Job*>(event->data);
        if (job.store_some()) job.lane_.next();  // job is gone now
    };
}

void Job::in_thread(void* data, ngx_log_t*) noexcept
{
    Job& job = *static_cast<Job*>(data);
    const auto start = std::chrono::steady_clock::now();
    try {
        job.outcome_ = encode::encode({.coding = job.order_.coding,
                                       .level = job.order_.level,
                                       .body = job.pieces_,
                                       .size = job.size_,
                                       .limit = job.order_.to_beat,
                                       .go_on = go_on},
                                      job.out_);
    } catch (const std::bad_alloc&) {
        job.outcome_ = Outcome::failed;
    }
    job.microseconds_ = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
            .count());
}

void Job::encoded()
{
    const auto level = static_cast<std::uint8_t>(order_.level);
    if (outcome_ == Outcome::done) {
        observer.encoded(order_.coding, size_, out_.size(), microseconds_);
        if (store_some()) lane_.next();
        return;
    }
    if (outcome_ == Outcome::too_large) {
        observer.counted(Count::encodings_useless, 1);
        if (!order_.better) {
            put_mark(order_, order_.head(VariantState::useless, level));
        } else if (Pin there = order_.zone->view->find(order_.key())) {
            // What there is is as good as it gets.
            static_cast<void>(
                order_.zone->view->replace_meta(there, bytes_of(order_.head(VariantState::ready, level))));
        }
    } else {
        observer.counted(Count::encodings_failed, 1);
        forget(order_);
    }
    lane_.next();
}

bool Job::store_some()
{
    if (!fill_) {
        fill_ = order_.zone->view->begin(order_.key(), out_.size());
        const VariantHead head = order_.head(VariantState::ready, static_cast<std::uint8_t>(order_.level));
        if (!fill_ || !fill_.set_meta(bytes_of(head))) {
            forget(order_);
            return true;
        }
    }
    for (const std::size_t end = std::min(out_.size(), stored_ + kMostAtOnce); stored_ < end;) {
        const auto bytes = out_.from(stored_);
        const auto room = fill_.room(bytes.size());
        if (room.empty()) {
            forget(order_);
            return true;
        }
        std::memcpy(room.data(), bytes.data(), room.size());
        fill_.advance(room.size());
        stored_ += room.size();
    }
    if (stored_ < out_.size()) {
        ngx_post_event((&step_), &ngx_posted_next_events);
        return false;
    }
    finish();
    return true;
}

void Job::finish() noexcept
{
    // What was purged or replaced meanwhile needs no variant.
    if (!find_response(order_) || !fill_.finish()) forget(order_);
}

}

void encode_later(Request& q, std::uint64_t body, Coding coding, const Pin* better)
{
    const EncodeRule& rule = *encode_rule(*q.conf);
    const int quick = encode::levels_of(coding).quick, level = rule.level(coding);
    Lane& lane = lane_for(better != nullptr);
    if (lane.full() || ngx_exiting) {
        observer.counted(Count::encodings_dropped, 1);
        return;
    }
    const Order order{.zone = q.conf->zone,
                      .rule = &rule,
                      .response = q.selected,
                      .entry = q.object.entry(),
                      .body = body,
                      .coding = coding,
                      .level = better != nullptr || level <= quick + kStep ? level : quick,
                      .better = better != nullptr,
                      .to_beat = better != nullptr ? better->body_size() : q.object.body_size()};
    if (better != nullptr) {
        if (!q.zone->claim_update(*better, ngx_time(), kBetterLease)) return;
    } else {
        VariantHead mark = order.head(VariantState::pending, 0);
        mark.pending_until = ngx_time() + kQuickLease;
        if (!put_mark(order, mark)) return;
    }
    lane.add(order);
}

void stop_encoding() noexcept
{
    for (const auto* lane : {&quick_lane, &better_lane}) {
        if (*lane) (*lane)->stop();
    }
}

}

#else

namespace edge::cache {

// edge_cache_encode is refused in the configuration.
void encode_later(Request&, std::uint64_t, http::Coding, const Pin*) {}
void stop_encoding() noexcept {}

}

#endif
