#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/comparison.hpp"
#include "cache/flight_table.hpp"
#include "cache/glue/conf.hpp"
#include "cache/glue/events.hpp"
#include "cache/policy.hpp"
#include "cache/redis_value.hpp"
#include "cache/stored.hpp"
#include "cache/zone.hpp"
#include "http/accept_encoding.hpp"
#include "nginx/derived.hpp"
#include "nginx/ngx.hpp"

namespace edge::cache {

class Captures;
class ClientSide;
class Follower;
class HeldAnswer;
class Passing;
class RedisFlight;
class RedisLookup;

/// What the keys of one user's answers begin with, and no key of anybody's does.
inline constexpr char kPrivateMark = '\2';

/// What the keys of answers made out of others begin with, after the user's part.
inline constexpr char kDerivedMark = '\4';

/// Whose request it is, where edge_cache_private wants to know.
struct Identity {
    std::string prefix;                  ///< of its keys; empty: everybody's
    std::string claim;                   ///< for the tag user:…; empty: none
    std::array<std::uint64_t, 2> tag{};  ///< of the very token, jwt::Tag
    bool covers_authorization = false;   ///< who asks is what Authorization says
};

/// What one client request has to do with the cache, from lookup to the end of its pool.
///
/// Owned by the request's pool; found again there after internal redirects, which wipe module contexts. Holds
/// the pins and the fill that the buffers on their way to the client point into, so it must not let go of
/// them before the request is freed.
class Request {
public:
    enum class Step : std::uint8_t {
        passing,  ///< to the origin untouched; nothing is looked up or stored
        waiting,  ///< for the header of the answer to another request
        asking_redis,
        waiting_across,  ///< for another host's answer
        serving,         ///< answered from the zone
        forwarding,      ///< asked the origin, its answer may be stored, or validates `object`
        filling,         ///< the origin's body is copied into the zone on its way to the client
        capturing,       ///< as filling, but the client has had its 304: nothing is passed on
        replacing,       ///< the stored object goes out instead of what the origin or nginx answered
        finished,        ///< nothing left to do but to keep what buffers point into
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
    bool may_fetch_whole = false;          ///< a 206 would show that there is more to be had
    bool validating = false;               ///< the origin is asked with the validators of `object`
    bool stripped_conditions = false;      ///< the origin was not shown the client's conditional fields
    bool answered = false;                 ///< the header filter has seen the answer
    bool detached = false;                 ///< nobody waits for the answer: it only renews what is stored
    bool silent = false;                   ///< no client's own request: not counted among them
    bool redirected = false;   ///< X-Accel-Redirect or error_page led elsewhere after the origin was asked
    unsigned uri_changes = 0;  ///< r.uri_changes at lookup: an internal redirect since then changes it
    bool invalidated = false;  ///< and has purged the tags of edge_cache_invalidate
    Captures* captures = nullptr;  ///< for these tags
    bool unknown = false;          ///< a write by nobody we know; looked at when somebody asks
    bool written = false;          ///< an unsafe request has invalidated what it had to
    bool origin_failed = false;    ///< the origin's last answer was a 5xx or none
    bool orphaned = false;         ///< the client takes no more, but the body is stored to its end
    bool asks_alone = false;       ///< has followed others in vain
    bool in_use = false;           ///< what was found, dead or not, was asked for by a client
    bool collapsed = false;        ///< answered with what another request asked for
    bool discard = false;          ///< the client has its whole answer: what still comes is dropped
    std::int64_t stored_ttl = 0;   ///< freshness of what was stored or renewed, for Cache-Status
    bool body_sent = false;        ///< replacing: the stored body is on its way
    RequestFacts facts;
    Identity identity;
    ngx::Derived* derived = nullptr;  ///< the answer is made of another one
    ngx_str_t key{};                  ///< the primary key's text
    ngx_str_t public_key{};           ///< the same without the identity
    KeyHash primary{};
    std::vector<std::byte> renewed;  ///< the meta block after a 304, which what is sent points into
    ngx_str_t selected_key{};        ///< key of the object itself: the primary one, or the variant's
    KeyHash selected{};
    Pin object;                  ///< what is served, or validated
    Passing* passing = nullptr;  ///< what is served instead, out of Redis
    Pin variant;                 ///< sent in place of its body: the same in `coding`
    http::Coding coding = http::Coding::identity;
    bool negotiated = false;  ///< what the client gets depends on its Accept-Encoding
    Fill fill;
    FlightTable::Ticket flight;  ///< that this request leads
    bool published = false;      ///< its followers read along
    Follower* follower = nullptr;
    HeldAnswer* held = nullptr;              ///< a write's answer that waits for other hosts
    ClientSide* client_side = nullptr;       ///< while its body goes into the zone
    bool shadow = false;                     ///< edge_cache_shadow: the origin answers, whatever is stored
    Pin shadowed;                            ///< what would have been sent instead
    std::optional<BodyComparison> compared;  ///< its body, while the origin's passes
    std::int64_t expected_length = -1;
    time_t asked_at = 0;
    std::uint64_t purge_sequence = 0;  ///< of the newest purge when the origin was asked
    ValuePosition value_position;      ///< the same for what is made of the answer in Redis
    std::uint64_t purge_ticket = 0;    ///< of the last purge of this request's that other hosts must hear of
    RedisFlight* across = nullptr;     ///< the flight of all hosts, where this request leads its host's
    RedisLookup* redis = nullptr;      ///< once Redis was asked
    bool from_redis = false;           ///< what is served was found there
    std::int64_t stale_since = -1;     ///< `object` was purged softly then; -1 = not
    std::int64_t age = -1;             ///< of what was served, for $edge_cache_age
    std::array<char, 20> age_text;     ///< the Age field's value points here
    bool headers_swapped = false;
    ngx_list_t client_headers{};  ///< the client's own lines while the origin is shown others
    ngx_chain_t* free_links = nullptr;
    ngx_chain_t* busy_links = nullptr;
};

// key.cpp
/// The text that identifies the request's target, for everybody. Throws std::bad_alloc.
ngx_str_t make_key(ngx_http_request_t& r, const LocConf& conf);
/// Sets `q.key` and `q.public_key`, and the hash of the first.
void set_keys(Request& q);
/// The request's URI as RFC 9111 compares it: scheme "://" authority path-and-query, lower-case host, no
/// default port.
std::string effective_uri(ngx_http_request_t& r);
/// The key for header lines and logs: control characters, which one made from $uri can hold, percent-encoded.
ngx_str_t printable_key(Request& q);
/// A URI, or its path and query, as the default key holds it: its query as edge_cache_args says.
std::string key_target(const LocConf& conf, std::string_view uri);
/// The client's header lines, for Vary; in the request's pool.
http::Fields client_fields(Request& q);
/// The key text of the variant that `names` select for this request.
ngx_str_t variant_key(Request& q, const std::vector<std::string>& names, std::uint64_t number);
/// The request fields that select among variants: the answer's Vary and edge_cache_vary. Sorted, each once.
std::vector<std::string> selecting_fields(const Request& q, http::Fields answer);
/// Whether this request selects the stored response, which was found by another request's key.
bool selects(Request& q, const Stored& stored);

// lookup.cpp
ngx_int_t on_lookup(ngx_http_request_t& r);
/// From the zone or, by ask_origin, from the origin. The result is the phase handler's.
ngx_int_t look_up(Request& q);
/// Whether it was started by edge_cache_refill.
bool is_refill(const ngx_http_request_t& r) noexcept;
/// Answers with `q.passing`, which is fresh. NGX_DECLINED: it was purged meanwhile, and is gone.
ngx_int_t serve_passing(Request& q);
/// Goes on to the content handler, which asks the origin.
ngx_int_t forward(Request& q);
/// only-if-cached, and nothing can be used (RFC 9111 section 5.2.1.7): nobody is asked.
ngx_int_t refuse_to_forward(Request& q);
/// Whether the last upstream tried answered with a 5xx or not at all.
bool origin_failed(ngx_http_request_t& r) noexcept;

// refresh.cpp
enum class Refresh : std::uint8_t { under_way, impossible };
/// edge_cache_stale refresh_ahead: whether a fresh object that is asked for often is near enough to its end.
/// The moment differs from object to object, and for one zone from another, so that what was stored together
/// is not renewed together.
bool refresh_is_due(const Request& q, const Lifetime& lifetime, std::int64_t ttl) noexcept;
/// Fetches the whole of what the client asked a part of, so that the next part is here; unless the 206 shows
/// that it can't be stored, or is too large.
void fetch_whole(Request& q);
/// Has the stored object validated by a detached request, unless somebody does so already.
Refresh start_refresh(Request& q);

// shadow.cpp
/// Counts what the lookup found, and leaves the request one that goes to the origin in any case.
void shadow_lookup(Request& q);
/// The header of the origin's answer has come.
void shadow_answer(Request& q, std::uint16_t status);
/// More of its body has come. Only while `compared`.
void shadow_body(Request& q, const ngx_chain_t* in);

// forward.cpp
/// What the origin is not shown of the client's header lines.
struct Withheld {
    bool conditions = false;  ///< Range and conditionals
    bool codings = false;     ///< Accept-Encoding
};
/// Shows the origin other header lines than the client sent: without those, and with the validators of the
/// stored object when `q.validating`.
void swap_headers(Request& q, Withheld withheld);
/// The client's own lines again, for logs and for what later reads them.
void restore_headers(Request& q) noexcept;

// serve.cpp
/// Puts the stored response's status and header lines into headers_out, with Age, after judging the client's
/// conditions and Range. Only for a pinned `object` whose body has `length` bytes, or will have; `stored`
/// must live as long as the request.
void prepare_stored(Request& q, const Stored& stored, std::int64_t length);
/// Sends the prepared response: header and body. The result is for ngx_http_finalize_request.
ngx_int_t send_stored(Request& q);
/// The stored body, or its variant, as buffers that point into the zone, the last one marked. nullptr: no
/// body.
ngx_chain_t* stored_body(Request& q);
/// Bytes of the body, not encoded, of what is served.
std::uint64_t served_size(const Request& q) noexcept;
/// That the stored body goes out.
void count_served(const Request& q) noexcept;
void add_cache_status(Request& q, bool stored, std::optional<std::uint16_t> origin_status,
                      std::optional<std::int64_t> ttl);
/// Whether the client's If-None-Match or If-Modified-Since says it has this response already. `date` stands
/// in for a missing `modified`.
bool client_has(Request& q, std::optional<std::string_view> etag, std::optional<std::string_view> modified,
                std::optional<std::string_view> date);
/// Turns the prepared response into its 304.
void make_not_modified(ngx_http_request_t& r) noexcept;
/// A filter after ours refused the prepared header (416 for a Range out of bounds) and nginx answers with a
/// page of its own: takes away the lines that speak of the body.
void drop_representation(ngx_http_request_t& r) noexcept;

// fill.cpp
/// Decides whether the origin's answer is stored, and starts its fill.
NotStored start_fill(Request& q);
/// The whole body has come: the object can be found from now on.
void finish_fill(Request& q);
/// Gives the stored object what a 304, or the answer to a HEAD, says of it. The new meta block is in
/// `renewed`. false: the 304 does not belong to the stored object, nothing has changed.
bool renew_stored(Request& q, bool not_modified);
/// `q.object` is no longer to be used.
void forget(Request& q);
/// The origin's answer to an unsafe request, if it is no error: its target, Location and Content-Location are
/// no longer valid. Does nothing for other requests, nor the second time.
void invalidate_written(Request& q);
/// The origin's header lines as it sent them.
http::Fields origin_fields(ngx_http_request_t& r);

// inherit.cpp
/// Lets whoever makes something of this answer know what the cache knows of it.
/// `stamp`: of its body, when it has one.
void tell_provenance(const Request& q, const Lifetime& lifetime, std::uint64_t sequence,
                     const StoredTags& tags, std::optional<Stamp> stamp);
/// The lifetime and the tags of what the answer was made of; std::nullopt: it was not stored either.
/// `sequence` and `tags` become those of both.
std::optional<Lifetime> inherit(const Request& q, std::uint64_t& sequence, StoredTags& tags);
/// Whether a stored answer is to be found out for somebody else than its client; then it costs more.
bool has_heirs(const Request& q) noexcept;

// capture.cpp
/// Puts the two filters on top of the chain, where they see what the content handler made.
void install_filters() noexcept;

}
