#include <array>

#include "status/log_figures.hpp"
#include "status/node_figures.hpp"
#include "status/report.hpp"
#include "status/text.hpp"
#include "status/zone_figures.hpp"

namespace edge::status {

namespace {

/// Upper ends of the exported buckets in microseconds: 100 µs to one minute.
constexpr auto kEnds = std::to_array<std::uint64_t>({100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000,
                                                     50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000,
                                                     5'000'000, 10'000'000, 30'000'000, 60'000'000});

void begin_family(std::string& out, std::string_view name, std::string_view type, std::string_view help)
{
    out.append("# HELP ").append(name).append(" ").append(help).append("\n");
    out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

std::string_view type_name(Kind kind) noexcept
{
    return kind == Kind::counter ? "counter" : "gauge";
}

void open_label(std::string& out, std::string_view name, std::string_view label, std::string_view value)
{
    out.append(name).append("{").append(label).append("=");
    append_label_value(out, value);
}

template <class Integer>
void append_sample(std::string& out, Integer value)
{
    out += ' ';
    append_integer(out, value);
    out += '\n';
}

void append_gauge(std::string& out, std::string_view name, std::string_view help, std::int64_t value)
{
    begin_family(out, name, "gauge", help);
    out += name;
    append_sample(out, value);
}

void append_program(std::string& out, const Snapshot& snapshot)
{
    const ProgramReport& program = snapshot.program;
    begin_family(out, "edge_build_info", "gauge", "Always 1; the labels say what is running.");
    open_label(out, "edge_build_info", "version", program.version);
    out += ",nginx_version=";
    append_label_value(out, program.server_version);
    out += "} 1\n";
    append_gauge(out, "edge_workers", "Worker processes configured.", program.workers);
    append_gauge(out, "edge_config_generation", "Configurations loaded since counting began.",
                 static_cast<std::int64_t>(snapshot.totals.generation));
    append_gauge(out, "edge_start_time_seconds", "Unix time when nginx started.",
                 program.started_at != 0 ? program.started_at : snapshot.totals.since);
    append_gauge(out, "edge_counting_since_timestamp_seconds",
                 "Unix time when the counters were last at zero.", snapshot.totals.since);
}

void append_counters(std::string& out, const Totals& totals)
{
    const FamilyInfo* current = nullptr;
    for (std::size_t i = 0; i < kCounters.size(); ++i) {
        const FamilyInfo& family = info(kCounters[i].family);
        if (&family != current) begin_family(out, family.name, type_name(family.kind), family.help);
        current = &family;
        if (family.label.empty()) {
            out += family.name;
        } else {
            open_label(out, family.name, family.label, kCounters[i].label_value);
            out += '}';
        }
        append_sample(out, totals.counters[i]);
    }
}

/// `labels`: nothing, or name="value" of what the values are of.
void append_histogram(std::string& out, std::string_view name, const std::string& labels,
                      const Histogram& values)
{
    const std::string before = labels.empty() ? "" : labels + ",";
    const std::string alone = labels.empty() ? "" : "{" + labels + "}";
    for (const std::uint64_t end : kEnds) {
        out.append(name).append("_bucket{").append(before).append("le=\"");
        append_seconds(out, end);
        out += "\"}";
        append_sample(out, values.at_most(end));
    }
    const std::uint64_t total = values.total();
    out.append(name).append("_bucket{").append(before).append("le=\"+Inf\"}");
    append_sample(out, total);
    out.append(name).append("_sum").append(alone).append(" ");
    append_seconds(out, values.sum);
    out.append("\n").append(name).append("_count").append(alone);
    append_sample(out, total);
}

void append_timer(std::string& out, const TimerInfo& timer, const Histogram& values)
{
    begin_family(out, timer.name, "histogram", timer.help);
    append_histogram(out, timer.name, {}, values);
}

void append_nodes(std::string& out, const std::vector<NodeTotals>& nodes)
{
    if (nodes.empty()) return;
    const auto family = [&](std::string_view name, Kind kind, std::string_view help, auto value) {
        begin_family(out, name, type_name(kind), help);
        for (const NodeTotals& node : nodes) {
            open_label(out, name, "node", node.name);
            out += '}';
            append_sample(out, node[value]);
        }
    };
    for (const NodeFigure<NodeGauge>& figure : kNodeGaugeFigures)
        family(figure.name, Kind::gauge, figure.help, figure.value);
    family("edge_redis_breaker_openings_total", Kind::counter,
           "How often a worker stopped asking this server.", NodeCounter::openings);
    constexpr std::string_view kErrors = "edge_redis_errors_total";
    begin_family(out, kErrors, "counter", "Commands without a usable answer, by what came instead.");
    for (const NodeTotals& node : nodes) {
        for (const NodeFigure<NodeCounter>& figure : kNodeErrors) {
            open_label(out, kErrors, "node", node.name);
            out += ",kind=";
            append_label_value(out, figure.json_key);
            out += '}';
            append_sample(out, node[figure.value]);
        }
    }
    constexpr std::string_view kRoundTrip = "edge_redis_round_trip_seconds";
    begin_family(out, kRoundTrip, "histogram", "Time from a command to its answer.");
    for (const NodeTotals& node : nodes) {
        std::string label = "node=";
        append_label_value(label, node.name);
        append_histogram(out, kRoundTrip, label, node.round_trip);
    }
}

template <class Report, class Figures>
void append_reports(std::string& out, std::string_view label, std::string_view Report::*name,
                    const std::vector<Report>& reports, const Figures& figures)
{
    if (reports.empty()) return;
    for (const auto& figure : figures) {
        begin_family(out, figure.name, type_name(figure.kind), figure.help);
        for (const Report& report : reports) {
            open_label(out, figure.name, label, report.*name);
            out += '}';
            append_sample(out, report.*figure.value);
        }
    }
}

}

void render_prometheus(const Snapshot& snapshot, std::string& out)
{
    append_program(out, snapshot);
    append_counters(out, snapshot.totals);
    for (std::size_t i = 0; i < kTimers.size(); ++i) append_timer(out, kTimers[i], snapshot.totals.timers[i]);
    append_reports(out, "zone", &ZoneReport::name, snapshot.zones, kZoneFigures);
    append_nodes(out, snapshot.nodes);
    append_reports(out, "redis", &LogReport::redis, snapshot.logs, kLogFigures);
}

}
