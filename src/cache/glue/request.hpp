#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cache/glue/conf.hpp"
#include "cache/glue/events.hpp"
#include "cache/policy.hpp"
#include "cache/stored.hpp"
#include "cache/zone.hpp"
#include "nginx/ngx.hpp"

namespace edge::cache {

/// What one client request has to do with the cache, from lookup to the end of its pool.
///
/// Owned by the request's pool; found again there after internal redirects, which wipe module contexts. Holds
/// the pins and the fill that the buffers on their way to the client point into, so it must not let go of
/// them before the request is freed.
class Request {
public:
    enum class Step : std::uint8_t {
        passing,     ///< to the origin untouched; nothing is looked up or stored
        serving,     ///< answered from the zone
        forwarding,  ///< asked the origin, its answer may be stored, or validates `object`
        filling,     ///< the origin's body is copied into the zone on its way to the client
        capturing,   ///< as filling, but the client has had its 304: nothing is passed on
        replacing,   ///< the stored object goes out instead of what the origin or nginx answered
        finished,    ///< nothing left to do but to keep what buffers point into
    };

    explicit Request(ngx_http_request_t& request) noexcept : r{request} {}
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    ~Request();

    /// The state of `r`, or nullptr when the cache has nothing to do with it.
    static Request* find(ngx_http_request_t& r) noexcept;

    ngx_http_request_t& r;
    const LocConf* conf = nullptr;
    Zone* zone = nullptr;
    Step step = Step::passing;
    Status status = Status::none;
    Forward forward = Forward::none;
    NotStored reason = NotStored::stored;  ///< why the answer is not kept, once that is decided
    bool may_fill = false;                 ///< the answer to what we forward may be stored
    bool validating = false;               ///< the origin is asked with the validators of `object`
    bool stripped_conditions = false;      ///< the origin was not shown the client's conditional fields
    bool answered = false;                 ///< the header filter has seen the answer
    bool detached = false;                 ///< nobody waits for the answer: it only renews what is stored
    bool redirected = false;      ///< X-Accel-Redirect or error_page led elsewhere after the origin was asked
    bool origin_failed = false;   ///< the origin's last answer was a 5xx or none
    bool discard = false;         ///< the client has its whole answer: what still comes is dropped
    std::int64_t stored_ttl = 0;  ///< freshness of what was stored or renewed, for Cache-Status
    bool body_sent = false;       ///< replacing: the stored body is on its way
    RequestFacts facts;
    ngx_str_t key{};  ///< the primary key's text
    KeyHash primary{};
    std::uint64_t vary_number = 0;  ///< of the vary record found, 0 = none
    std::vector<std::string> vary_names;
    std::uint64_t new_vary_number = 0;  ///< the fill brings a new vary record with it
    std::vector<std::string> new_vary_names;
    std::vector<std::byte> renewed;  ///< the meta block after a 304, which what is sent points into
    ngx_str_t selected_key{};        ///< key of the object itself: the primary one, or the variant's
    KeyHash selected{};
    Pin object;  ///< what is served, or validated
    Fill fill;
    std::int64_t expected_length = -1;
    time_t asked_at = 0;
    std::int64_t age = -1;          ///< of what was served, for $edge_cache_age
    std::array<char, 20> age_text;  ///< the Age field's value points here
    bool headers_swapped = false;
    ngx_list_t client_headers{};  ///< the client's own lines while the origin is shown others
    ngx_chain_t* free_links = nullptr;
    ngx_chain_t* busy_links = nullptr;
};

// key.cpp
/// The text that identifies the request's target. Throws std::bad_alloc.
ngx_str_t make_key(ngx_http_request_t& r, const LocConf& conf);
/// The request's URI as RFC 9111 compares it: scheme "://" authority path-and-query, lower-case host, no
/// default port.
std::string effective_uri(ngx_http_request_t& r);
/// The client's header lines, for Vary; in the request's pool.
http::Fields client_fields(Request& q);
/// The key text of the variant that `names` select for this request.
ngx_str_t variant_key(Request& q, const std::vector<std::string>& names, std::uint64_t number);

// lookup.cpp
ngx_int_t on_lookup(ngx_http_request_t& r);
/// Whether the last upstream tried answered with a 5xx or not at all.
bool origin_failed(ngx_http_request_t& r) noexcept;

// refresh.cpp
enum class Refresh : std::uint8_t { under_way, impossible };
/// Has the stored object validated by a detached request, unless somebody does so already.
Refresh start_refresh(Request& q);

// forward.cpp
/// Shows the origin other header lines than the client sent: without Range and conditionals, with the
/// validators of the stored object when `q.validating`.
void swap_headers(Request& q);
/// The client's own lines again, for logs and for what later reads them.
void restore_headers(Request& q) noexcept;

// serve.cpp
/// Puts the stored response's status and header lines into headers_out, with Age, after judging the client's
/// conditions and Range. Only for a pinned `object`; `stored` must live as long as the request.
void prepare_stored(Request& q, const Stored& stored);
/// Sends the prepared response: header and body. The result is for ngx_http_finalize_request.
ngx_int_t send_stored(Request& q);
/// The stored body as buffers that point into the zone, the last one marked. nullptr: no body.
ngx_chain_t* stored_body(Request& q);
void add_cache_status(Request& q, bool stored, std::optional<std::uint16_t> origin_status,
                      std::optional<std::int64_t> ttl);
/// Whether the client's If-None-Match or If-Modified-Since says it has this response already.
bool client_has(Request& q, std::optional<std::string_view> etag, std::optional<std::string_view> modified);
/// Turns the prepared response into its 304.
void make_not_modified(ngx_http_request_t& r) noexcept;

// fill.cpp
/// Decides whether the origin's answer is stored, and starts its fill.
NotStored start_fill(Request& q);
/// The whole body has come: the object can be found from now on.
void finish_fill(Request& q);
/// Gives the stored object what a 304, or the answer to a HEAD, says of it. The new meta block is in
/// `renewed`. false: the 304 does not belong to the stored object, nothing has changed.
bool renew_stored(Request& q, bool not_modified);
/// The answer to an unsafe request: its target, Location and Content-Location are no longer valid.
void invalidate(Request& q);
/// The origin's header lines as it sent them.
http::Fields origin_fields(ngx_http_request_t& r);

// capture.cpp
/// Puts the two filters on top of the chain, where they see what the content handler made.
void install_filters() noexcept;

}
