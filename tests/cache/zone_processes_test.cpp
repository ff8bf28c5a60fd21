#include <sched.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "cache/zone_fixture.hpp"
#include "cache/zone_processes.hpp"

using namespace edge::cache;

namespace {

constexpr std::uint64_t kKeys = 400;
constexpr unsigned kWorkers = 3;

/// What the workers and the test share.
struct Control {
    std::atomic<bool> stop, pause;
    std::atomic<unsigned> paused;
    std::atomic<std::uint64_t> operations, hits, joins, renewals;
    std::atomic<std::uint32_t> filling[kKeys];  ///< entry of the newest fill
    /// Of a key with one writer: the object that is there, if any, and the one that may be by now.
    std::atomic<std::uint64_t> settled[kKeys], intended[kKeys];
    Findings findings;
};

/// A process that does anything to a zone and checks every byte it is given.
class Worker {
public:
    Worker(void* memory, Control& control, unsigned number, std::uint64_t seed)
        : zone_{memory}, control_{control}, number_{number}, random_{seed}
    {}

    int run()
    {
        if (!zone_.attach()) return wrong("no slot");
        while (!control_.stop.load()) {
            if (control_.pause.load()) wait();
            operate();
            control_.operations.fetch_add(1, std::memory_order_relaxed);
        }
        pins_.clear();
        if (!zone_.idle()) return wrong("something is held at the end");
        zone_.detach();
        return 0;
    }

private:
    int wrong(const std::string& what)
    {
        control_.findings.add(what);
        return 1;
    }

    void wait()
    {
        control_.paused.fetch_add(1);
        while (control_.pause.load() && !control_.stop.load()) usleep(100);
        control_.paused.fetch_sub(1);
    }

    /// A third of the keys is written by one worker each, which knows what is there or nothing.
    bool is_mine(std::uint64_t key) const { return key % 3 == 0 && key / 3 % kWorkers == number_; }
    bool is_shared(std::uint64_t key) const { return key % 3 != 0; }

    Pin find(std::uint64_t key)
    {
        Pin pin = zone_.find(key_hash(zone_, key));
        if (!pin) return pin;
        control_.hits.fetch_add(1, std::memory_order_relaxed);
        check(pin, key);
        const std::uint64_t number = head_of(pin).number;
        if (is_mine(key) && number != control_.settled[key].load() && number != control_.intended[key].load())
            wrong("an older object is back");
        return pin;
    }

    static TestMeta head_of(const Pin& pin)
    {
        TestMeta head;
        std::memcpy(&head, pin.meta().data(), sizeof head);
        return head;
    }

    void check(const Pin& pin, std::uint64_t key)
    {
        if (const std::string what = wrong_with(pin, key); !what.empty()) wrong(what);
    }

    void intend(std::uint64_t key, std::uint64_t number)
    {
        if (is_mine(key)) control_.intended[key].store(number);
    }
    void settle(std::uint64_t key, std::uint64_t number)
    {
        if (is_mine(key)) control_.settled[key].store(number);
    }

    void operate()
    {
        const std::uint64_t key = random_.one_in(2) ? random_.below(kKeys) : random_.below(20);
        const bool may_write = is_shared(key) || is_mine(key);
        switch (random_.below(16)) {
            case 0:
            case 1:
                if (may_write) write(key);
                break;
            case 2:
                if (!may_write || !random_.one_in(4)) break;
                intend(key, 0);
                zone_.remove(key_hash(zone_, key));
                settle(key, 0);
                break;
            case 3:
                if (may_write) renew(key);
                break;
            case 4:
            case 5:
                follow(key);
                break;
            case 6:
                if (random_.one_in(20)) zone_.reclaim_dead();
                if (random_.one_in(2000)) zone_.clear();
                break;
            case 7:
                if (Pin pin = find(key)) pins_.emplace_back(std::move(pin), key);
                break;
            case 8:
                if (pins_.empty()) break;
                check(pins_.front().first, pins_.front().second);
                if (random_.one_in(8)) zone_.remove(pins_.front().first);
                if (random_.one_in(2)) pins_.emplace_back(pins_.front().first.again(), pins_.front().second);
                pins_.erase(pins_.begin());
                if (pins_.size() > 12) pins_.pop_back();
                break;
            default:
                find(key);
        }
    }

    void write(std::uint64_t key)
    {
        const std::uint64_t number = zone_.next_number();
        const std::uint64_t size = random_.below(random_.one_in(10) ? 120000 : 3000);
        Fill fill = zone_.begin(key_hash(zone_, key), random_.one_in(2) ? size : 0);
        if (!fill || !fill.set_meta(make_meta({key, number, size, number, 40 + random_.below(900)}))) return;
        control_.filling[key].store(fill.entry());
        Pin hold;
        if (random_.one_in(3)) hold = fill.hold();
        const std::uint64_t end = random_.one_in(5) ? random_.below(size + 1) : size;
        while (fill.body_size() < end) {
            const auto room = fill.room(
                static_cast<std::size_t>(std::min(end - fill.body_size(), 1 + random_.below(8000))));
            if (room.empty()) return;
            write_pattern(room, number, fill.body_size());
            fill.advance(room.size());
        }
        if (end != size) return;
        intend(key, number);
        const Pin pin = fill.finish();
        settle(key, number);
        if (pin) check(pin, key);
    }

    void renew(std::uint64_t key)
    {
        const Pin pin = find(key);
        if (!pin) return;
        TestMeta head = head_of(pin);
        head.meta_number = zone_.next_number();
        head.meta_size = 40 + random_.below(900);
        if (zone_.replace_meta(pin, make_meta(head))) control_.renewals.fetch_add(1);
    }

    /// Reads an announced object as far as it goes while it is written.
    void follow(std::uint64_t key)
    {
        const Pin pin = zone_.join(key_hash(zone_, key), control_.filling[key].load());
        if (!pin) return;
        control_.joins.fetch_add(1, std::memory_order_relaxed);
        const TestMeta head = head_of(pin);
        if (head.key != key) wrong("joined another key's object");
        Pin::Reader reader;
        for (int patience = 50; patience != 0 && !control_.pause.load(); --patience) {
            const Progress progress = pin.progress();
            for (std::uint64_t from = 0;;) {
                from = reader.position();
                const auto bytes = pin.next_available(reader);
                if (bytes.empty()) break;
                if (!has_pattern(bytes, head.number, from)) wrong("wrong bytes of a body being written");
            }
            if (progress == Progress::complete && reader.position() != head.body_size)
                wrong("a complete body is short");
            if (progress != Progress::filling) break;
            sched_yield();
        }
    }

    Zone zone_;
    Control& control_;
    unsigned number_;
    Random random_;
    std::vector<std::pair<Pin, std::uint64_t>> pins_;
};

struct Processes {
    TestMemory memory{1536 * 1024};
    Zone zone{memory.get()};
    Shared<Control> control;
    std::vector<Child> workers;
    std::uint64_t seeds = 0;

    Child start(unsigned number)
    {
        const std::uint64_t seed = ++seeds;
        return Child{[this, number, seed] { return Worker{memory.get(), *control, number, seed}.run(); }};
    }
    /// All workers that live wait between two operations. false: they did not within a minute.
    bool pause()
    {
        control->pause.store(true);
        for (int i = 0; i < 600000; ++i) {
            if (control->paused.load() == workers.size()) return true;
            usleep(100);
        }
        return false;
    }
    void go_on()
    {
        control->pause.store(false);
        while (control->paused.load() != 0) usleep(50);
    }
    void end()
    {
        control->stop.store(true);
        for (Child& worker : workers) BOOST_TEST(worker.wait() == 0);
        workers.clear();
        zone.reclaim_dead();
        BOOST_TEST(zone.check() == "");
        BOOST_TEST(zone.stats().dead_bytes == 0U);
        BOOST_REQUIRE(zone.attach());
        zone.clear();
        BOOST_TEST(zone.stats().used_bytes == 0U);
        BOOST_TEST(zone.check() == "");
        BOOST_TEST(control->findings.count.load() == 0U);
        BOOST_TEST(std::string{control->findings.first} == "");
    }
};

std::uint64_t number_from(const char* name, std::uint64_t otherwise)
{
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}

BOOST_AUTO_TEST_SUITE(zone_processes)

BOOST_FIXTURE_TEST_CASE(processes_on_one_zone_never_see_a_wrong_byte, Processes)
{
    const std::uint64_t operations = number_from("EDGE_ZONE_OPERATIONS", 300000);
    for (unsigned i = 0; i < kWorkers; ++i) workers.push_back(start(i));
    for (std::uint64_t next = 0; control->operations.load() < operations; next += operations / 20) {
        while (control->operations.load() < next) usleep(500);
        BOOST_REQUIRE(pause());
        BOOST_REQUIRE_EQUAL(zone.check(), "");
        go_on();
    }
    end();
    BOOST_TEST(control->hits.load() > operations / 20);
    BOOST_TEST(control->joins.load() > 100U);
    BOOST_TEST(control->renewals.load() > operations / 200);
    BOOST_TEST(zone.stats().evictions > 100U);
    BOOST_TEST(zone.stats().recoveries == 0U);
}

// EDGE_ZONE_KILLS says how many, 500 unless set.
BOOST_FIXTURE_TEST_CASE(a_worker_killed_at_any_instant_leaves_the_zone_whole, Processes)
{
    const std::uint64_t kills = number_from("EDGE_ZONE_KILLS", 500);
    Random random{42};
    for (unsigned i = 0; i < kWorkers; ++i) workers.push_back(start(i));
    for (std::uint64_t i = 0; i < kills; ++i) {
        const std::uint64_t before = control->operations.load();
        while (control->operations.load() < before + 20) sched_yield();
        usleep(static_cast<useconds_t>(random.below(1500)));
        const auto victim = static_cast<unsigned>(random.below(kWorkers));
        BOOST_REQUIRE(workers[victim].kill_now());
        std::swap(workers[victim], workers.back());
        workers.pop_back();
        BOOST_REQUIRE(pause());
        // Nobody may have noticed yet: what it held counts as held, what it was about to free is left.
        const std::string before_reclaim = zone.check();
        if (!before_reclaim.empty())
            BOOST_REQUIRE_EQUAL(before_reclaim, "a dead entry without pins was not freed");
        zone.reclaim_dead();
        BOOST_REQUIRE_EQUAL(zone.check(), "");
        BOOST_REQUIRE_EQUAL(std::string{control->findings.first}, "");
        go_on();
        workers.push_back(start(victim));
        std::swap(workers[victim], workers.back());
    }
    end();
    BOOST_TEST_MESSAGE(kills << " kills, " << zone.stats().recoveries << " of them with a lock held, "
                             << control->operations.load() << " operations");
    BOOST_TEST(zone.stats().recoveries > kills / 100);
}

BOOST_AUTO_TEST_SUITE_END()
