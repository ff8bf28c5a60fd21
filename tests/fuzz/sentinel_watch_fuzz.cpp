#include <algorithm>

#include "fuzz/input.hpp"
#include "redis/sentinel.hpp"

using namespace edge::redis;
using namespace edge::fuzz;

/// Any order of events: it never asks twice at once or more often than it may, and never takes for the master
/// what did not say so itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using Task = SentinelWatch::Task;
    Input in{data, size};
    constexpr std::size_t sentinels = 3;
    SentinelWatch watch{sentinels};
    std::uint64_t now = 1;
    Task under_way;
    std::uint64_t asked = 0;
    std::uint64_t told = 0;  // events that permit a question of their own
    const std::uint64_t begin = now;
    while (!in.empty()) {
        const std::uint8_t what = in.byte();
        const HostPort some{"r", static_cast<std::uint16_t>(1 + what % 4)};
        const auto before = watch.master();
        switch (what >> 5) {
            case 0:
                now += what & 31;
                break;
            case 1:
                now += 100 * (what & 31);
                break;
            case 2: {
                const Task task = watch.due(now);
                if (task.what == Task::What::nothing) {
                    FUZZ_CHECK((under_way.what == Task::What::nothing) == (task.again_at_ms > now));
                } else {
                    FUZZ_CHECK(under_way.what == Task::What::nothing);
                    under_way = task;
                    ++asked;
                }
                break;
            }
            case 3: {
                watch.on_answer(now, (what & 16) != 0 ? std::optional{some} : std::nullopt);
                if (under_way.what == Task::What::ask) under_way = {};
                break;
            }
            case 4: {
                const Role role = static_cast<Role>(what % 4);
                const bool changed = watch.on_role(now, role);
                FUZZ_CHECK(changed == (watch.master() != before));
                if (changed) {
                    FUZZ_CHECK(role == Role::master && under_way.what == Task::What::verify);
                    FUZZ_CHECK(watch.master() == under_way.server);
                }
                if (under_way.what == Task::What::verify) under_way = {};
                break;
            }
            case 5:
                watch.on_trouble(now);
                ++told;
                break;
            default:
                FUZZ_CHECK(watch.searching() || watch.master());
                break;
        }
        if (what >> 5 != 4) FUZZ_CHECK(watch.master() == before);
    }
    // A round asks each Sentinel and verifies once for each; rounds are kPauseMs apart.
    const std::uint64_t rounds = 2 + (now - begin) / SentinelWatch::kPauseMs + told;
    FUZZ_CHECK(asked <= rounds * 2 * sentinels);
    return 0;
}
