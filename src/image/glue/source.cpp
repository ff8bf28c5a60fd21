#include "image/glue/source.hpp"

#include <openssl/evp.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string_view>

#include "http/list.hpp"
#include "image/glue/warm_sources.hpp"
#include "image/negotiate.hpp"
#include "nginx/barrier.hpp"
#include "nginx/buffering.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::image {

namespace {

/// Of an answer that is no image: more is left to nginx itself.
constexpr std::uint64_t kOtherLimit = 64 * 1024;
constexpr std::size_t kStart = 32;

bool is_listed(std::string_view name, std::initializer_list<std::string_view> names) noexcept
{
    return std::any_of(names.begin(), names.end(),
                       [name](std::string_view known) { return ngx::equals_ignoring_case(name, known); });
}

/// Lines that belong to one transfer, or that nginx writes itself.
bool is_of_transfer(std::string_view name) noexcept
{
    return is_listed(name, {"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Trailer",
                            "Upgrade", "TE", "Accept-Ranges", "Content-Range"});
}

/// Octets of an unknown kind may be one.
bool may_be_image(std::string_view type) noexcept
{
    type = http::trim(type.substr(0, type.find(';')));
    return type.empty() || is_listed(type, {"application/octet-stream", "binary/octet-stream"}) ||
           (type.size() > 6 && ngx::equals_ignoring_case(type.substr(0, 6), "image/"));
}

/// Shown at any size as it is.
bool is_vector(std::string_view type) noexcept
{
    return ngx::equals_ignoring_case(http::trim(type.substr(0, type.find(';'))), "image/svg+xml");
}

bool has_directive(const Lines& lines, std::string_view field, std::string_view directive) noexcept
{
    for (const auto& [name, value] : lines) {
        if (!ngx::equals_ignoring_case(name, field)) continue;
        http::ListCursor list{value};
        while (const auto member = list.next()) {
            if (ngx::equals_ignoring_case(*member, directive)) return true;
        }
    }
    return false;
}

bool has_field(const Lines& lines, std::string_view field) noexcept
{
    return std::any_of(lines.begin(), lines.end(),
                       [field](const auto& line) { return ngx::equals_ignoring_case(line.first, field); });
}

Lines copy_lines(ngx_list_t& list, std::initializer_list<std::string_view> without)
{
    Lines lines;
    ngx::for_each_header(list, [&](ngx_table_elt_t& line) {
        if (line.hash == 0 || line.value.data == nullptr) return;
        const std::string_view name = ngx::view(line.key);
        if (is_of_transfer(name) || is_listed(name, without)) return;
        lines.emplace_back(name, ngx::view(line.value));
    });
    return lines;
}

/// nginx writes the one of a file itself, further down than anybody here can see.
void add_last_modified(Lines& lines, time_t when)
{
    if (when == -1 || has_field(lines, "Last-Modified")) return;
    std::array<u_char, sizeof("Mon, 28 Sep 1970 06:00:00 GMT")> date;
    const u_char* end = ngx_http_time(date.data(), when);
    lines.emplace_back("Last-Modified", std::string{static_cast<const u_char*>(date.data()), end});
}

}

class Source::Digest {
public:
    Digest() : context_{EVP_MD_CTX_new()}
    {
        if (context_ == nullptr || EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) != 1)
            throw std::bad_alloc{};
    }
    ~Digest() { EVP_MD_CTX_free(context_); }
    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;

    void add(const void* bytes, std::size_t n) noexcept { EVP_DigestUpdate(context_, bytes, n); }
    void end(std::array<std::uint8_t, 32>& into) noexcept
    {
        EVP_DigestFinal_ex(context_, into.data(), nullptr);
    }

private:
    EVP_MD_CTX* context_;
};

Source::Source(std::uint64_t most, Listener listener)
    : listener_{listener}, most_{most}, digest_{std::make_unique<Digest>()}
{
    tell_.data = this;
    tell_.log = ngx_cycle->log;
    tell_.handler = [](ngx_event_t* event) noexcept {
        auto* self = static_cast<Source*>(event->data);
        if (self->wanted_) self->listener_.ended(self->listener_.data);  // *self may be gone now
    };
}

void Source::go_on(void* owner) noexcept
{
    ngx_http_request_t* r = static_cast<Source*>(owner)->request_;
    if (r == nullptr) return;
    ngx_connection_t* c = r->connection;
    ngx::resume(*r);
    ngx_http_run_posted_requests(c);
}

void Source::read_on(void* owner) noexcept
{
    ngx_http_request_t* r = static_cast<Source*>(owner)->request_;
    if (r == nullptr || r->upstream == nullptr || r->upstream->peer.connection == nullptr) return;
    ngx_event_t* read = r->upstream->peer.connection->read;
    read->ready = 1;
    read->handler(read);
}

Source::~Source()
{
    if (tell_.posted) {
        ngx_delete_posted_event((&tell_));
    }
}

Source::Handle Source::fetch(ngx_http_request_t& client, std::uint64_t most, Listener listener)
{
    static constexpr ngx::Sink kSink{[](void* data, ngx_http_request_t& r) noexcept {
                                         return ngx::guarded<ngx_int_t>(r.connection->log, NGX_ERROR, [&] {
                                             return static_cast<Source*>(data)->take_header(r);
                                         });
                                     },
                                     [](void* data, ngx_http_request_t& r, ngx_chain_t* in) noexcept {
                                         return ngx::guarded<ngx_int_t>(r.connection->log, NGX_ERROR, [&] {
                                             return static_cast<Source*>(data)->take_body(r, in);
                                         });
                                     }};
    auto* source = new Source{most, listener};
    const auto ended = [](void* data) noexcept {
        auto* self = static_cast<Source*>(data);
        self->forget_request();
        self->finish(End::failed);  // unless it was complete before
        self->fetching_ = false;
        if (!self->wanted_) delete self;
    };
    const bool started = ngx::start_detached(client, {.ended = ended,
                                                      .data = source,
                                                      .purpose = ngx::Purpose::source,
                                                      .sink = &kSink,
                                                      .provenance = &source->answer_.provenance,
                                                      .target = {}});
    if (started) return Handle{source};
    delete source;
    return {};
}

/// What others will find in the cache is fetched to its end; the rest is of no use without who wanted it.
void Source::leave() noexcept
{
    wanted_ = false;
    if (!fetching_) {
        delete this;
        return;
    }
    if (request_ != nullptr && !ended_ && !answer_.provenance) ngx::abort(*request_);
}

void Source::forget_request() noexcept
{
    request_ = nullptr;
    held_ = nullptr;
    go_on_.cancel();
    read_on_.cancel();
}

/// An upstream that is faster than we are is read to its end in one turn of the event loop, and a cache
/// copies what is read: in a next turn is early enough for more.
void Source::slow_down(ngx_http_request_t& r, const ngx_chain_t* in) noexcept
{
    if (r.upstream == nullptr || r.upstream->buffering) return;
    for (; in != nullptr; in = in->next) spend_loop_share(static_cast<std::size_t>(ngx_buf_size(in->buf)));
    if (!is_loop_share_spent()) return;
    ngx_connection_t* upstream = r.upstream->peer.connection;
    if (upstream == nullptr || !upstream->read->ready || upstream->read->eof) return;
    upstream->read->ready = 0;
    read_on_.post();
}

void Source::finish(End end) noexcept
{
    if (ended_) return;
    ended_ = true;
    end_ = end;
    if (end != End::complete) answer_.body.reset();
    if (wanted_) {
        ngx_post_event(&tell_, &ngx_posted_events);
    }
}

ngx_int_t Source::take_header(ngx_http_request_t& r)
{
    if (!wanted_ && !answer_.provenance) return NGX_ERROR;  // its client went before the answer came
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&r, 0);
    if (cleanup == nullptr) return NGX_ERROR;
    cleanup->data = this;
    cleanup->handler = [](void* data) noexcept { static_cast<Source*>(data)->forget_request(); };
    request_ = &r;

    const auto& out = r.headers_out;
    answer_.status = out.status;
    answer_.content_type = ngx::view(out.content_type);
    if (out.content_type.len != 0 && out.charset.len != 0)
        answer_.content_type.append("; charset=").append(ngx::view(out.charset));
    answer_.last_modified = out.last_modified_time;
    answer_.local = r.upstream == nullptr && !answer_.provenance;
    const bool own =
        !r.error_page && r.err_status == 0 &&
        (r.upstream != nullptr ? r.upstream->headers_in.status_n == out.status : out.status == NGX_HTTP_OK);
    answer_.genuine = own || answer_.provenance.has_value();
    answer_.shown = copy_lines(r.headers_out.headers, {"Content-Type", "Cache-Status"});
    if (r.upstream != nullptr) {
        answer_.said = copy_lines(r.upstream->headers_in.headers, {"Content-Type", "ETag"});
        // A cache that keeps it has seen to that; one that does not yet, has not.
        if (r.upstream->headers_in.status_n == out.status && !ngx::needs_buffers(r))
            r.upstream->buffering = 0;
    } else {
        answer_.said = copy_lines(r.headers_out.headers, {"Content-Type", "ETag", "Cache-Status"});
    }
    add_last_modified(answer_.shown, out.last_modified_time);
    add_last_modified(answer_.said, out.last_modified_time);
    const bool image = out.status == NGX_HTTP_OK && may_be_image(answer_.content_type);
    answer_.transformable = image && !is_vector(answer_.content_type) &&
                            !has_directive(answer_.shown, "Cache-Control", "no-transform") &&
                            !has_directive(answer_.said, "Cache-Control", "no-transform") &&
                            !has_field(answer_.shown, "Content-Encoding");
    limit_ = image ? most_ : std::min(most_, kOtherLimit);
    if (out.content_length_n > 0 && static_cast<std::uint64_t>(out.content_length_n) > limit_) {
        finish(End::too_large);
        return NGX_ERROR;
    }
    if (take_warm()) return NGX_ERROR;  // no need of its body
    if (Descriptor file = create_memfd("edge image source")) {
        answer_.body = std::make_shared<const MemoryFile>(std::move(file));
        return NGX_OK;
    }
    ngx_log_error(NGX_LOG_ERR, r.connection->log, ngx_errno, "edge: no memory for the source of an image");
    return NGX_ERROR;
}

bool Source::keep_bytes(const u_char* bytes, std::size_t n)
{
    if (start_.size() < kStart)
        start_.append(reinterpret_cast<const char*>(bytes), std::min(n, kStart - start_.size()));
    digest_->add(bytes, n);
    while (n > 0) {
        const ssize_t written = write(answer_.body->get(), bytes, n);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        n -= static_cast<std::size_t>(written);
    }
    return true;
}

/// As much of the buffer as `budget` allows. false: it can't be kept, or read.
bool Source::take_buffer(ngx_buf_t& buf, std::size_t& budget)
{
    while (ngx_buf_size((&buf)) > 0 && budget > 0) {
        std::size_t n = std::min(budget, static_cast<std::size_t>(ngx_buf_size((&buf))));
        if (answer_.size + n > limit_) {
            finish(End::too_large);
            return false;
        }
        if (ngx_buf_in_memory((&buf))) {
            if (!keep_bytes(buf.pos, n)) return false;
            buf.pos += n;
            if (buf.in_file) buf.file_pos += static_cast<off_t>(n);
        } else {
            // The kernel copies it; the first bytes alone are looked at.
            if (start_.size() < kStart) {
                std::array<u_char, kStart> first;
                n = std::min(n, kStart - start_.size());
                if (ngx_read_file(buf.file, first.data(), n, buf.file_pos) != static_cast<ssize_t>(n) ||
                    !keep_bytes(first.data(), n)) {
                    return false;
                }
                struct stat status {};
                if (fstat(buf.file->fd, &status) != 0) return false;
                for (const auto part :
                     {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
                      static_cast<std::uint64_t>(status.st_size),
                      static_cast<std::uint64_t>(status.st_mtim.tv_sec),
                      static_cast<std::uint64_t>(status.st_mtim.tv_nsec)}) {
                    digest_->add(&part, sizeof part);
                }
            } else {
                off_t at = buf.file_pos;
                const ssize_t copied = sendfile(answer_.body->get(), buf.file->fd, &at, n);
                if (copied <= 0) return false;
                n = static_cast<std::size_t>(copied);
            }
            buf.file_pos += static_cast<off_t>(n);
        }
        answer_.size += n;
        budget -= n;
    }
    return true;
}

ngx_int_t Source::take_some()
{
    const std::size_t share = loop_share();
    std::size_t budget = share;
    while (held_ != nullptr) {
        ngx_buf_t& buf = *held_->buf;
        if (!take_buffer(buf, budget)) {
            finish(End::failed);
            return NGX_ERROR;
        }
        if (ngx_buf_size((&buf)) > 0) {
            spend_loop_share(share);
            ngx::pause(*request_);
            go_on_.post();
            return NGX_AGAIN;
        }
        const bool last = buf.last_buf;
        ngx_chain_t* done = held_;
        held_ = held_->next;
        ngx_free_chain(request_->pool, done);
        if (last) finish(complete() ? End::complete : End::failed);
    }
    spend_loop_share(share - budget);
    return NGX_OK;
}

ngx_int_t Source::take_body(ngx_http_request_t& r, ngx_chain_t* in)
{
    if (ended_ || request_ == nullptr || (!wanted_ && held_ == nullptr)) {
        for (; in != nullptr; in = in->next) {
            in->buf->pos = in->buf->last;
            in->buf->file_pos = in->buf->file_last;
        }
        return NGX_OK;
    }
    slow_down(r, in);
    if (in != nullptr && ngx_chain_add_copy(r.pool, &held_, in) != NGX_OK) return NGX_ERROR;
    if (go_on_.waits()) return NGX_AGAIN;
    return take_some();
}

/// Whether the cache gave what has been read here before.
bool Source::take_warm()
{
    if (!answer_.transformable || !answer_.provenance) return false;
    const WarmSource* warm = find_warm_source(answer_.provenance->body);
    if (warm == nullptr || warm->size > limit_) return false;
    answer_.body = warm->file;
    answer_.size = warm->size;
    answer_.format = warm->format;
    answer_.fingerprint = warm->fingerprint;
    finish(End::complete);
    return true;
}

bool Source::complete()
{
    digest_->end(answer_.fingerprint);
    answer_.format = sniff(start_);
    if (!settle(answer_.body->get())) return false;
    if (answer_.transformable && answer_.provenance && answer_.provenance->body != BodyNumber{}) {
        keep_warm_source(answer_.provenance->body,
                         {answer_.body, answer_.size, answer_.format, answer_.fingerprint});
    }
    return true;
}

}
