#include "image/glue/image_request.hpp"

#include <openssl/evp.h>
#include <time.h>

#include <algorithm>
#include <new>
#include <utility>

#include "http/etag.hpp"
#include "http/list.hpp"
#include "image/glue/image_events.hpp"
#include "image/refusals.hpp"
#include "nginx/answer_lines.hpp"
#include "nginx/barrier.hpp"
#include "nginx/clock.hpp"
#include "nginx/detached.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/stand_in.hpp"
#include "nginx/str.hpp"
#include "nginx/suspended.hpp"

namespace edge::image {

namespace {

constexpr std::uint64_t kQueueWait = 10'000;  // milliseconds a client's picture may wait for its turn
constexpr std::uint64_t kQueueWaitAhead = 60'000;
constexpr ngx_msec_t kLongestSend =
    60'000;                          // for a body in such turns; the client's pace is nginx's business
constexpr ngx_msec_t kGrace = 2000;  // for the supervisor to say that a time is up
/// Part of each ETag: another one makes what clients and caches have old.
constexpr std::string_view kGeneration = "2";

std::uint64_t monotonic_ms() noexcept
{
    return ngx::monotonic_ns() / 1'000'000;
}

Refusals refusals;  // this worker's

ngx_int_t on_content(ngx_http_request_t* r) noexcept
{
    return ngx::guarded<ngx_int_t>(r->connection->log, NGX_HTTP_INTERNAL_SERVER_ERROR, [&]() -> ngx_int_t {
        Request* request = Request::find(*r);
        return request != nullptr ? request->start() : NGX_DECLINED;
    });
}

/// The same for the same picture of the same bytes.
std::array<std::uint8_t, 16> key_of(const SourceAnswer& source, const Job& job)
{
    const std::string text = std::string{kGeneration} + " " + std::string{name_of(job.target)} + " " +
                             std::to_string(job.prefer_original) + " " + describe(job);
    std::string all{reinterpret_cast<const char*>(source.fingerprint.data()), source.fingerprint.size()};
    all.append(text);
    std::array<std::uint8_t, 32> digest{};
    if (EVP_Digest(all.data(), all.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        throw std::bad_alloc{};
    std::array<std::uint8_t, 16> key;
    std::copy_n(digest.begin(), key.size(), key.begin());
    return key;
}

std::string etag_of(const std::array<std::uint8_t, 16>& key)
{
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text = "\"";
    for (const std::uint8_t byte : key) text.append({kDigits[byte >> 4], kDigits[byte & 15]});
    return text + "\"";
}

std::string_view value_of(const Lines& lines, std::string_view name) noexcept
{
    for (const auto& [known, value] : lines) {
        if (ngx::equals_ignoring_case(known, name)) return value;
    }
    return {};
}

/// What a client is told where there is to be no picture, when it is not to have the original instead.
ngx_int_t status_of(Reason reason) noexcept
{
    switch (reason) {
        case Reason::not_an_image:
        case Reason::unsupported:
            return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
        case Reason::damaged:
        case Reason::truncated:
        case Reason::source_too_large:
        case Reason::too_many_pixels:
        case Reason::result_too_large:
        case Reason::out_of_memory:
            return 422;
        case Reason::no_such_page:
            return NGX_HTTP_NOT_FOUND;
        case Reason::timeout:
            return NGX_HTTP_GATEWAY_TIME_OUT;
        case Reason::crashed:
        case Reason::queue_full:
        case Reason::expired:
        case Reason::bad_request:
        case Reason::unavailable:
            break;
    }
    return NGX_HTTP_SERVICE_UNAVAILABLE;
}

/// Whether the same source would fail the same way again, for certain: a process may have been killed, or the
/// host busy.
bool is_certain(Reason reason) noexcept
{
    return is_lasting(reason) && reason != Reason::timeout && reason != Reason::crashed &&
           reason != Reason::out_of_memory;
}

}

Request::Request(ngx_http_request_t& r, const Settings& settings, ngx::Derived& derived)
    : r_{r},
      settings_{settings},
      derived_{derived},
      more_{[](void* owner) noexcept {
                auto* self = static_cast<Request*>(owner);
                self->woken([self] { self->send_more(); });
            },
            this}
{
    hooks_.owner = this;
    hooks_.timer.data = r.connection;
    hooks_.timer.log = r.connection->log;
    hooks_.timer.handler = [](ngx_event_t* event) noexcept {
        Request* self =
            reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, timer))->owner;
        self->woken([self] {
            if (self->step_ == Step::answered) return ngx_http_finalize_request(&self->r_, NGX_ERROR);
            cancel(std::exchange(self->job_id_, 0));
            self->on_refused(Reason::expired);
        });
    };
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(&r, 0);
    if (cleanup == nullptr) throw std::bad_alloc{};
    cleanup->data = this;
    cleanup->handler = [](void* data) noexcept { static_cast<Request*>(data)->abandon(); };
}

Request* Request::find(ngx_http_request_t& r) noexcept
{
    return ngx::find<Request>(r.pool);
}

void Request::abandon() noexcept
{
    if (step_ == Step::fetching || step_ == Step::rendering) observer.happened(Event::cancelled);
    step_ = Step::answered;
    cancel(std::exchange(job_id_, 0));
    source_.reset();
    if (hooks_.timer.timer_set) ngx_del_timer(&hooks_.timer);
    more_.cancel();
}

void Request::take_over() noexcept
{
    if (r_.content_handler == on_content) return;
    theirs_ = r_.content_handler;
    r_.content_handler = on_content;
}

/// Runs a step from the event loop. The object may be gone afterwards.
template <class Body>
void Request::woken(Body&& body) noexcept
{
    ngx_connection_t* c = r_.connection;
    ngx_http_request_t* r = &r_;
    ngx_http_set_log_request(c->log, r);
    const bool ok = ngx::guarded<bool>(c->log, false, [&] {
        body();
        return true;
    });
    if (!ok) ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    ngx_http_run_posted_requests(c);
}

ngx_int_t Request::start()
{
    if (const ngx_int_t rc = ngx_http_discard_request_body(&r_); rc != NGX_OK) return rc;
    source_ = Source::fetch(r_, settings_.limits.source_bytes,
                            {[](void* data) noexcept {
                                 auto* self = static_cast<Request*>(data);
                                 self->woken([self] { self->on_source(); });
                             },
                             this});
    if (!source_) {
        step_ = Step::passing;
        derived_.by_own_lines = true;
        observer.happened(Event::passed);
        return theirs_ != nullptr ? theirs_(&r_) : NGX_DECLINED;
    }
    step_ = Step::fetching;
    ++r_.main->count;
    r_.write_event_handler = ngx_http_request_empty_handler;
    if (!ngx::is_detached(r_)) {
        r_.read_event_handler = ngx_http_test_reading;  // notices a client that leaves
        if (ngx_handle_read_event(r_.connection->read, 0) != NGX_OK) return NGX_ERROR;
    }
    return NGX_DONE;
}

/// nginx answers as though we were not there.
void Request::pass()
{
    step_ = Step::passing;
    derived_.by_own_lines = true;
    source_.reset();
    observer.happened(Event::passed);
    r_.content_handler = theirs_;
    ngx::resume_phases(r_);  // *this may be gone now
}

void Request::on_source()
{
    if (source_->end() != Source::End::complete) return pass();
    SourceAnswer& source = source_->answer();
    derived_.source = std::move(source.provenance);
    derived_.by_own_lines = source.local;
    if (!source.genuine) {
        derived_.failed = source.status >= NGX_HTTP_INTERNAL_SERVER_ERROR;
        observer.happened(Event::passed);
        return send_source(false);
    }
    const bool has_format =
        !changes && (source.format == outcome.formats[0] ||
                     (outcome.formats[1] != Format::none && source.format == outcome.formats[1]));
    if (!source.transformable || source.format == Format::none || has_format) {
        observer.happened(Event::passed);
        return send_source(true);
    }
    job.target = choose_target(outcome, source.format);
    job.prefer_original = may_send_source(outcome, source.format);
    key_ = key_of(source, job);
    etag_ = ngx::copy(r_.pool, etag_of(key_));
    if (etag_.data == nullptr) throw std::bad_alloc{};
    const std::string own{value_of(source.shown, "ETag")};
    if (client_has(std::string{ngx::view(etag_)}) || (!own.empty() && client_has(own)))
        return send_not_modified();
    if (const auto reason = refusals.find(key_, monotonic_ms())) return on_refused(*reason);
    render();
}

void Request::render()
{
    const bool ahead = ngx::is_detached(r_);
    const std::uint64_t wait = ahead ? kQueueWaitAhead : kQueueWait;
    Submit submission;
    submission.key = key_;
    submission.priority = ahead ? Priority::prewarm : Priority::interactive;
    submission.deadline_ms = monotonic_ms() + wait;
    submission.job = job;
    const Waiting waiting{[](void* data, const Done& done, Descriptor result) noexcept {
                              auto* self = static_cast<Request*>(data);
                              self->woken([&] { self->on_done(done, std::move(result)); });
                          },
                          [](void* data, Reason reason) noexcept {
                              auto* self = static_cast<Request*>(data);
                              self->woken([&] { self->on_refused(reason); });
                          },
                          this};
    step_ = Step::rendering;
    job_id_ = submit(submission, source_->answer().body->get(), waiting);
    if (job_id_ == 0) return on_refused(Reason::unavailable);
    ngx_add_timer(&hooks_.timer, static_cast<ngx_msec_t>(wait) + job.limits.time_ms + kGrace);
}

void Request::on_done(const Done& done, Descriptor result)
{
    job_id_ = 0;
    if (hooks_.timer.timer_set) ngx_del_timer(&hooks_.timer);
    SourceAnswer& source = source_->answer();
    microseconds_ = std::int64_t{done.queue_us} + done.render_us;
    observer.rendered(done, source.size);
    if (!ngx::is_detached(r_)) prewarm();
    if (done.original) {
        observer.happened(Event::original);
        return send_source(true);
    }
    observer.happened(Event::rendered);
    step_ = Step::answered;
    const std::string_view type = media_type(done.format);
    stand_in(NGX_HTTP_OK, type, ngx::view(etag_), static_cast<off_t>(done.bytes));
    put_lines(ngx::view(etag_), true);
    r_.headers_out.status = NGX_HTTP_OK;
    r_.headers_out.content_type = ngx::str(type);
    r_.headers_out.content_type_len = type.size();
    r_.headers_out.content_length_n = static_cast<off_t>(done.bytes);
    r_.headers_out.last_modified_time = source.last_modified;
    r_.allow_ranges = 1;
    r_.single_range = 1;
    send(std::make_shared<const MemoryFile>(std::move(result)));
}

void Request::on_refused(Reason reason)
{
    if (hooks_.timer.timer_set) ngx_del_timer(&hooks_.timer);
    // Only what a render process has tried: who waited in vain may try again.
    const bool tried = std::exchange(job_id_, 0) != 0;
    if (tried && is_lasting(reason) && !is_certain(reason)) refusals.remember(key_, reason, monotonic_ms());
    observer.refused(reason);
    const ngx_uint_t level = is_certain(reason) ? NGX_LOG_INFO : NGX_LOG_WARN;
    ngx_log_error(level, r_.connection->log, 0, "edge: no picture could be made: %s", name_of(reason));
    fall_back(reason);
}

void Request::fall_back(Reason reason)
{
    derived_.failed = !is_certain(reason);
    if (settings_.fallback_original && reason != Reason::no_such_page) {
        observer.happened(Event::fallback);
        return send_source(is_certain(reason));
    }
    observer.happened(Event::failed);
    step_ = Step::answered;
    ngx_http_finalize_request(&r_, status_of(reason));  // *this may be gone now
}

/// As it came. `keep`: this is the answer to the request, not its makeshift.
void Request::send_source(bool keep)
{
    step_ = Step::answered;
    SourceAnswer& source = source_->answer();
    const std::string_view etag = value_of(source.shown, "ETag");
    if (keep) stand_in(source.status, source.content_type, etag, static_cast<off_t>(source.size));
    put_lines(etag, keep || !source.genuine);
    const ngx_str_t type = ngx::copy(r_.pool, source.content_type);
    if (type.data == nullptr) throw std::bad_alloc{};
    r_.headers_out.status = source.status;
    r_.headers_out.content_type = type;
    r_.headers_out.content_type_len = std::min(source.content_type.find(';'), source.content_type.size());
    r_.headers_out.content_length_n = static_cast<off_t>(source.size);
    r_.headers_out.last_modified_time = source.last_modified;
    r_.allow_ranges = source.status == NGX_HTTP_OK ? 1 : 0;
    r_.single_range = 1;
    send(source.body);
}

void Request::send_not_modified()
{
    observer.happened(Event::not_modified);
    step_ = Step::answered;
    const SourceAnswer& source = source_->answer();
    stand_in(NGX_HTTP_NOT_MODIFIED, {}, ngx::view(etag_), -1);
    put_lines(ngx::view(etag_), true);
    r_.headers_out.status = NGX_HTTP_NOT_MODIFIED;
    r_.headers_out.content_length_n = -1;
    r_.headers_out.last_modified_time = source.last_modified;
    send({});
}

/// What the origin said of the source holds for what is made of it; the cache reads it there.
void Request::stand_in(ngx_uint_t status, std::string_view type, std::string_view etag, off_t length)
{
    const SourceAnswer& source = source_->answer();
    std::vector<http::Field> fields;
    const auto add = [&](std::string_view name, std::string_view value) {
        const ngx_str_t kept_name = ngx::copy(r_.pool, name), kept_value = ngx::copy(r_.pool, value);
        if (kept_name.data == nullptr || kept_value.data == nullptr) throw std::bad_alloc{};
        fields.push_back({ngx::view(kept_name), ngx::view(kept_value)});
    };
    for (const auto& [name, value] : source.said) add(name, value);
    if (!type.empty()) add("Content-Type", type);
    if (!etag.empty()) add("ETag", etag);
    ngx::stand_in_for_origin(r_, status, fields, length);
}

/// The source's lines for the client. Not `kept`: nobody is to remember this answer.
void Request::put_lines(std::string_view etag, bool kept)
{
    const auto add = [&](std::string_view name, std::string_view value) {
        const ngx_str_t kept_name = ngx::copy(r_.pool, name), kept_value = ngx::copy(r_.pool, value);
        if (kept_name.data == nullptr || kept_value.data == nullptr) throw std::bad_alloc{};
        ngx::push_answer_line(r_, ngx::view(kept_name), ngx::view(kept_value));
    };
    for (const auto& [name, value] : source_->answer().shown) {
        if (ngx::equals_ignoring_case(name, "ETag")) continue;
        if (!kept && (ngx::equals_ignoring_case(name, "Cache-Control") ||
                      ngx::equals_ignoring_case(name, "Expires"))) {
            continue;
        }
        add(name, value);
    }
    if (!kept) return add("Cache-Control", "no-store");
    if (!etag.empty()) add("ETag", etag);
}

bool Request::client_has(const std::string& etag)
{
    bool has = false;
    ngx::for_each_header(r_.headers_in.headers, [&](ngx_table_elt_t& line) {
        if (!ngx::equals_ignoring_case(ngx::view(line.key), "If-None-Match")) return;
        http::ListCursor list{ngx::view(line.value)};
        while (const auto member = list.next()) {
            const auto opaque = [](std::string_view tag) {
                return tag.substr(tag.starts_with("W/") ? 2 : 0);
            };
            has = has || opaque(*member) == opaque(etag);
        }
    });
    return has;
}

/// `body`: settled or sealed, or none.
void Request::send(std::shared_ptr<const MemoryFile> body)
{
    r_.read_event_handler = ngx_http_block_reading;
    std::optional<MemoryFileBytes> mapped;
    if (body) {
        mapped = MemoryFileBytes::map(std::move(body));
        if (!mapped) return ngx_http_finalize_request(&r_, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
    ngx_int_t rc = ngx_http_send_header(&r_);
    source_.reset();
    if (rc == NGX_ERROR || rc > NGX_OK || r_.header_only) return ngx_http_finalize_request(&r_, rc);
    if (!mapped || mapped->bytes().empty())
        return ngx_http_finalize_request(&r_, ngx_http_send_special(&r_, NGX_HTTP_LAST));
    unsent_ = ngx::make<MemoryFileBytes>(r_.pool, std::move(*mapped)).bytes();
    send_more();  // *this may be gone now
}

/// Originals can be large, and a zone may take a copy: never much of it in one turn of the event loop.
void Request::send_more()
{
    const auto piece = unsent_.first(std::min(unsent_.size(), loop_share()));
    unsent_ = unsent_.subspan(piece.size());
    spend_loop_share(piece.size());
    auto& buf = ngx::zeroed<ngx_buf_t>(r_.pool);
    auto* start = reinterpret_cast<u_char*>(const_cast<std::byte*>(piece.data()));
    buf.start = buf.pos = start;
    buf.end = buf.last = start + piece.size();
    buf.memory = 1;
    buf.last_buf = buf.last_in_chain = unsent_.empty() ? 1 : 0;
    ngx_chain_t out{&buf, nullptr};
    const ngx_int_t rc = ngx_http_output_filter(&r_, &out);
    if (rc == NGX_ERROR || rc > NGX_OK || unsent_.empty()) {
        if (hooks_.timer.timer_set) ngx_del_timer(&hooks_.timer);
        return ngx_http_finalize_request(&r_, rc);  // *this may be gone now
    }
    // A worker that ends waits for timers, not for events that are posted.
    if (!hooks_.timer.timer_set) ngx_add_timer(&hooks_.timer, kLongestSend);
    more_.post();
}

/// The other sizes a page is likely to ask for next.
void Request::prewarm()
{
    if (!derived_.source) return;  // nothing is kept of them either
    const std::string target{ngx::view(r_.unparsed_uri)};
    const char joint = target.find('?') == target.npos ? '?' : '&';
    for (const std::string& name : settings_.prewarm) {
        if (name == preset) continue;
        const std::string wanted =
            target + std::string{joint} + settings_.arguments.prefix + "preset=" + name;
        static_cast<void>(ngx::start_detached(r_, {.ended = [](void*) noexcept {},
                                                   .data = nullptr,
                                                   .purpose = ngx::Purpose::absent,
                                                   .target = wanted}));
    }
}

}
