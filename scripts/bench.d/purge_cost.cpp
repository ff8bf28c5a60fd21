/// What a purge and the check at a hit cost, in nanoseconds, without nginx around it. Built and run by
/// scripts/bench purge.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cache/purge_table.hpp"

using namespace edge::cache;

namespace {

using Clock = std::chrono::steady_clock;

/// The median of several runs of `n` calls, in nanoseconds a call.
template <class F>
double cost(std::size_t n, F&& call)
{
    std::vector<double> runs;
    for (int run = 0; run < 9; ++run) {
        const auto begin = Clock::now();
        for (std::size_t i = 0; i < n; ++i) call(i);
        runs.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
                       static_cast<double>(n));
    }
    std::sort(runs.begin(), runs.end());
    return runs[runs.size() / 2];
}

void row(const char* what, double ns)
{
    std::printf("%-72s %9.1f ns\n", what, ns);
}

}

int main()
{
    void* memory = std::aligned_alloc(64, (PurgeTable::bytes_needed() + 63) / 64 * 64);
    if (memory == nullptr) return 1;
    PurgeTable::format(memory, 4711);
    PurgeTable table{memory};

    // 65,536 objects with 8 tags each: URL, key and six names.
    constexpr std::size_t kObjects = 65536;
    std::vector<std::array<std::uint64_t, 8>> tags(kObjects);
    for (std::size_t i = 0; i < kObjects; ++i) {
        const std::string url = "example.com/some/path/of/an/object/" + std::to_string(i);
        tags[i][0] = table.hash(TagKind::url, url);
        tags[i][1] = table.hash(TagKind::key, "example.com http://" + url);
        for (std::size_t t = 2; t < 8; ++t)
            tags[i][t] = table.hash(TagKind::name, "tag" + std::to_string(i % 1000 * t));
    }
    const std::string url = "example.com/some/path/of/an/object/12345";
    std::uint64_t dead = 0;
    const auto judge = [&](std::size_t i, std::size_t count, std::uint64_t sequence) {
        const auto& object = tags[i % kObjects];
        const Purgeable p{sequence, {object.data(), count}, object[1], url};
        dead += table.judge(p).life == Life::dead ? 1 : 0;
    };
    const auto purge = [&](std::uint64_t tag) {
        const std::array<std::uint64_t, 1> one{tag};
        table.purge({.tags = one, .prefixes = {}, .all = false, .soft = false, .now = 0});
    };

    row("hit, nothing purged since", cost(1'000'000, [&](std::size_t i) { judge(i, 8, 0); }));
    purge(table.hash(TagKind::name, "first"));
    row("hit, older than the only purge, 8 tags", cost(1'000'000, [&](std::size_t i) { judge(i, 8, 0); }));
    std::uint64_t n = 0;
    row("purge of a tag, with room in the table",
        cost(4000, [&](std::size_t) { purge(table.hash(TagKind::name, "fill" + std::to_string(n++))); }));
    while (table.stats().tags < PurgeTable::kTags)
        purge(table.hash(TagKind::name, "fill" + std::to_string(n++)));
    row("purge of a tag, table full",
        cost(4000, [&](std::size_t) { purge(table.hash(TagKind::name, "more" + std::to_string(n++))); }));
    const std::uint64_t old = table.sequence() - 1;
    row("hit, table full, nothing purged since",
        cost(1'000'000, [&](std::size_t i) { judge(i, 8, table.sequence()); }));
    row("hit, table full, older than the last purge, 2 tags (URL and key)",
        cost(1'000'000, [&](std::size_t i) { judge(i, 2, old); }));
    row("hit, table full, older than the last purge, 8 tags",
        cost(1'000'000, [&](std::size_t i) { judge(i, 8, old); }));
    for (std::size_t i = 0; i < PurgeTable::kPrefixes; ++i) {
        const std::string text = "example.com/prefix/number/" + std::to_string(i) + "/";
        const std::array<std::string_view, 1> prefixes{text};
        table.purge({.tags = {}, .prefixes = prefixes, .all = false, .soft = false, .now = 0});
    }
    row("hit, the same and older than 64 prefixes", cost(200'000, [&](std::size_t i) { judge(i, 8, old); }));
    std::free(memory);
    return dead == ~std::uint64_t{0} ? 1 : 0;
}
