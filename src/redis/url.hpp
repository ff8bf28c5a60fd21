#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Where a Redis is, as edge_redis names it.
namespace edge::redis {

/// redis://[user[:password]@]host[:port][/database], rediss:// for TLS, or
/// unix:[//user[:password]@]/path[?db=database]. User and password may hold percent-encoded bytes; a lone
/// ":password@" means the default user. An IPv6 host stands in brackets.
struct Url {
    bool tls = false;
    std::string user;  ///< empty: the default one
    std::string password;
    std::string host;  ///< a name or an address, an IPv6 one without brackets; empty: `path` counts
    std::uint16_t port = 6379;
    std::string path;  ///< of a unix socket
    unsigned database = 0;

    bool is_unix() const noexcept { return !path.empty(); }
    /// host:port or unix:path, for logs and the status page: nothing secret.
    std::string address() const;
};

struct ParsedUrl {
    Url url;
    std::string_view error;  ///< what would be right, without a final stop; empty: `url` counts
};

ParsedUrl parse_url(std::string_view text);

}
