#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What hosts tell each other of their purges: the entries of a Redis Stream, and how they are numbered.
///
/// An entry's id in the stream is epoch-number. An *epoch* is one unbroken history of the stream: it ends
/// when the stream was deleted, when it went backwards, and when Redis has become another one (a replication
/// id of its own: after a failover or a restart the last entries may be missing). Within an epoch numbers are
/// 1, 2, 3… without gaps, so that whoever misses one knows. Numbers of different epochs say nothing of each
/// other; epochs themselves only grow: 20 bits of the replication id below a time in seconds.
///
/// An object carries, in Redis, the position its host had reached when the origin request started. Who has
/// replayed the log from that position on knows all that was purged since; who reads it in another epoch
/// knows nothing, and does not use it.
namespace edge::cache {

struct LogPosition {
    std::uint64_t epoch = 0;  ///< 0: nothing is known
    std::uint64_t number = 0;
    friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

/// As Redis writes ids: "1882749102347264-17".
std::string format_position(LogPosition at);
std::optional<LogPosition> parse_position(std::string_view text) noexcept;

/// One purge as it travels.
struct PurgeEntry {
    static constexpr std::size_t kMaxBytes = 64 * 1024;  ///< encoded; a larger one goes as `all`

    std::string zone;                 ///< empty: every zone of the log
    std::vector<std::uint64_t> tags;  ///< PurgeTable::hash, the same on all hosts
    std::vector<std::string> prefixes;
    bool all = false;
    bool soft = false;
    bool sync = false;         ///< somebody waits for it
    std::int64_t time = 0;     ///< Unix time at the host that purges
    std::uint64_t host = 0;    ///< who that is
    std::uint64_t ticket = 0;  ///< its number there
};

/// Little-endian, with a version in front; never empty: the entry that begins an epoch is. One that is larger
/// than kMaxBytes is encoded as a purge of all there is in its zone. Throws std::bad_alloc.
std::string encode_purge(const PurgeEntry& entry);
/// std::nullopt: cut short, with something after its end, or of another version. Throws std::bad_alloc.
std::optional<PurgeEntry> parse_purge(std::string_view bytes);

}
