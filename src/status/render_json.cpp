#include <algorithm>
#include <array>
#include <charconv>

#include "status/log_figures.hpp"
#include "status/node_figures.hpp"
#include "status/report.hpp"
#include "status/text.hpp"
#include "status/zone_figures.hpp"

namespace edge::status {

namespace {

/// Writes members named by dotted paths; a path opens and closes the objects between it and the one before.
/// Paths that begin alike must follow each other.
class JsonTree {
public:
    explicit JsonTree(std::string& out) : out_{out} { out_ += '{'; }

    /// Leaves the output where the member's value goes.
    std::string& member(std::string_view path)
    {
        const std::size_t dot = path.rfind('.');
        enter(dot == path.npos ? std::string_view{} : path.substr(0, dot));
        key(dot == path.npos ? path : path.substr(dot + 1));
        return out_;
    }

    void end()
    {
        enter({});
        out_ += '}';
    }

private:
    static bool within(std::string_view path, std::string_view object) noexcept
    {
        return object.empty() ||
               (path.starts_with(object) && (path.size() == object.size() || path[object.size()] == '.'));
    }

    void enter(std::string_view object)
    {
        while (!within(object, open_)) {
            out_ += '}';
            const std::size_t dot = open_.rfind('.');
            open_.resize(dot == open_.npos ? 0 : dot);
            first_ = false;
        }
        while (open_.size() < object.size()) {
            const std::size_t from = open_.empty() ? 0 : open_.size() + 1;
            const std::size_t to = std::min(object.find('.', from), object.size());
            key(object.substr(from, to - from));
            out_ += '{';
            first_ = true;
            open_ = object.substr(0, to);
        }
    }

    void key(std::string_view name)
    {
        if (!first_) out_ += ',';
        first_ = false;
        append_json_string(out_, name);
        out_ += ':';
    }

    std::string& out_;
    std::string open_;  ///< the path of the innermost open object
    bool first_ = true;
};

void append_ratio(std::string& out, std::optional<double> ratio)
{
    if (!ratio) {
        out += "null";
        return;
    }
    std::array<char, 16> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), *ratio, std::chars_format::fixed, 4).ptr;
    out.append(digits.data(), end);
}

void write_program(JsonTree& json, const Snapshot& snapshot)
{
    const ProgramReport& program = snapshot.program;
    const std::int64_t started = program.started_at != 0 ? program.started_at : snapshot.totals.since;
    append_json_string(json.member("edge.version"), program.version);
    append_json_string(json.member("edge.nginx_version"), program.server_version);
    append_integer(json.member("edge.workers"), std::uint64_t{program.workers});
    append_integer(json.member("edge.pid"), program.pid);
    append_integer(json.member("edge.generation"), snapshot.totals.generation);
    append_integer(json.member("edge.started_at"), started);
    append_integer(json.member("edge.counting_since"), snapshot.totals.since);
    append_integer(json.member("edge.now"), program.now);
    append_integer(json.member("edge.uptime_s"), std::max<std::int64_t>(0, program.now - started));
}

void write_counters(JsonTree& json, const Totals& totals)
{
    append_ratio(json.member("cache.hit_ratio"), hit_ratio(totals));
    append_ratio(json.member("cache.offload_ratio"), offload_ratio(totals));
    std::string path;
    for (std::size_t i = 0; i < kCounters.size(); ++i) {
        // The first of its object.
        if (i == static_cast<std::size_t>(Counter::websocket_opened))
            append_ratio(json.member("websocket.compression_ratio"), compression_ratio(totals));
        path = info(kCounters[i].family).json_path;
        if (!kCounters[i].json_key.empty()) path.append(".").append(kCounters[i].json_key);
        append_integer(json.member(path), totals.counters[i]);
    }
}

/// Calls `member(key)` for each figure; the text it returns gets the value.
template <class Member>
void write_values(const Histogram& values, Member&& member)
{
    struct Quantile {
        std::string_view key;
        double q;
    };
    constexpr auto kQuantiles =
        std::to_array<Quantile>({{".p50_us", 0.5}, {".p95_us", 0.95}, {".p99_us", 0.99}, {".max_us", 1}});
    append_integer(member(".count"), values.total());
    append_integer(member(".sum_us"), values.sum);
    for (const Quantile& quantile : kQuantiles) {
        std::string& out = member(quantile.key);
        if (const auto value = values.quantile(quantile.q)) {
            append_integer(out, *value);
        } else {
            out += "null";
        }
    }
}

void write_timer(JsonTree& json, std::string_view path, const Histogram& values)
{
    write_values(values, [&](std::string_view key) -> std::string& {
        return json.member(std::string{path}.append(key));
    });
}

void append_node(std::string& out, const NodeTotals& node)
{
    JsonTree json{out};
    append_json_string(json.member("name"), node.name);
    for (const NodeFigure<NodeGauge>& figure : kNodeGaugeFigures)
        append_integer(json.member(figure.json_key), node[figure.value]);
    append_integer(json.member("openings"), node[NodeCounter::openings]);
    for (const NodeFigure<NodeCounter>& figure : kNodeErrors)
        append_integer(json.member("errors." + std::string{figure.json_key}), node[figure.value]);
    write_timer(json, "round_trip", node.round_trip);
    json.end();
}

void write_nodes(JsonTree& json, const std::vector<NodeTotals>& nodes)
{
    std::string& out = json.member("redis.nodes");
    out += '[';
    for (const NodeTotals& node : nodes) {
        if (&node != &nodes.front()) out += ',';
        append_node(out, node);
    }
    out += ']';
}

/// {name, then one member for each figure}
template <class Report, class Figures>
void append_report(std::string& out, std::string_view key, std::string_view name, const Report& report,
                   const Figures& figures)
{
    out += '{';
    append_json_string(out, key);
    out += ':';
    append_json_string(out, name);
    for (const auto& figure : figures) {
        out += ',';
        append_json_string(out, figure.json_key);
        out += ':';
        append_integer(out, report.*figure.value);
    }
    out += '}';
}

void write_logs(JsonTree& json, const std::vector<LogReport>& logs)
{
    std::string& out = json.member("redis.purge_logs");
    out += '[';
    for (const LogReport& log : logs) {
        if (&log != &logs.front()) out += ',';
        append_report(out, "redis", log.redis, log, kLogFigures);
    }
    out += ']';
}

void write_zones(JsonTree& json, const std::vector<ZoneReport>& zones)
{
    std::string& out = json.member("zones");
    out += '[';
    for (const ZoneReport& zone : zones) {
        if (&zone != &zones.front()) out += ',';
        append_report(out, "name", zone.name, zone, kZoneFigures);
    }
    out += ']';
}

}

void render_json(const Snapshot& snapshot, std::string& out)
{
    JsonTree json{out};
    write_program(json, snapshot);
    write_counters(json, snapshot.totals);
    for (std::size_t i = 0; i < kTimers.size(); ++i)
        write_timer(json, kTimers[i].json_path, snapshot.totals.timers[i]);
    write_zones(json, snapshot.zones);
    write_nodes(json, snapshot.nodes);
    write_logs(json, snapshot.logs);
    json.end();
    out += '\n';
}

}
