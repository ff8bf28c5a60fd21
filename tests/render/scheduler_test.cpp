#include "render/scheduler.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>

namespace edge::render {

namespace {

using image::Priority;
using image::Submit;
using Admission = Scheduler::Admission;

Submit submit_of(std::uint8_t key, Priority priority = Priority::interactive,
                 std::uint64_t deadline = 1'000'000)
{
    Submit submit;
    submit.key[0] = key;
    submit.priority = priority;
    submit.deadline_ms = deadline;
    return submit;
}

struct Host {
    Scheduler scheduler{2, 4};
    image::JobId next = 0;
    WorkId add(std::uint8_t key, std::uint64_t cost_ms, std::uint64_t now,
               Priority priority = Priority::interactive)
    {
        const auto admitted = scheduler.submit({0, ++next}, submit_of(key, priority), 1, cost_ms * 1000, now);
        BOOST_TEST((admitted.admission == Admission::queued));
        return admitted.work;
    }
};

constexpr auto kInteractive = Priority::interactive;
constexpr auto kPrewarm = Priority::prewarm;

}

BOOST_AUTO_TEST_SUITE(render_scheduler)

BOOST_FIXTURE_TEST_CASE(short_ones_go_first_and_interactive_ones_before_all, Host)
{
    const WorkId warm = add(1, 1, 0, kPrewarm);
    const WorkId large = add(2, 500, 0);
    const WorkId small = add(3, 50, 0);
    BOOST_TEST(scheduler.start_next(0).value() == small);
    BOOST_TEST(scheduler.start_next(0).value() == large);
    BOOST_TEST(!scheduler.start_next(0).has_value());
    scheduler.finish(small);
    BOOST_TEST(scheduler.start_next(0).value() == warm);
}

BOOST_FIXTURE_TEST_CASE(a_large_one_is_not_passed_for_ever, Host)
{
    const WorkId large = add(1, 500, 0);
    const WorkId early = add(2, 50, 1700);
    add(3, 50, 2000);
    BOOST_TEST(scheduler.start_next(2000).value() == early);
    // It came before 4 x 500 ms had passed for the other, this one after.
    BOOST_TEST(scheduler.start_next(2000).value() == large);
}

BOOST_FIXTURE_TEST_CASE(prewarm_leaves_a_process_free, Host)
{
    const WorkId first = add(1, 1, 0, kPrewarm);
    add(2, 1, 0, kPrewarm);
    BOOST_TEST(scheduler.start_next(0).value() == first);
    BOOST_TEST(!scheduler.start_next(0).has_value());
    const WorkId wanted = add(3, 1, 0);
    BOOST_TEST(scheduler.start_next(0).value() == wanted);
    Scheduler single{1, 4};
    single.submit({0, 1}, submit_of(1, kPrewarm), 1, 1, 0);
    BOOST_TEST(single.start_next(0).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_full_queue_refuses_at_once_but_prewarm_makes_room, Host)
{
    for (std::uint8_t key = 1; key <= 3; ++key) add(key, 1, 0);
    const WorkId warm = add(4, 1, 0, kPrewarm);
    BOOST_TEST((scheduler.submit({1, 1}, submit_of(5, kPrewarm), 1, 1, 0).admission == Admission::full));
    const auto admitted = scheduler.submit({1, 2}, submit_of(6), 1, 1, 0);
    BOOST_TEST((admitted.admission == Admission::queued));
    BOOST_TEST(admitted.displaced_work == warm);
    BOOST_REQUIRE(admitted.displaced.size() == 1U);
    BOOST_TEST((admitted.displaced[0] == Waiter{0, 4}));
    BOOST_TEST((scheduler.submit({1, 3}, submit_of(7), 1, 1, 0).admission == Admission::full));
    // Who joins takes no room.
    BOOST_TEST((scheduler.submit({1, 4}, submit_of(6), 1, 1, 0).admission == Admission::joined));
}

BOOST_FIXTURE_TEST_CASE(the_same_job_on_the_same_bytes_is_done_once, Host)
{
    const WorkId work = add(1, 1, 0, kPrewarm);
    const auto joined = scheduler.submit({7, 70}, submit_of(1), 1, 1, 0);
    BOOST_TEST((joined.admission == Admission::joined));
    BOOST_TEST(joined.work == work);
    // A wish of somebody who waits makes it urgent.
    BOOST_TEST(scheduler.queued(kInteractive) == 1U);
    BOOST_TEST(scheduler.queued(kPrewarm) == 0U);
    // Other bytes, or another job: a key may lie, or be none.
    BOOST_TEST((scheduler.submit({7, 71}, submit_of(1), 2, 100000, 0).admission == Admission::queued));
    Submit other = submit_of(1);
    other.job.width = 1;
    BOOST_TEST((scheduler.submit({7, 72}, other, 2, 100000, 0).admission == Admission::queued));
    BOOST_TEST((scheduler.submit({7, 70}, submit_of(9), 1, 1, 0).admission == Admission::duplicate));
    BOOST_TEST(scheduler.start_next(0).value() == work);
    BOOST_TEST((scheduler.submit({8, 80}, submit_of(1), 2, 1, 0).admission != Admission::full));
    const auto waiters = scheduler.finish(work);
    BOOST_TEST(waiters.size() == 2U);
    BOOST_TEST((waiters[1] == Waiter{7, 70}));
}

BOOST_AUTO_TEST_CASE(jobs_without_a_key_are_never_shared)
{
    Scheduler scheduler{1, 4};
    BOOST_TEST((scheduler.submit({0, 1}, submit_of(0), 1, 1, 0).admission == Admission::queued));
    BOOST_TEST((scheduler.submit({0, 2}, submit_of(0), 1, 1, 0).admission == Admission::queued));
}

BOOST_FIXTURE_TEST_CASE(a_render_lasts_as_long_as_somebody_waits, Host)
{
    const WorkId work = add(1, 1, 0);
    scheduler.submit({1, 1}, submit_of(1), 1, 1, 0);
    BOOST_TEST(!scheduler.cancel({0, 1}).dropped.has_value());
    BOOST_TEST(scheduler.cancel({1, 1}).dropped.value() == work);
    BOOST_TEST(!scheduler.start_next(0).has_value());
    BOOST_TEST(!scheduler.cancel({1, 1}).known);

    const WorkId second = add(2, 1, 0);
    scheduler.start_next(0);
    BOOST_TEST(scheduler.cancel({0, 2}).abandoned.value() == second);
    BOOST_TEST(scheduler.is_abandoned(second));
    // Wanted again before it was killed.
    BOOST_TEST((scheduler.submit({1, 5}, submit_of(2), 1, 1, 0).admission == Admission::joined));
    BOOST_TEST(!scheduler.is_abandoned(second));
    BOOST_TEST(scheduler.cancel_slot(1).size() == 1U);
    BOOST_TEST(scheduler.finish(second).empty());
    BOOST_TEST(scheduler.running() == 0U);
}

BOOST_AUTO_TEST_CASE(who_waits_past_his_deadline_is_told_so_alone)
{
    Scheduler scheduler{1, 4};
    const auto work = scheduler.submit({0, 1}, submit_of(1, kInteractive, 100), 1, 1, 0).work;
    scheduler.submit({0, 2}, submit_of(1, kInteractive, 200), 1, 1, 10);
    std::vector<WorkId> gone;
    BOOST_TEST(scheduler.expire(100, gone).empty());
    BOOST_TEST(scheduler.next_deadline().value() == 101U);
    const auto first = scheduler.expire(150, gone);
    BOOST_REQUIRE(first.size() == 1U);
    BOOST_TEST((first[0].waiter == Waiter{0, 1}));
    BOOST_TEST(first[0].waited_ms == 150U);
    BOOST_TEST(gone.empty());
    BOOST_TEST(scheduler.start_next(150).value() == work);
    // What has begun does not expire.
    BOOST_TEST(!scheduler.next_deadline().has_value());
    BOOST_TEST(scheduler.expire(1000, gone).empty());
    BOOST_TEST(scheduler.finish(work).size() == 1U);
    scheduler.submit({0, 3}, submit_of(3, kInteractive, 5), 1, 1, 0);
    scheduler.expire(6, gone);
    BOOST_TEST(gone.size() == 1U);
}

BOOST_AUTO_TEST_CASE(every_waiter_is_answered_exactly_once_whatever_happens)
{
    std::mt19937_64 random{5};
    for (int round = 0; round < 300; ++round) {
        const std::size_t processes = 1 + random() % 4;
        const std::size_t queue = random() % 6;
        Scheduler scheduler{processes, queue};
        std::set<Waiter> waiting;
        std::vector<WorkId> running;
        std::uint64_t now = 0;
        image::JobId next = 0;
        const auto answered = [&](const Waiter& waiter) { BOOST_REQUIRE(waiting.erase(waiter) == 1U); };
        for (int step = 0; step < 400; ++step) {
            now += random() % 30;
            switch (random() % 6) {
                case 0:
                case 1: {
                    const Waiter waiter{static_cast<std::uint32_t>(random() % 3), ++next};
                    auto submit =
                        submit_of(static_cast<std::uint8_t>(random() % 8),
                                  random() % 2 == 0 ? kInteractive : kPrewarm, now + random() % 200);
                    const auto admitted =
                        scheduler.submit(waiter, submit, random() % 2, random() % 100'000, now);
                    for (const Waiter& displaced : admitted.displaced) answered(displaced);
                    if (admitted.admission == Admission::queued || admitted.admission == Admission::joined)
                        waiting.insert(waiter);
                    break;
                }
                case 2:
                    if (const auto work = scheduler.start_next(now)) running.push_back(*work);
                    break;
                case 3:
                    if (!running.empty()) {
                        const std::size_t which = random() % running.size();
                        for (const Waiter& waiter : scheduler.finish(running[which])) answered(waiter);
                        running.erase(running.begin() + static_cast<std::ptrdiff_t>(which));
                    }
                    break;
                case 4: {
                    std::vector<WorkId> gone;
                    for (const auto& expired : scheduler.expire(now, gone)) answered(expired.waiter);
                    break;
                }
                default:
                    if (random() % 20 == 0) {
                        const auto slot = static_cast<std::uint32_t>(random() % 3);
                        const auto left = scheduler.cancel_slot(slot);
                        std::size_t count = 0;
                        std::erase_if(waiting,
                                      [&](const Waiter& w) { return w.slot == slot && ++count > 0; });
                        BOOST_REQUIRE(left.size() == count);
                    } else if (!waiting.empty()) {
                        const Waiter waiter = *std::next(
                            waiting.begin(), static_cast<std::ptrdiff_t>(random() % waiting.size()));
                        BOOST_REQUIRE(scheduler.cancel(waiter).known);
                        answered(waiter);
                    }
                    break;
            }
            const bool within = scheduler.queued(kInteractive) + scheduler.queued(kPrewarm) <= queue &&
                                scheduler.running() == running.size() && running.size() <= processes;
            BOOST_REQUIRE(within);
        }
        // Nothing is left over: what still waits is started and finished.
        for (;;) {
            for (const WorkId work : running)
                for (const Waiter& waiter : scheduler.finish(work)) answered(waiter);
            running.clear();
            while (const auto work = scheduler.start_next(now)) running.push_back(*work);
            if (running.empty()) break;
        }
        BOOST_TEST(waiting.empty());
    }
}

BOOST_AUTO_TEST_CASE(estimates_tell_small_jobs_from_large_ones)
{
    image::Job thumbnail;
    thumbnail.target = image::Format::webp;
    thumbnail.width = thumbnail.height = 150;
    image::Job large = thumbnail;
    large.width = large.height = 1200;
    image::Job avif = large;
    avif.target = image::Format::avif;
    const auto cost = [](const image::Job& job, std::uint64_t bytes) {
        return estimate_cost_us(job, image::Format::jpeg, bytes);
    };
    BOOST_TEST(cost(thumbnail, 1'000'000) < cost(thumbnail, 4'000'000));
    BOOST_TEST(cost(thumbnail, 1'000'000) < cost(large, 1'000'000));
    BOOST_TEST(cost(large, 1'000'000) < cost(avif, 1'000'000));
    avif.width = 4'000'000'000;
    avif.dpr = 400;
    BOOST_TEST(cost(avif, ~0ULL) < 3'600'000'000ULL);
}

BOOST_AUTO_TEST_SUITE_END()

}
