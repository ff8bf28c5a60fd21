#include <cstdio>
#include <cstdlib>

#include "cache/hit_ratio.hpp"

using namespace edge::cache;

/// hitratio [REQUESTS]: prints the table of scripts/bench hitratio.
int main(int argc, char** argv)
{
    const std::uint64_t requests = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
    constexpr std::uint64_t kMega = 1024 * 1024;
    std::printf("%-28s %6s   %8s %8s %7s   %8s %8s\n", "", "", "hits %", "", "", "bytes %", "");
    std::printf("%-28s %6s   %8s %8s %7s   %8s %8s\n", "stream", "zone", "zone", "LRU", "diff", "zone",
                "LRU");
    bool held = true;
    for (const std::uint64_t mega : {32, 128, 512}) {
        for (const hit_ratio::Case& c : hit_ratio::kCases) {
            const auto r = hit_ratio::measure({c.kind, 100000, {500, 2000000}, 1}, mega * kMega, requests);
            const bool good = r.zone - r.lru >= c.at_least;
            held = held && good;
            std::printf("%-28s %5dm   %8.2f %8.2f %+7.2f   %8.2f %8.2f%s\n", c.kind.name,
                        static_cast<int>(mega), r.zone, r.lru, r.zone - r.lru, r.zone_bytes, r.lru_bytes,
                        good ? "" : "  MISSED");
            std::fflush(stdout);
        }
    }
    return held ? 0 : 1;
}
