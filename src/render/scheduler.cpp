#include "render/scheduler.hpp"

#include <algorithm>

namespace edge::render {

namespace {

using image::Format;
using image::Priority;

constexpr std::size_t index_of(Priority priority) noexcept
{
    return static_cast<std::size_t>(priority);
}

// Microseconds for a megabyte of source and for a million pixels of result, as measured with libvips.
std::uint64_t decode_us(Format source) noexcept
{
    switch (source) {
        case Format::jpeg:
            return 50'000;
        case Format::png:
            return 120'000;
        case Format::webp:
            return 200'000;
        case Format::avif:
        case Format::heic:
            return 400'000;
        case Format::gif:
            return 150'000;
        default:
            return 30'000;
    }
}

std::uint64_t encode_us(const image::Job& job, std::uint64_t pixels) noexcept
{
    switch (job.target) {
        case Format::avif:
            return 200'000 * (1 + 2 * static_cast<std::uint64_t>(image::avif_effort(job.quality, pixels)));
        case Format::webp:
            return 40'000 * (1 + std::uint64_t{job.quality.webp_effort});
        case Format::png:
            return 200'000;
        default:
            return 50'000;
    }
}

}

std::uint64_t estimate_cost_us(const image::Job& job, Format source, std::uint64_t source_bytes) noexcept
{
    constexpr std::uint64_t kMega = 1'000'000;
    const std::uint64_t width = job.width == 0 ? job.height : job.width;
    const std::uint64_t height = job.height == 0 ? job.width : job.height;
    std::uint64_t pixels = std::min<std::uint64_t>(width, 20'000) * job.dpr / 100;
    pixels *= std::min<std::uint64_t>(height, 20'000) * job.dpr / 100;
    // As large as it is: a photo has about four pixels for each of its bytes.
    if (pixels == 0) pixels = std::min(source_bytes, 64 * kMega) * 4;
    pixels = std::min(pixels, job.limits.pixels_out);
    return 2000 + std::min(source_bytes, 1024 * kMega) * decode_us(source) / kMega +
           pixels * encode_us(job, pixels) / kMega;
}

Scheduler::Place Scheduler::place_of(WorkId id, const Work& work) noexcept
{
    return {work.priority, work.arrived_ms + kPatience * work.cost_us / 1000, id};
}

WorkId* Scheduler::same_as(const image::Submit& submit, std::uint64_t source_bytes)
{
    if (submit.key == Key{}) return nullptr;
    const auto found = by_key_.find(submit.key);
    if (found == by_key_.end()) return nullptr;
    const Work& work = works_.at(found->second);
    const bool same = work.source_bytes == source_bytes && image::same_job(work.job, submit.job);
    return same ? &found->second : nullptr;
}

void Scheduler::raise(WorkId id, Priority priority)
{
    Work& work = works_.at(id);
    if (work.priority <= priority) return;
    if (work.running)
        --running_prewarm_;
    else {
        queue_.erase(place_of(id, work));
        --queued_[index_of(work.priority)];
        ++queued_[index_of(priority)];
    }
    work.priority = priority;
    if (!work.running) queue_.insert(place_of(id, work));
}

Scheduler::Admitted Scheduler::submit(Waiter waiter, const image::Submit& submit, std::uint64_t source_bytes,
                                      std::uint64_t cost_us, std::uint64_t now_ms)
{
    Admitted result;
    if (waiters_.contains(waiter)) {
        result.admission = Admission::duplicate;
        return result;
    }
    const WaiterState state{submit.deadline_ms, now_ms};
    if (const WorkId* same = same_as(submit, source_bytes)) {
        result.admission = Admission::joined;
        result.work = *same;
        raise(*same, submit.priority);
        Work& work = works_.at(*same);
        work.waiters.push_back(waiter);
        waiters_.emplace(waiter, std::pair{*same, state});
        if (!work.running) deadlines_.insert({submit.deadline_ms, waiter});
        return result;
    }
    if (queue_.size() >= limit_) {
        const bool makes_room =
            submit.priority == Priority::interactive && queued_[index_of(Priority::prewarm)] > 0;
        if (!makes_room) return result;
        result.displaced_work = std::prev(queue_.end())->work;
        result.displaced = works_.at(result.displaced_work).waiters;
        forget(result.displaced_work);
    }
    const WorkId id = ++last_;
    Work work{.job = submit.job,
              .key = submit.key,
              .source_bytes = source_bytes,
              .priority = submit.priority,
              .cost_us = cost_us,
              .arrived_ms = now_ms,
              .waiters = {waiter}};
    queue_.insert(place_of(id, work));
    ++queued_[index_of(work.priority)];
    works_.emplace(id, std::move(work));
    if (submit.key != Key{}) by_key_.insert_or_assign(submit.key, id);
    waiters_.emplace(waiter, std::pair{id, state});
    deadlines_.insert({submit.deadline_ms, waiter});
    result.admission = Admission::queued;
    result.work = id;
    return result;
}

std::optional<WorkId> Scheduler::start_next(std::uint64_t now_ms)
{
    if (queue_.empty() || running_ >= processes_) return std::nullopt;
    const Place place = *queue_.begin();
    if (place.priority == Priority::prewarm && processes_ > 1 && running_prewarm_ + 1 >= processes_)
        return std::nullopt;
    queue_.erase(queue_.begin());
    --queued_[index_of(place.priority)];
    Work& work = works_.at(place.work);
    work.running = true;
    work.started_ms = now_ms;
    ++running_;
    if (work.priority == Priority::prewarm) ++running_prewarm_;
    for (const Waiter& waiter : work.waiters)
        deadlines_.erase({waiters_.at(waiter).second.deadline_ms, waiter});
    return place.work;
}

std::vector<Scheduler::Expired> Scheduler::expire(std::uint64_t now_ms, std::vector<WorkId>& gone)
{
    std::vector<Expired> expired;
    while (!deadlines_.empty() && deadlines_.begin()->at_ms < now_ms) {
        const Waiter waiter = deadlines_.begin()->waiter;
        expired.push_back({waiter, now_ms - waiters_.at(waiter).second.since_ms});
        const Left left = cancel(waiter);
        if (left.dropped) gone.push_back(*left.dropped);
    }
    return expired;
}

std::optional<std::uint64_t> Scheduler::next_deadline() const noexcept
{
    if (deadlines_.empty()) return std::nullopt;
    return deadlines_.begin()->at_ms + 1;
}

Scheduler::Left Scheduler::cancel(Waiter waiter)
{
    Left left;
    const auto found = waiters_.find(waiter);
    if (found == waiters_.end()) return left;
    left.known = true;
    const auto [id, state] = found->second;
    Work& work = works_.at(id);
    std::erase(work.waiters, waiter);
    deadlines_.erase({state.deadline_ms, waiter});
    waiters_.erase(found);
    if (!work.waiters.empty()) return left;
    if (work.running)
        left.abandoned = id;
    else {
        left.dropped = id;
        forget(id);
    }
    return left;
}

std::vector<Scheduler::Left> Scheduler::cancel_slot(std::uint32_t slot)
{
    std::vector<Waiter> of_slot;
    for (auto at = waiters_.lower_bound({slot, 0}); at != waiters_.end() && at->first.slot == slot; ++at)
        of_slot.push_back(at->first);
    std::vector<Left> all;
    for (const Waiter& waiter : of_slot) all.push_back(cancel(waiter));
    return all;
}

std::vector<Waiter> Scheduler::finish(WorkId id)
{
    const auto found = works_.find(id);
    if (found == works_.end()) return {};
    std::vector<Waiter> waiters = found->second.waiters;
    forget(id);
    return waiters;
}

// With all who wait for it.
void Scheduler::forget(WorkId id)
{
    const auto found = works_.find(id);
    Work& work = found->second;
    for (const Waiter& waiter : work.waiters) {
        const auto at = waiters_.find(waiter);
        deadlines_.erase({at->second.second.deadline_ms, waiter});
        waiters_.erase(at);
    }
    if (work.running) {
        --running_;
        if (work.priority == Priority::prewarm) --running_prewarm_;
    } else {
        queue_.erase(place_of(id, work));
        --queued_[index_of(work.priority)];
    }
    const auto key = by_key_.find(work.key);
    if (key != by_key_.end() && key->second == id) by_key_.erase(key);
    works_.erase(found);
}

bool Scheduler::is_abandoned(WorkId id) const noexcept
{
    const auto found = works_.find(id);
    return found != works_.end() && found->second.running && found->second.waiters.empty();
}

std::size_t Scheduler::queued(Priority priority) const noexcept
{
    return queued_[index_of(priority)];
}

std::uint64_t Scheduler::waited_ms(WorkId id, std::uint64_t now_ms) const noexcept
{
    const auto found = works_.find(id);
    if (found == works_.end()) return 0;
    const Work& work = found->second;
    return (work.running ? work.started_ms : now_ms) - work.arrived_ms;
}

}
