#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image/glue/loop_share.hpp"
#include "image/glue/memory_file.hpp"
#include "image/job.hpp"
#include "nginx/derived.hpp"
#include "nginx/ngx.hpp"

namespace edge::image {

using Lines = std::vector<std::pair<std::string, std::string>>;

/// What was answered for the source of a picture.
struct SourceAnswer {
    ngx_uint_t status = 0;
    std::string content_type;
    Lines shown;  ///< as a client would see them, without Content-Type and -Length
    Lines said;   ///< as the origin sent them, for the cache; without those of the body
    time_t last_modified = -1;
    bool transformable = false;  ///< an image, as far as the header can tell, that may be changed
    bool local = false;          ///< a file of this host, not an origin's answer
    bool genuine = false;        ///< it is what the origin, or that file, says; not nginx in its place
    std::optional<ngx::Provenance> provenance;
    std::shared_ptr<const MemoryFile> body;
    std::uint64_t size = 0;
    Format format = Format::none;                ///< by its first bytes
    std::array<std::uint8_t, 32> fingerprint{};  ///< SHA-256 of the body, or of what tells a file's state
};

/// The fetch of a source: a detached request through the client's own location, whose body goes into a memfd
/// piece by piece. Nothing is kept of an answer that is larger than allowed.
///
/// Owned by two: the request that wants it, by Handle, and the detached request while it lives.
class Source {
public:
    enum class End : std::uint8_t {
        complete,
        too_large,  ///< or, being no image, not small: its client is better served by nginx itself
        failed,     ///< broke off, or could not be kept
    };
    /// `ended` is called from the event loop, once, unless the handle goes first. May not throw.
    struct Listener {
        void (*ended)(void* data) noexcept;
        void* data;
    };
    struct Leave {
        void operator()(Source* source) const noexcept { source->leave(); }
    };
    using Handle = std::unique_ptr<Source, Leave>;

    /// `most`: bytes of an image. Empty: it can't be fetched now.
    static Handle fetch(ngx_http_request_t& client, std::uint64_t most, Listener listener);

    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    End end() const noexcept { return end_; }
    /// Only when complete.
    SourceAnswer& answer() noexcept { return answer_; }

private:
    class Digest;
    Source(std::uint64_t most, Listener listener);
    ~Source();

    static void go_on(void* owner) noexcept;
    static void read_on(void* owner) noexcept;
    void leave() noexcept;
    void finish(End end) noexcept;
    void forget_request() noexcept;
    ngx_int_t take_header(ngx_http_request_t& r);
    ngx_int_t take_body(ngx_http_request_t& r, ngx_chain_t* in);
    void slow_down(ngx_http_request_t& r, const ngx_chain_t* in) noexcept;
    ngx_int_t take_some();
    bool take_buffer(ngx_buf_t& buf, std::size_t& budget);
    bool keep_bytes(const u_char* bytes, std::size_t n);
    bool take_warm();
    bool complete();

    SourceAnswer answer_;
    Listener listener_;
    std::uint64_t most_;
    std::uint64_t limit_ = 0;
    std::unique_ptr<Digest> digest_;
    std::string start_;                      ///< its first bytes
    ngx_http_request_t* request_ = nullptr;  ///< while it lives and may be paused
    ngx_chain_t* held_ = nullptr;            ///< in the request's pool: came while paused
    LaterPiece go_on_{go_on, this};
    LaterPiece read_on_{read_on, this};
    ngx_event_t tell_{};
    End end_ = End::failed;
    bool ended_ = false;
    bool wanted_ = true;    ///< the handle is there
    bool fetching_ = true;  ///< the detached request is there
};

}
