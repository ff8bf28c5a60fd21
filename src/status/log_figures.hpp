#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "status/metrics.hpp"
#include "status/report.hpp"

namespace edge::status {

/// One number of a LogReport and its names.
struct LogFigure {
    std::uint64_t LogReport::*value;
    Kind kind;
    std::string_view json_key;
    std::string_view name;  ///< in Prometheus
    std::string_view help;
};

inline constexpr auto kLogFigures = std::to_array<LogFigure>({
    {&LogReport::in_touch, Kind::gauge, "in_touch", "edge_purge_log_in_touch",
     "1: this host knows what was purged anywhere; 0: it serves nothing that has tags."},
    {&LogReport::epoch, Kind::gauge, "epoch", "edge_purge_log_epoch",
     "Which history of the log this host follows; 0 is none."},
    {&LogReport::position, Kind::gauge, "position", "edge_purge_log_position",
     "Number of the last purge of the log carried out here."},
    {&LogReport::lag, Kind::gauge, "lag", "edge_purge_log_lag",
     "Purges in the log not yet carried out here, when it was looked at last."},
    {&LogReport::floor, Kind::gauge, "floor", "edge_purge_log_floor",
     "Values in Redis made before the purge of this number are not used here."},
    {&LogReport::hosts, Kind::gauge, "hosts", "edge_purge_log_hosts",
     "Hosts that follow the log, this one included."},
    {&LogReport::queued, Kind::gauge, "queued", "edge_purge_log_queued",
     "Purges of this host not yet read back from the log."},
    {&LogReport::applied, Kind::counter, "applied", "edge_purge_log_applied_total",
     "Entries of the log carried out here."},
    {&LogReport::epochs, Kind::counter, "epochs", "edge_purge_log_epochs_total",
     "Histories of the log begun with; each makes all that is stored here dead."},
    {&LogReport::gaps, Kind::counter, "gaps", "edge_purge_log_gaps_total",
     "Times entries were missing or not understood; each makes all that is stored here dead."},
    {&LogReport::overflows, Kind::counter, "overflows", "edge_purge_log_overflows_total",
     "Times the queue was full and became one purge of everything."},
    {&LogReport::failures, Kind::counter, "failures", "edge_purge_log_failures_total",
     "Times the log could not be reached."},
    {&LogReport::awaited, Kind::counter, "awaited", "edge_purge_log_awaited_total",
     "Writes with sync=on whose purge went to the log."},
    {&LogReport::given_up, Kind::counter, "given_up", "edge_purge_log_given_up_total",
     "Of these, answered before all hosts were known to know."},
    {&LogReport::refused, Kind::counter, "refused", "edge_purge_log_refused_total",
     "Uses of a stored response with tags that were refused while out of touch."},
});

}
