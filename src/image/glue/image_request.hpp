#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "image/glue/image_conf.hpp"
#include "image/glue/render_client.hpp"
#include "image/glue/source.hpp"
#include "image/negotiate.hpp"
#include "nginx/derived.hpp"
#include "nginx/ngx.hpp"

namespace edge::image {

/// A request that is to be answered with a picture the edge makes.
///
///     settled ── content phase ──> fetching ──> rendering ──> answered
///        │                             └───────────┴────────> passing (nginx's own content handler)
///        └─ the cache has it: never comes to the content phase
///
/// Owned by the request's pool; found again there after internal redirects. Each step is made in the event
/// loop; whatever may end the request is the last use of the object.
class Request {
public:
    enum class Step : std::uint8_t { settled, fetching, rendering, answered, passing };

    Request(ngx_http_request_t& r, const Settings& settings, ngx::Derived& derived);
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    ~Request() { abandon(); }

    static Request* find(ngx_http_request_t& r) noexcept;

    /// Puts our content handler in the place of the location's.
    void take_over() noexcept;
    ngx_int_t start();
    /// Lets go of everything that could still call back.
    void abandon() noexcept;

    Step step() const noexcept { return step_; }
    bool settled_by_accept() const noexcept { return outcome.by_accept; }
    /// Of queue and rendering, in microseconds; -1: nothing was rendered.
    std::int64_t microseconds() const noexcept { return microseconds_; }

    Job job;
    Outcome outcome;
    bool changes = false;  ///< more than the format is asked for
    std::string preset;

private:
    struct Hooks {
        ngx_event_t timer;
        Request* owner;
    };
    template <class Body>
    void woken(Body&& body) noexcept;
    void on_source();
    void on_done(const Done& done, Descriptor result);
    void on_refused(Reason reason);
    void render();
    void pass();
    void fall_back(Reason reason);
    void send_source(bool keep);
    void send_not_modified();
    void prewarm();
    bool client_has(const std::string& etag);
    void put_lines(std::string_view etag, bool kept);
    void stand_in(ngx_uint_t status, std::string_view type, std::string_view etag, off_t length);
    void send(std::shared_ptr<const MemoryFile> body);
    void send_more();

    ngx_http_request_t& r_;
    const Settings& settings_;
    ngx::Derived& derived_;
    ngx_http_handler_pt theirs_ = nullptr;  ///< the location's own content handler
    Step step_ = Step::settled;
    Source::Handle source_;
    JobId job_id_ = 0;
    Hooks hooks_{};
    LaterPiece more_;
    std::array<std::uint8_t, 16> key_{};
    std::int64_t microseconds_ = -1;
    ngx_str_t etag_{};
    std::span<const std::byte> unsent_;  ///< of the answer's body
};

// image_lookup.cpp
/// Phase handler, before the cache's: settles what is asked for.
ngx_int_t on_request(ngx_http_request_t& r);

// image_filter.cpp
/// Adds Vary to what Accept decided about. Below the cache, which needs not know.
void install_header_filter() noexcept;

}
