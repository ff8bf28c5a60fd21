#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "cache/glue/request.hpp"
#include "http/accept_encoding.hpp"
#include "http/media_types.hpp"

struct ngx_thread_pool_s;

/// edge_cache_encode: what is stored is encoded once, in a thread, and sent as it is from then on.
namespace edge::cache {

/// What the directive says; in the cycle's pool.
struct EncodeRule {
    http::Choice offered;  ///< in the order of preference; empty: off
    std::array<std::uint8_t, http::kCodings> levels{};
    std::uint64_t least = 1024;  ///< bytes of a body that is worth it
    http::MediaTypes types;
    ngx_thread_pool_s* threads = nullptr;

    int level(http::Coding coding) const noexcept { return levels[static_cast<std::size_t>(coding)]; }
};

// encode_conf.cpp
char* set_cache_encode(ngx_conf_t* cf, LocConf& conf);
/// The rule that holds for the request, or nullptr.
inline const EncodeRule* encode_rule(const LocConf& conf) noexcept
{
    return conf.encode != nullptr && !conf.encode->offered.empty() ? conf.encode : nullptr;
}

// variants.cpp
/// StoredHead::number for a response that is about to be stored with these fields; 0: nothing may be encoded
/// from it. `before`: that of the same body until now, 0 = none.
std::uint64_t body_number(const LocConf& conf, std::uint16_t status, http::Fields fields,
                          std::uint64_t before = 0);
/// Sets `q.variant` and `q.coding` to what the client shall get of `q.object`, which is complete, and has
/// what is missing made. Nothing where nothing is encoded.
void choose_variant(Request& q, const Stored& stored);
/// Which of the stored response's representations the client has already, by its If-None-Match or
/// If-Modified-Since: that in `coding`, or another one it takes. std::nullopt: none. `etag` and the others
/// are the response's own, not encoded.
std::optional<http::Coding> client_copy(Request& q, http::Coding coding, std::optional<std::string_view> etag,
                                        std::optional<std::string_view> modified,
                                        std::optional<std::string_view> date);
/// The header lines of the response in headers_out become those of its representation in `coding`.
void note_coding(ngx_http_request_t& r, http::Coding coding);
/// Adds Vary: Accept-Encoding, unless it is said.
void note_negotiation(ngx_http_request_t& r);
/// The response with this body is no longer in the zone.
void drop_variants(Zone& zone, const KeyHash& response, std::uint64_t body) noexcept;
/// A response was stored: what its client would take is made at once.
void encode_arrived(Request& q);
/// Of a request that the origin judges by tags we made up: it gets its own beside them.
void explain_tags(ngx_http_request_t& r);

// encoding.cpp
/// Has a variant of the stored response made, unless enough is being made already. `better`: in place of the
/// one there is.
void encode_later(Request& q, std::uint64_t body, http::Coding coding, const Pin* better = nullptr);
/// In a worker that ends, after its threads have.
void stop_encoding() noexcept;

}
