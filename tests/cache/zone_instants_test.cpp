#include <linux/futex.h>
#include <sys/ptrace.h>

#include <boost/test/unit_test.hpp>
#include <functional>
#include <optional>

#include "cache/zone_fixture.hpp"
#include "cache/zone_layout.hpp"
#include "cache/zone_ledger.hpp"
#include "cache/zone_processes.hpp"

using namespace edge::cache;

/// A process is led through an operation one machine instruction at a time. After each that changed the zone,
/// a copy of the zone is what the others would find if it died there: its mutexes are marked as the kernel
/// marks those of the dead, and the copy is recovered and checked.
namespace {

constexpr std::uint64_t kZoneBytes = 1024 * 1024;

class Instants {
public:
    TestMemory memory{kZoneBytes}, copy{kZoneBytes};
    Zone zone{memory.get()};   // of the test: a worker that survives
    std::vector<Pin> pins;     // it holds
    std::vector<Fill> fills;   // it writes; key 900 and up, no instant may change them
    std::uint64_t keys = 40;   // objects that may be there
    std::uint64_t states = 0;  // instants looked at

    Instants() { BOOST_REQUIRE(zone.attach()); }

    /// Looks at every instant of operation() in another process, which prepare() made ready.
    void of(const std::function<bool(Zone&)>& prepare, const std::function<bool(Zone&)>& operation)
    {
        std::memcpy(copy.get(), memory.get(), kZoneBytes);
        Child victim{[&] {
            Zone theirs{memory.get()};
            if (!prepare(theirs)) return 1;
            ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            raise(SIGSTOP);
            const bool right = operation(theirs);
            raise(SIGSTOP);
            return right ? 0 : 2;
        }};
        BOOST_REQUIRE(stopped(victim) == SIGSTOP);
        std::vector<std::byte> seen(kZoneBytes);
        for (std::uint64_t step = 0;; ++step) {
            // Bodies, and with them the blocks of extents, are compared less often.
            const std::uint64_t watched = step % 16 == 0 ? kZoneBytes : tables();
            if (std::memcmp(seen.data(), memory.get(), watched) != 0) {
                std::memcpy(seen.data(), memory.get(), kZoneBytes);
                if (const std::string wrong = after_death(seen, victim.pid()); !wrong.empty()) {
                    BOOST_FAIL("at step " << step << ": " << wrong);
                }
            }
            BOOST_REQUIRE(ptrace(PTRACE_SINGLESTEP, victim.pid(), nullptr, nullptr) == 0);
            const int signal = stopped(victim);
            if (signal == SIGSTOP) break;
            BOOST_REQUIRE(signal == SIGTRAP);
        }
        ptrace(PTRACE_CONT, victim.pid(), nullptr, nullptr);
        BOOST_TEST(victim.wait() == 0);
        zone.reclaim_dead();
        BOOST_TEST(zone.check() == "");
        for (const Pin& pin : pins) BOOST_TEST(wrong_with(pin, key_of(pin)) == "");
    }

private:
    static std::uint64_t key_of(const Pin& pin)
    {
        TestMeta head;
        std::memcpy(&head, pin.meta().data(), sizeof head);
        return head.key;
    }

    static int stopped(const Child& child)
    {
        int status = 0;
        waitpid(child.pid(), &status, 0);
        return WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
    }

    std::uint64_t tables() const
    {
        return std::uint64_t{static_cast<zone::Header*>(memory.get())->geometry.first_page} *
               zone::kPageBytes;
    }

    static void kernel_marks(zone::Mutex& mutex, pid_t dead)
    {
        std::uint32_t word;  // glibc's mutex begins with its futex
        std::memcpy(&word, mutex.storage, sizeof word);
        if ((word & FUTEX_TID_MASK) != static_cast<std::uint32_t>(dead)) return;
        word = FUTEX_OWNER_DIED;
        std::memcpy(mutex.storage, &word, sizeof word);
    }

    std::string after_death(const std::vector<std::byte>& instant, pid_t dead)
    {
        ++states;
        std::memcpy(copy.get(), instant.data(), kZoneBytes);
        const zone::Area area{static_cast<std::byte*>(copy.get())};
        kernel_marks(area.header().ledger.mutex, dead);
        for (std::uint32_t s = 0; s < zone::kShards; ++s) kernel_marks(area.shard(s).mutex, dead);
        for (zone::Slot& slot : area.header().slots) kernel_marks(slot.mutex, dead);

        Zone survivor{copy.get()};
        // Sometimes it works on before the death is noticed.
        const bool late = states % 2 == 0;
        if (!late) {
            survivor.reclaim_dead();
            if (const char* wrong = survivor.check(); *wrong != '\0') return wrong;
        }
        if (!survivor.attach()) return "no slot";
        std::string wrong = usable(survivor);
        if (wrong.empty()) wrong = survivor.check();
        if (wrong.empty() && zone::Ledger{area}.entries(zone::Account::filling) != fills.size())
            wrong = "a dead process' fill is left";
        if (wrong.empty() && states % 8 == 0) {
            for (std::uint64_t k = 5000; survivor.stats().evictions < 50 && k < 7000; ++k)
                store(survivor, {.key = k, .body = 3000});
            wrong = survivor.check();
        }
        if (wrong.empty()) wrong = pinned_bytes();
        if (wrong.empty()) {
            survivor.clear();
            wrong = survivor.check();
        }
        if (wrong.empty() && pins.empty() && fills.empty() && survivor.stats().used_bytes != 0)
            wrong = "bytes are lost";
        survivor.detach();
        if (survivor.attached()) std::abort();
        return wrong;
    }

    std::string usable(Zone& survivor)
    {
        for (std::uint64_t k = 1; k < keys; ++k) {
            const Pin pin = survivor.find(key_hash(survivor, k));
            if (!pin) continue;
            if (const std::string wrong = wrong_with(pin, k); !wrong.empty()) return wrong;
        }
        const Pin pin = store(survivor, {.key = 4999, .body = 700});
        return pin ? wrong_with(pin, 4999) : "no room";
    }

    /// What this process' pins show lies in the copy as well.
    std::string pinned_bytes() const
    {
        const auto* here = static_cast<const std::byte*>(memory.get());
        const auto* there = static_cast<const std::byte*>(copy.get());
        for (const Pin& pin : pins) {
            bool right = true;
            const auto compare = [&](std::span<const std::byte> bytes) {
                right = right && std::memcmp(bytes.data(), there + (bytes.data() - here), bytes.size()) == 0;
            };
            compare(pin.meta());
            pin.for_each_piece(compare);
            if (!right) return "pinned bytes have changed";
        }
        return "";
    }
};

bool attaches(Zone& zone)
{
    return zone.attach();
}

}

BOOST_AUTO_TEST_SUITE(zone_instants)

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_attaching_and_detaching_leaves_a_usable_zone, Instants)
{
    store(zone, {.key = 1, .body = 500});
    of([](Zone&) { return true; },
       [](Zone& theirs) {
           if (!theirs.attach()) return false;
           theirs.detach();
           return true;
       });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 10U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_a_hit_leaves_a_usable_zone, Instants)
{
    pins.push_back(store(zone, {.key = 1, .body = 500}));
    of(attaches, [this](Zone& theirs) {
        const Pin pin = theirs.find(key_hash(theirs, 1));
        const Pin again = pin.again(), joined = theirs.join(key_hash(theirs, 1), pin.entry());
        return wrong_with(pin, 1).empty();
    });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 10U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_a_fill_leaves_a_usable_zone, Instants)
{
    pins.push_back(store(zone, {.key = 1, .body = 500}));
    of(attaches, [](Zone& theirs) {
        const bool one = !!store(theirs, {.key = 2, .body = 900});
        const bool two = !!store(theirs, {.key = 3, .body = 1000, .sized = false, .meta_last = true});
        // In place of an object that somebody reads.
        return one && two && store(theirs, {.key = 1, .body = 300});
    });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 100U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_a_dropped_fill_leaves_a_usable_zone, Instants)
{
    of(attaches, [](Zone& theirs) {
        Fill fill = theirs.begin(key_hash(theirs, 2), 0);
        if (!fill.set_meta(make_meta({}))) return false;
        fill.advance(fill.room(4000).size());
        fill.advance(fill.room(4000).size());
        const Pin hold = fill.hold();
        fill = {};
        return true;
    });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 50U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_a_fill_of_many_extents_leaves_a_usable_zone, Instants)
{
    // Only runs of two units are free, and nothing can be evicted: all else is being written.
    const auto begin = [this](std::uint64_t bytes) {
        Fill fill = zone.begin(key_hash(zone, 900 + fills.size()), bytes);
        BOOST_REQUIRE(fill.set_meta(make_meta({})));
        return fill;
    };
    while (zone.stats().capacity_bytes - zone.stats().used_bytes > 300000) fills.push_back(begin(220000));
    fills.push_back(begin(zone.stats().capacity_bytes - zone.stats().used_bytes - 80000));
    std::vector<Fill> dropped;
    while (zone.stats().capacity_bytes != zone.stats().used_bytes) {
        dropped.push_back(begin(400));
        fills.push_back(begin(400));
    }
    BOOST_TEST(dropped.size() > 60U);
    dropped.clear();
    // In the child; a body that is not finished is not looked at, so nobody writes it.
    Fill fill;
    const auto extend = [&fill](std::uint64_t extents) {
        for (std::uint64_t i = 0; i < extents; ++i) {
            const auto room = fill.room(512);
            if (room.size() != 512) return false;
            fill.advance(512);
        }
        return true;
    };
    // The last of the entry's own, the first of a block; the last of a block and the first of the next.
    for (const std::uint64_t before : {1U, 32U}) {
        of(
            [&](Zone& theirs) {
                if (!theirs.attach()) return false;
                fill = theirs.begin(key_hash(theirs, 2), 0);
                return fill.set_meta(make_meta({2, 5, 18000, 5, 512})) && extend(before);
            },
            [&](Zone&) {
                const bool right = extend(4);
                fill = {};
                return right;
            });
    }
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 100U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_an_eviction_leaves_a_usable_zone, Instants)
{
    for (std::uint64_t k = 1; zone.stats().evictions == 0; ++k) store(zone, {.key = k, .body = 1900});
    keys = 600;
    for (std::uint64_t k = 300; k < 330; ++k) {
        Pin pin = zone.find(key_hash(zone, k));
        if (pin && k % 3 == 0) pins.push_back(std::move(pin));
        zone.find(key_hash(zone, k));
    }
    of(attaches, [](Zone& theirs) {
        bool right = true;
        for (std::uint64_t k = 601; k < 604; ++k) right = right && store(theirs, {.key = k, .body = 1500});
        return right;
    });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 200U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_renewing_a_meta_leaves_a_usable_zone, Instants)
{
    pins.push_back(store(zone, {.key = 1, .body = 500}));
    store(zone, {.key = 2, .body = 500, .meta_last = true});
    of(attaches, [](Zone& theirs) {
        bool right = true;
        for (const std::uint64_t k : {1, 2}) {
            Pin first = theirs.find(key_hash(theirs, k));
            TestMeta head;
            std::memcpy(&head, first.meta().data(), sizeof head);
            const auto renew = [&](std::uint64_t number) {
                return theirs.replace_meta(first, make_meta({k, head.number, head.body_size, number, 260}));
            };
            right = right && theirs.claim_update(first, 1000, 30) && renew(11);
            Pin second = theirs.find(key_hash(theirs, k));
            right = right && renew(12);
            Pin third = theirs.find(key_hash(theirs, k));
            second = {};
            right = right && renew(13);
            third = {};
            first = {};
        }
        return right;
    });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 100U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_removing_leaves_a_usable_zone, Instants)
{
    pins.push_back(store(zone, {.key = 1, .body = 500}));
    for (std::uint64_t k = 2; k < 12; ++k) store(zone, {.key = k, .body = k * 100});
    of(attaches, [](Zone& theirs) {
        Pin own = theirs.find(key_hash(theirs, 2));
        bool right = theirs.remove(key_hash(theirs, 1)) && theirs.remove(own);
        own = {};
        right = right && theirs.remove(key_hash(theirs, 3));
        theirs.clear();
        return right;
    });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 100U);
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_following_a_fill_leaves_it_unharmed, Instants)
{
    fills.push_back(zone.begin(key_hash(zone, 900), 0));
    BOOST_REQUIRE(fills[0].set_meta(make_meta({900, 7, 1000, 7, 100})));
    const auto room = fills[0].room(1000);
    write_pattern(room, 7, 0);
    fills[0].advance(room.size());
    const std::uint32_t entry = fills[0].entry();
    of(attaches, [entry](Zone& theirs) {
        const Pin pin = theirs.join(key_hash(theirs, 900), entry);
        Pin::Reader reader;
        return pin && pin.next_available(reader).size() == 1000;
    });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 3U);
    fills[0].finish();
    BOOST_TEST(wrong_with(zone.find(key_hash(zone, 900)), 900) == "");
}

BOOST_FIXTURE_TEST_CASE(a_death_at_any_instant_of_clearing_up_after_a_death_leaves_a_usable_zone, Instants)
{
    store(zone, {.key = 1, .body = 500});
    pins.push_back(store(zone, {.key = 2, .body = 500}));
    {
        Child first{[&] {
            Zone theirs{memory.get()};
            if (!theirs.attach()) return 1;
            const Pin one = theirs.find(key_hash(theirs, 1)), two = theirs.find(key_hash(theirs, 2));
            theirs.remove(one);
            const bool renewed =
                theirs.replace_meta(two, std::vector<std::byte>(two.meta().begin(), two.meta().end()));
            Fill fill = theirs.begin(key_hash(theirs, 3), 0);
            if (!renewed || !fill.set_meta(make_meta({}))) return 2;
            fill.advance(fill.room(5000).size());
            kill(getpid(), SIGKILL);
            return 0;
        }};
        BOOST_REQUIRE(first.wait() == 128 + SIGKILL);
    }
    of([](Zone&) { return true; }, [](Zone& theirs) { return theirs.reclaim_dead() == 1; });
    BOOST_TEST_MESSAGE(states << " instants");
    BOOST_TEST(states > 10U);
}

BOOST_AUTO_TEST_SUITE_END()
