#include "status/performance.hpp"

#include <array>
#include <charconv>
#include <ctime>

#include "status/text.hpp"

namespace edge::status {

namespace {

/// `part` of `whole` in percent, with two decimals.
void append_percent(std::string& out, std::uint64_t part, std::uint64_t whole)
{
    const double percent = whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
    std::array<char, 32> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), percent, std::chars_format::fixed, 2).ptr;
    out.append(digits.data(), end);
}

void append_member(std::string& out, std::string_view before_and_key, std::uint64_t value)
{
    out += before_and_key;
    append_integer(out, value);
}

void append_memory(std::string& out, const Snapshot& snapshot)
{
    append_member(out, R"({"used":)", snapshot.memory.used);
    append_member(out, R"(,"limit":)", snapshot.memory.limit);
    out += R"(,"percentage":)";
    append_percent(out, snapshot.memory.used, snapshot.memory.limit);
    out += '}';
}

void append_cache(std::string& out, const Snapshot& snapshot)
{
    std::uint64_t keys = 0;
    for (const ZoneReport& zone : snapshot.zones) keys += zone.objects;
    const Totals& totals = snapshot.totals;
    const std::uint64_t hits = totals[Counter::requests_hit] + totals[Counter::requests_stale] +
                               totals[Counter::requests_updating] + totals[Counter::requests_revalidated];
    const std::uint64_t misses = totals[Counter::requests_miss] + totals[Counter::requests_expired];
    out.append(R"({"available":)").append(snapshot.zones.empty() ? "false" : "true");
    append_member(out, R"(,"stats":{"keys":)", keys);
    append_member(out, R"(,"hits":)", hits);
    append_member(out, R"(,"misses":)", misses);
    out += R"(,"hitRate":)";
    append_percent(out, hits, hits + misses);
    out += "}}";
}

void append_websocket(std::string& out, const Snapshot& snapshot)
{
    const Totals& totals = snapshot.totals;
    std::uint64_t batches = 0;
    for (std::size_t i = 0; i < kCounters.size(); ++i) {
        if (kCounters[i].family == Family::websocket_batches) batches += totals.counters[i];
    }
    const std::uint64_t before = totals[Counter::websocket_bytes_from_upstream];
    const std::uint64_t sent = totals[Counter::websocket_bytes_to_client];
    out.append(R"({"batcherEnabled":)").append(snapshot.websockets ? "true" : "false");
    append_member(out, R"(,"metrics":{"connections":)", totals[Counter::websocket_active]);
    append_member(out, R"(,"messages":)", totals[Counter::websocket_messages_upstream]);
    append_member(out, R"(,"batches":)", batches);
    append_member(out, R"(,"bytesBefore":)", before);
    append_member(out, R"(,"bytesSent":)", sent);
    out += R"(,"saved":)";
    append_percent(out, sent < before ? before - sent : 0, before);
    out += "}}";
}

void append_time(std::string& out, std::int64_t seconds)
{
    const auto time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 32> text;
    out.append(text.data(), std::strftime(text.data(), text.size(), "\"%Y-%m-%dT%H:%M:%S.000Z\"", &parts));
}

}

void render_performance(PerformancePage page, const Snapshot& snapshot, std::string& out)
{
    out += R"({"success":true,"data":)";
    switch (page) {
        case PerformancePage::memory:
            append_memory(out, snapshot);
            break;
        case PerformancePage::cache:
            append_cache(out, snapshot);
            break;
        case PerformancePage::websocket:
            append_websocket(out, snapshot);
            break;
        case PerformancePage::metrics:
            out += R"({"memory":)";
            append_memory(out, snapshot);
            out += R"(,"cache":)";
            append_cache(out, snapshot);
            out += R"(,"websocket":)";
            append_websocket(out, snapshot);
            out += '}';
            break;
    }
    out += R"(,"timestamp":)";
    append_time(out, snapshot.program.now);
    out += "}\n";
}

}
