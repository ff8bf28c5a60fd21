#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/purge_log.hpp"

/// Replays the log of purges for one host, adds the host's own, and tells the other hosts how far this one
/// is. Knows no socket and no clock: what Redis says and what time it is come in, what is to be asked goes
/// out.
///
/// Two conversations with Redis. The *reading* one waits for entries after read_from() and hands them to
/// replay(). The *beat*, at least once in kBeatsInLease parts of the lease, is one atomic script: it begins a
/// new epoch where that has to be, adds entries, stores this host's record, and answers with the log's top
/// and all hosts' records.
///
/// **The lease.** Once everything up to the top of a beat's answer has been replayed, all that was purged
/// before that beat was *sent* is known here; for `lease` ms from then on what has tags is served. A purge
/// added later than that beat is seen by whoever adds it together with this host's record, and he waits for
/// the record to reach it, or `lease` ms from the addition: by then this host has replayed it or has stopped
/// serving. So nobody compares clocks, only lengths of time; a tenth more or less on either side covers
/// clocks that run unevenly.
///
/// **The floor.** When entries are missing, or one is not understood, everything older is dead; in a new
/// epoch everything is.
namespace edge::cache {

/// What replaying does to the host's zones and tables.
class LogSink {
public:
    /// A purge that is number `number` of the log. `own`: it was carried out here when it was made, only the
    /// tables that follow the log lack it.
    virtual void apply(const PurgeEntry& entry, std::uint64_t number, bool own) = 0;
    virtual void kill_all() = 0;                         ///< all that is stored here is dead
    virtual void raise_floor(std::uint64_t number) = 0;  ///< of tables that follow the log
    virtual void restart(std::uint64_t number) = 0;      ///< the same

protected:
    ~LogSink() = default;
};

/// What the script is to be told.
struct Beat {
    std::string host;                                         ///< field of the record
    std::string record;                                       ///< what others are to know
    LogPosition known;                                        ///< the log may not be behind this
    std::vector<std::pair<std::string, std::string>> forget;  ///< hosts' records to remove, if still the same
    std::vector<std::string> entries;
};

struct BeatAnswer {
    LogPosition top;        ///< the newest entry's, after what was added
    std::uint64_t age = 0;  ///< seconds since the epoch began, by Redis' clock
    std::vector<std::pair<std::string, std::string>> hosts;
};

/// One entry as read. An empty text begins an epoch.
struct LogItem {
    LogPosition at;
    std::string_view text;
};

class PurgeFollower {
public:
    static constexpr std::uint64_t kBeatsInLease = 5;

    /// `log`, of which the caller is leader, and `sink` outlive it. `lease`: ms.
    PurgeFollower(PurgeLog log, LogSink& sink, std::uint64_t lease, std::uint64_t now);

    /// Ms until due_beat() has something, whatever else happens: for a timer.
    std::uint64_t next_beat(std::uint64_t now) const noexcept;
    /// The beat to send now; at most one is under way. Throws std::bad_alloc.
    std::optional<Beat> due_beat(std::uint64_t now);
    void answered(std::uint64_t now, const BeatAnswer& answer);
    /// Nobody knows whether it was carried out.
    void failed(std::uint64_t now) noexcept;

    LogPosition read_from() const noexcept { return log_.position(); }
    /// Entries with ids higher than read_from() was, in order.
    void replay(std::uint64_t now, std::span<const LogItem> items);
    /// Whether the reading conversation has not brought what is known to be there for `ms`.
    bool is_stuck(std::uint64_t now, std::uint64_t ms) const noexcept;

private:
    /// Another host as its record tells.
    struct Host {
        std::string record;
        LogPosition position;
        std::uint64_t lease = 0;
        std::uint64_t changed = 0;  ///< when this record was first seen
        bool present = false;
    };
    struct Added {
        std::uint64_t ticket;
        LogPosition at;
        std::uint64_t when;
    };
    struct Proof {
        LogPosition top;
        std::uint64_t sent;
    };

    void note_hosts(std::uint64_t now, const BeatAnswer& answer);
    void settle(std::uint64_t now);
    bool is_settled(const Added& added, std::uint64_t now) const noexcept;
    bool lives(const Host& host, std::uint64_t now) const noexcept;
    void prove(const Proof& proof) noexcept;
    void enter(const LogItem& item);
    void take(std::uint64_t now, const LogItem& item);
    void note_added(std::uint64_t ticket, LogPosition at, std::uint64_t now);
    std::string record() const;

    PurgeLog log_;
    LogSink& sink_;
    std::uint64_t lease_;
    std::string name_;
    std::uint64_t beats_ = 0;
    std::optional<std::uint64_t> sent_;  ///< when the beat under way was
    std::uint64_t sent_ticket_;          ///< queued purges up to it were sent
    LogPosition sent_to_;                ///< where the newest of them is, or before
    std::uint64_t beat_ticket_ = 0;      ///< up to this with the beat under way
    std::uint64_t due_ = 0;
    std::uint64_t poll_ = 0;  ///< ms between beats while a purge is on its way to others
    bool failing_ = false;    ///< the last beat failed: the next one has to wait
    bool tell_ = false;       ///< somebody waits to hear how far this host is
    std::optional<Proof> proof_;
    std::uint64_t complete_from_ = 0;  ///< from when on all hosts that may serve are known
    std::map<std::string, Host> hosts_;
    std::deque<Added> added_;
};

}
