#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nginx/ngx.hpp"
#include "nginx/pool.hpp"

/// What those who make new answers out of an origin's answer, a smaller picture for one, and the cache tell
/// each other about it. Neither knows the other.
namespace edge::ngx {

/// What the cache knows of an answer it gave, or may keep. Its makers hand it on as it is: what is made of
/// the answer dies with it and is as fresh as it.
struct Provenance {
    std::vector<std::uint64_t> tags;  ///< by which it is purged
    std::uint64_t sequence = 0;       ///< of the purges before its origin was asked
    std::vector<std::byte> lifetime;  ///< the cache's own
    /// Of the body it gave: bodies with the same number are the same, byte for byte. Zeros: not known.
    std::array<std::uint64_t, 2> body{};
};

/// A request whose answer is made of another one's: in its pool, from before the cache's lookup on.
struct Derived {
    /// Tells the answer from all others that are made of the same source: part of the cache's key. Without
    /// control characters.
    std::string mark;
    /// The target the client asked for; r.unparsed_uri is the source's.
    ngx_str_t target{};
    /// Set before the answer's header is sent; nothing: the cache neither gave nor may keep the source.
    std::optional<Provenance> source;
    /// The answer is judged by its own lines: no cache keeps the source, a file of this host for one, or it
    /// is the source that goes out.
    bool by_own_lines = false;
    /// It could not be made, this time: what goes out instead is not the answer.
    bool failed = false;
};

/// Walks the clean-ups of the request's pool.
inline Derived* find_derived(const ngx_http_request_t& r) noexcept
{
    return find<Derived>(r.pool);
}

}
