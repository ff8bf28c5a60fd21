#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What an error reply of Redis says, as far as it decides where a command goes next.
namespace edge::redis {

/// Where a server listens.
struct HostPort {
    std::string host;  ///< a name, IPv4, or IPv6 without brackets; empty: where the reply came from
    std::uint16_t port = 0;

    bool operator==(const HostPort&) const = default;
};

/// "host:port" with IPv6 in brackets. Throws std::bad_alloc.
std::string to_string(const HostPort& address);

struct Refusal {
    enum class Kind {
        other,         ///< the server understood the question and does not want to
        moved,         ///< MOVED: `slot` is served by `address`, from now on
        ask,           ///< ASK: this key is at `address`, for this once, after ASKING
        try_again,     ///< TRYAGAIN: keys of a slot that moves are at both ends
        cluster_down,  ///< CLUSTERDOWN: nobody serves the slot
        loading,       ///< LOADING, BUSY: the server will answer some day
        read_only,     ///< READONLY: a replica, or one that has become it
        master_down,   ///< MASTERDOWN: a replica without its master
    };
    Kind kind = Kind::other;
    std::uint16_t slot = 0;  ///< of moved and ask
    HostPort address;        ///< of moved and ask
};

/// `line`: the error without its '-' and line end. A MOVED or ASK that can't be read is `other`. Throws
/// std::bad_alloc.
Refusal parse_refusal(std::string_view line);

/// "10.0.0.1:6379", "[::1]:6379", "::1:6379" (as Redis writes it: the port follows the last colon),
/// ":6379" and "?:6379" (the host is empty). False: none of these. Throws std::bad_alloc.
bool parse_host_port(std::string_view text, HostPort& address);

}
