#include "redis/glue/connection.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "nginx/barrier.hpp"
#include "nginx/clock.hpp"
#include "redis/glue/node.hpp"
#include "redis/glue/tls.hpp"

namespace edge::redis {

namespace {

constexpr std::size_t kMostBuffers = 64;  ///< of one write
constexpr unsigned kMostReads = 32;       ///< in a row, before others have their turn
constexpr std::size_t kGlance = 512;      ///< bytes that a large string's header comes with
constexpr ngx_msec_t kNever = 0;

/// What is read goes through here into the reader; one for all, as no handler reads.
Inbox inbox;

std::uint64_t clock_us() noexcept
{
    return ngx::monotonic_ns() / 1000;
}

bool is_past(ngx_msec_t at) noexcept
{
    return static_cast<ngx_msec_int_t>(ngx_current_msec - at) >= 0;
}

int socket_error(ngx_connection_t* c) noexcept
{
    int error = 0;
    socklen_t size = sizeof(error);
    return ::getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 ? errno : error;
}

ngx_buf_t buffer_of(std::span<char> bytes) noexcept
{
    ngx_buf_t buf{};
    buf.start = buf.pos = buf.last = reinterpret_cast<u_char*>(bytes.data());
    buf.end = buf.start + bytes.size();
    return buf;
}

/// Fills `first`, if that is not empty, and then `second`.
ssize_t receive(ngx_connection_t& c, std::span<char> first, std::span<char> second) noexcept
{
    if (first.empty()) return c.recv(&c, reinterpret_cast<u_char*>(second.data()), second.size());
    ngx_buf_t bufs[] = {buffer_of(first), buffer_of(second)};
    ngx_chain_t last{&bufs[1], nullptr};
    ngx_chain_t chain{&bufs[0], &last};
    return c.recv_chain(&c, &chain, 0);
}

const Reply kNil;

}

std::string_view Connection::Segment::rest() const noexcept
{
    const std::string_view all =
        own.empty() ? std::string_view{reinterpret_cast<const char*>(borrowed.data()), borrowed.size()} : own;
    return all.substr(done);
}

Connection::Connection(Node& node, Use use) : node_{node}, use_{use}
{
    if (use_ == Use::dedicated) node_.add_dedicated(*this);
    hooks_.owner = this;
    hooks_.no_connection.fd = static_cast<ngx_socket_t>(-1);
    // nginx's own lines about each attempt would repeat what the node says once.
    hooks_.log = *ngx_cycle->log;
    hooks_.log.log_level = std::min<ngx_uint_t>(hooks_.log.log_level, NGX_LOG_ALERT);
    hooks_.log.handler = nullptr;
    hooks_.timer.data = &hooks_.no_connection;
    hooks_.timer.log = &hooks_.log;
    hooks_.timer.cancelable = 1;
    hooks_.timer.handler = [](ngx_event_t* event) noexcept {
        reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, timer))->owner->on_timer();
    };
    hooks_.flush.data = &hooks_.no_connection;
    hooks_.flush.log = &hooks_.log;
    hooks_.flush.handler = [](ngx_event_t* event) noexcept {
        reinterpret_cast<Hooks*>(reinterpret_cast<char*>(event) - offsetof(Hooks, flush))->owner->flush();
    };
}

Connection::~Connection()
{
    if (use_ == Use::dedicated) node_.remove_dedicated(*this);
    disconnect();
    if (!pending_.empty()) observer.in_flight(node_.number(), -static_cast<int>(pending_.size()));
}

bool Connection::send(Call* call, const Command& command, ngx_msec_t timeout) noexcept
{
    if (use_ == Use::dedicated && ngx_exiting) return false;
    if (step_ == Step::closed && !connect()) return false;
    const bool sent = ngx::guarded<bool>(ngx_cycle->log, false, [&] {
        pending_.emplace_back(call, clock_us(), timeout != 0 ? ngx_current_msec + timeout : kNever);
        observer.in_flight(node_.number(), 1);
        append(command);
        return true;
    });
    if (!sent) {
        // Half a command may be in the queue: nothing that comes after it would be understood.
        if (call != nullptr) call->cancel();
        fail(Failure::lost, "out of memory");
        return false;
    }
    let_worker_end(false);
    if (timeout != 0) arm(pending_.back().deadline);
    flush_soon();
    return true;
}

bool Connection::open() noexcept
{
    return step_ != Step::closed || connect();
}

void Connection::close(Failure why) noexcept
{
    if (step_ != Step::closed) fail(why, {});
}

void Connection::append(const Command& command)
{
    if (out_.empty() || out_.back().own.empty()) out_.push_back({});
    out_.back().own.append(command.head());
    if (command.has_value()) {
        for (const auto piece : command.value().pieces) {
            if (!piece.empty()) out_.push_back({{}, piece, command.value().keep, 0});
        }
        out_.push_back({std::string{command.tail()}, {}, {}, 0});
    }
    unsent_ += command.size();
}

/// A worker that shuts down waits for what is under way for clients, which is bounded by time-outs.
void Connection::let_worker_end(bool may) noexcept
{
    hooks_.timer.cancelable = may || use_ == Use::dedicated ? 1 : 0;
}

void Connection::arm(ngx_msec_t at) noexcept
{
    ngx_event_t* timer = &hooks_.timer;
    if (timer->timer_set && static_cast<ngx_msec_int_t>(timer->timer.key - at) <= 0) return;
    ngx_add_timer(timer, static_cast<ngx_msec_t>(std::max<ngx_msec_int_t>(
                             static_cast<ngx_msec_int_t>(at - ngx_current_msec), 1)));
}

void Connection::rearm() noexcept
{
    if (step_ != Step::closed && step_ != Step::ready) arm(connect_by_);
    for (const Pending& pending : pending_) {
        if (pending.deadline != kNever) arm(pending.deadline);
    }
}

bool Connection::connect() noexcept
{
    const Address* address = node_.next_address();
    if (address == nullptr) {
        // Its first question has its time.
        if (use_ == Use::shared && !node_.is_being_named()) node_.failed("its name is not resolved");
        return false;
    }
    const bool begun = ngx::guarded<bool>(ngx_cycle->log, false, [&] {
        reader_ = std::make_unique<ReplyReader>(
            [](void* self, const Reply& reply) noexcept { static_cast<Connection*>(self)->on_reply(reply); },
            this);
        peer_ = address->text;
        return true;
    });
    if (!begun) return false;

    ngx_str_t name{address->text.size(), reinterpret_cast<u_char*>(const_cast<char*>(address->text.c_str()))};
    ngx_peer_connection_t peer{};
    peer.sockaddr = reinterpret_cast<sockaddr*>(const_cast<sockaddr_storage*>(&address->storage));
    peer.socklen = address->length;
    peer.name = &name;
    peer.get = ngx_event_get_peer;
    peer.log = &hooks_.log;
    peer.log_error = NGX_ERROR_ERR;
    peer.so_keepalive = 1;
    ngx_set_errno(0);
    const ngx_int_t rc = ngx_event_connect_peer(&peer);
    if (rc == NGX_ERROR || rc == NGX_DECLINED || rc == NGX_BUSY) {
        if (use_ == Use::shared) node_.failed("can't connect");
        return false;
    }
    c_ = peer.connection;
    c_->pool = ngx_create_pool(512, &hooks_.log);  // TLS keeps its own there
    if (c_->pool == nullptr) {
        ngx_close_connection(c_);
        c_ = nullptr;
        return false;
    }
    c_->data = this;
    c_->log = &hooks_.log;
    c_->read->log = c_->write->log = &hooks_.log;
    local_ = address->storage.ss_family == AF_UNIX;
    c_->idle = 1;  // a worker that shuts down asks it to close
    c_->read->handler = [](ngx_event_t* event) noexcept {
        static_cast<Connection*>(static_cast<ngx_connection_t*>(event->data)->data)->on_readable();
    };
    c_->write->handler = [](ngx_event_t* event) noexcept {
        static_cast<Connection*>(static_cast<ngx_connection_t*>(event->data)->data)->on_writable();
    };
    step_ = Step::connecting;
    last_byte_ = ngx_current_msec;
    connect_by_ = ngx_current_msec + node_.settings().connect_timeout;
    arm(connect_by_);
    observer.connected(node_.number(), 1);
    // Made at once (a unix socket is): what follows waits for the write at the end of this turn all the same,
    // so that nobody is called from within send().
    if (rc == NGX_OK) flush_soon();
    return true;
}

void Connection::connected() noexcept
{
    if (const int error = socket_error(c_); error != 0) {
        u_char text[NGX_MAX_ERROR_STR];
        const u_char* end = ngx_strerror(error, text, sizeof(text));
        const std::string_view why{reinterpret_cast<char*>(text), static_cast<std::size_t>(end - text)};
        return fail(Failure::lost, "can't connect: " + std::string{why});
    }
    if (c_->tcp_nodelay == NGX_TCP_NODELAY_UNSET) static_cast<void>(ngx_tcp_nodelay(c_));
    const Url& url = node_.url();
    if (!url.tls) return greet();
    step_ = Step::securing;
    const ngx_int_t rc = begin_tls(c_, *node_.settings().tls, url.host);
    if (rc == NGX_AGAIN) {
        c_->ssl->handler = [](ngx_connection_t* c) noexcept {
            static_cast<Connection*>(c->data)->handshaken();
        };
    } else if (rc == NGX_OK) {
        handshaken();
    } else {
        fail(Failure::lost, "the TLS handshake failed");
    }
}

void Connection::handshaken() noexcept
{
    if (const char* objection = peer_objection(c_, *node_.settings().tls, node_.url().host))
        return fail(Failure::lost, std::string{"TLS: "} + objection);
    // ngx_ssl_handshake has put its own handlers there.
    c_->read->handler = [](ngx_event_t* event) noexcept {
        static_cast<Connection*>(static_cast<ngx_connection_t*>(event->data)->data)->on_readable();
    };
    c_->write->handler = [](ngx_event_t* event) noexcept {
        static_cast<Connection*>(static_cast<ngx_connection_t*>(event->data)->data)->on_writable();
    };
    greet();
}

void Connection::greet() noexcept
{
    const Url& url = node_.url();
    greetings_ = 0;
    greeting_.clear();
    const auto say = [this](std::initializer_list<std::string_view> words) {
        greeting_.append(Command(words).head());
        ++greetings_;
    };
    const bool made = ngx::guarded<bool>(ngx_cycle->log, false, [&] {
        if (!url.user.empty()) {
            say({"AUTH", url.user, url.password});
        } else if (!url.password.empty()) {
            say({"AUTH", url.password});
        }
        if (url.database != 0) say({"SELECT", std::to_string(url.database)});
        if (node_.readonly()) say({"READONLY"});
        return true;
    });
    if (!made) return fail(Failure::lost, "out of memory");
    if (greetings_ == 0) return become_ready();
    step_ = Step::greeting;
    send_greeting();
}

void Connection::send_greeting() noexcept
{
    if (greeting_.empty()) return;
    const ssize_t n = c_->send(c_, reinterpret_cast<u_char*>(greeting_.data()), greeting_.size());
    if (n == NGX_ERROR) return fail(Failure::lost, "can't write");
    if (n > 0) greeting_.erase(0, static_cast<std::size_t>(n));
    if (ngx_handle_write_event(c_->write, 0) != NGX_OK || ngx_handle_read_event(c_->read, 0) != NGX_OK)
        fail(Failure::lost, "the event loop takes no more");
}

void Connection::on_greeting(const Reply& reply) noexcept
{
    if (reply.is_error()) {
        ngx::guarded<int>(ngx_cycle->log, 0, [&] {
            fail(Failure::lost, "it refuses the greeting: " + std::string{reply.text.substr(0, 100)});
            return 0;
        });
        return;
    }
    if (--greetings_ == 0) become_ready();
}

void Connection::become_ready() noexcept
{
    step_ = Step::ready;
    flush_soon();
}

void Connection::on_writable() noexcept
{
    switch (step_) {
        case Step::connecting:
            return connected();
        case Step::greeting:
            return send_greeting();
        case Step::ready:
            return flush();
        case Step::securing:
        case Step::closed:
            return;
    }
}

void Connection::flush_soon() noexcept
{
    ngx_event_t* event = &hooks_.flush;
    ngx_post_event(event, (&ngx_posted_events));
}

void Connection::flush() noexcept
{
    if (step_ == Step::connecting && c_->write->ready) return connected();
    if (step_ != Step::ready) return;
    while (!out_.empty() || c_->buffered) {
        std::array<ngx_buf_t, kMostBuffers> bufs;
        std::array<ngx_chain_t, kMostBuffers> links;
        std::size_t n = 0;
        for (auto segment = out_.begin(); segment != out_.end() && n < kMostBuffers; ++segment, ++n) {
            const std::string_view rest = segment->rest();
            ngx_buf_t& buf = bufs[n] = ngx_buf_t{};
            buf.pos = buf.start = reinterpret_cast<u_char*>(const_cast<char*>(rest.data()));
            buf.last = buf.end = buf.pos + rest.size();
            buf.memory = 1;
            links[n] = {&buf, nullptr};
            if (n != 0) links[n - 1].next = &links[n];
        }
        if (n != 0) bufs[n - 1].flush = 1;  // TLS keeps what would not fill a record otherwise
        const ngx_chain_t* rest = c_->send_chain(c_, n != 0 ? links.data() : nullptr, 0);
        if (rest == NGX_CHAIN_ERROR) return fail(Failure::lost, "can't write");
        for (std::size_t i = 0; i < n; ++i) {
            const auto written = static_cast<std::size_t>(bufs[i].pos - bufs[i].start);
            unsent_ -= written;
            out_.front().done += written;
            if (bufs[i].pos != bufs[i].last) break;
            out_.pop_front();
        }
        if (!c_->write->ready || rest != nullptr) break;
    }
    mind_room();
    if (ngx_handle_write_event(c_->write, 0) != NGX_OK || ngx_handle_read_event(c_->read, 0) != NGX_OK)
        fail(Failure::lost, "the event loop takes no more");
}

/// A unix socket tells of room whenever its peer has read something: the worker would wake for each command
/// that Redis takes up, beside the answer to it. Only who waits for room is to be told.
void Connection::mind_room() noexcept
{
    ngx_event_t* event = c_->write;
    if (local_ && event->active && event->ready && (ngx_event_flags & NGX_USE_EPOLL_EVENT))
        static_cast<void>(ngx_del_event(event, NGX_WRITE_EVENT, NGX_CLEAR_EVENT));
}

void Connection::on_readable() noexcept
{
    if (c_->close) {  // the worker shuts down, or has waited long enough for it
        if (pending_.empty() || c_->error || use_ == Use::dedicated) return fail(Failure::lost, {});
        c_->close = 0;
    }
    if (step_ == Step::connecting) return connected();
    if (step_ == Step::greeting || step_ == Step::ready) read_all();
}

void Connection::read_all() noexcept
{
    for (unsigned reads = 0;; ++reads) {
        if (reads == kMostReads) {
            ngx_post_event(c_->read, (&ngx_posted_next_events));
            return;
        }
        const std::span<char> direct = reader_->room();
        std::span<char> next = inbox.room();
        if (next.empty()) return fail(Failure::lost, "out of memory");
        if (node_.sends_large()) next = next.first(kGlance);
        const ssize_t n = receive(*c_, direct, next);
        if (n == NGX_AGAIN) break;
        if (n <= 0) {
            // A server may end what is idle: that says nothing of its health.
            if (pending_.empty() && step_ == Step::ready) return disconnect();
            return fail(Failure::lost, n == 0 ? "it closed the connection" : "can't read");
        }
        last_byte_ = ngx_current_msec;
        now_us_ = clock_us();
        reading_ = true;
        const std::size_t before = std::min(static_cast<std::size_t>(n), direct.size());
        const std::string_view behind{next.data(), static_cast<std::size_t>(n) - before};
        const bool understood = (before == 0 || reader_->take(before)) &&
                                (behind.empty() || doomed_ || reader_->feed(behind, &inbox.memory()));
        reading_ = false;
        if (doomed_) {
            const Failure why = *doomed_;
            doomed_.reset();
            return fail(why, std::exchange(doom_, {}));
        }
        if (!understood) return fail(Failure::protocol, reader_->error());
        if (!c_->read->ready) break;
    }
    if (ngx_handle_read_event(c_->read, 0) != NGX_OK) fail(Failure::lost, "the event loop takes no more");
}

void Connection::on_reply(const Reply& reply) noexcept
{
    if (step_ == Step::greeting) return on_greeting(reply);
    if (pending_.empty()) {
        // "-ERR max number of clients reached" comes unasked.
        return fail(Failure::protocol, reply.is_error() ? reply.text : "an answer that nobody asked for");
    }
    const Pending done = [this] {
        Pending first = std::move(pending_.front());
        pending_.pop_front();
        return first;
    }();
    if (pending_.empty()) let_worker_end(true);
    const unsigned number = node_.number();
    observer.in_flight(number, -1);
    observer.answered(number, now_us_ - done.sent_us);
    if (reply.is_string()) node_.note_size(reply.text.size());
    const Failure failure = reply.is_error() ? Failure::error_reply : Failure::none;
    const bool redirects =
        reply.is_error() && (reply.error_is("MOVED") || reply.error_is("ASK") || reply.error_is("TRYAGAIN"));
    if (failure != Failure::none && !redirects) observer.failed(number, failure);
    if (use_ == Use::shared) {
        // With these it answers, but to nobody's use.
        if (reply.error_is("LOADING") || reply.error_is("NOAUTH")) {
            node_.failed(reply.text);
        } else if (done.deadline != kNever) {
            node_.succeeded();
            if (reply.is_error() && !redirects) node_.complained(reply.text);
        }
    }
    const_cast<Wait&>(done.wait).hand_over({failure, reply, node_});
}

void Connection::on_timer() noexcept
{
    if (step_ != Step::ready && step_ != Step::closed && is_past(connect_by_)) {
        return fail(Failure::lost, "no connection in time");
    }
    std::deque<Pending> late;
    std::deque<Pending> others;
    const bool done = ngx::guarded<bool>(ngx_cycle->log, false, [&] {
        for (Pending& pending : pending_) {
            if (pending.deadline == kNever || !is_past(pending.deadline)) continue;
            late.emplace_back(std::move(pending));
            pending.deadline = kNever;  // its answer, if there will be one, is for nobody
        }
        return true;
    });
    // Nothing at all has come for so long: nothing will come this way.
    const bool stalled = !done || (!late.empty() && use_ == Use::shared && step_ == Step::ready &&
                                   is_past(last_byte_ + node_.settings().timeout));
    if (stalled) {
        others.swap(pending_);
        disconnect();
        observer.in_flight(node_.number(), -static_cast<int>(others.size()));
    } else {
        rearm();
    }
    for (std::size_t i = 0; i < late.size() && use_ == Use::shared; ++i) node_.failed("no answer in time");
    tell(late, Failure::timed_out);
    tell(others, Failure::lost);
}

void Connection::tell(std::deque<Pending>& whom, Failure why) noexcept
{
    for (Pending& pending : whom) {
        // Who was told of its time-out before is not counted again.
        if (why == Failure::timed_out || pending.deadline != kNever || pending.wait.call != nullptr)
            observer.failed(node_.number(), why);
        pending.wait.hand_over({why, kNil, node_});
    }
}

void Connection::fail(Failure why, std::string_view how) noexcept
{
    if (step_ == Step::closed) return;
    if (reading_) {
        if (doomed_) return;
        doomed_ = why;
        ngx::guarded<int>(ngx_cycle->log, 0, [&] {
            doom_ = how;
            return 0;
        });
        reader_->stop();
        return;
    }
    std::deque<Pending> whom;
    whom.swap(pending_);
    disconnect();
    observer.in_flight(node_.number(), -static_cast<int>(whom.size()));
    if (use_ == Use::shared && !how.empty()) node_.failed(how);
    tell(whom, why);
}

void Connection::disconnect() noexcept
{
    if (hooks_.timer.timer_set) ngx_del_timer((&hooks_.timer));
    if (hooks_.flush.posted) {  // a macro of several statements
        ngx_delete_posted_event((&hooks_.flush));
    }
    let_worker_end(true);
    step_ = Step::closed;
    out_.clear();
    unsent_ = 0;
    if (c_ == nullptr) return;
    ngx_connection_t* c = std::exchange(c_, nullptr);
    end_tls(c);
    ngx_pool_t* pool = c->pool;
    ngx_close_connection(c);
    if (pool != nullptr) ngx_destroy_pool(pool);
    observer.connected(node_.number(), -1);
}

}
