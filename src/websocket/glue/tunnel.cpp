#include "websocket/glue/tunnel.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "nginx/barrier.hpp"
#include "nginx/pool.hpp"
#include "websocket/glue/later.hpp"
#include "websocket/glue/tunnel_list.hpp"

namespace edge::websocket {

namespace {

/// Once someone has said Close: the longest pause before the rest, and the longest time for all of it.
constexpr std::uint64_t kClosePause = 5000;
constexpr std::uint64_t kCloseTime = 60000;
constexpr std::uint64_t kIdleAfter = 10000;
/// Reads from each side before other connections have their turn; while a batch is held it is one.
constexpr unsigned kMostRounds = 8;

/// Nothing stays in it between two events.
constinit std::array<Byte, 32 * 1024> scratch{};

std::uint64_t random_seed() noexcept
{
    std::uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != static_cast<ssize_t>(sizeof(seed)))
        seed = (static_cast<std::uint64_t>(ngx_random()) << 32) ^ static_cast<std::uint64_t>(ngx_random());
    return seed;
}

void free_buffer(ngx_pool_t* pool, ngx_buf_t& buffer) noexcept
{
    // One of nginx's sizes is an allocation of its own; a smaller one stays in the pool.
    if (buffer.start != nullptr) ngx_pfree(pool, buffer.start);
    buffer.start = buffer.pos = buffer.last = buffer.end = nullptr;
}

/// What nginx gathers responses and requests in, 16 KB; whole records are sent here.
void free_tls_buffer(ngx_connection_t& c) noexcept
{
    if (c.ssl != nullptr && c.buffered == 0) ngx_ssl_free_buffer(&c);
}

/// TLS: 5 bytes of head and 16 of tag to each record, and one more in 1.3, eight more with AES in 1.2.
constexpr std::uint32_t kRecordOverhead = 29;

/// How the connection's bytes divide on the wire.
Segments segments_of(const ngx_connection_t& c) noexcept
{
    int payload = 0;
    socklen_t size = sizeof(payload);
    if (getsockopt(c.fd, IPPROTO_TCP, TCP_MAXSEG, &payload, &size) != 0 || payload <= 0) return {};
    return {static_cast<std::uint32_t>(payload), c.ssl != nullptr ? kRecordOverhead : 0};
}

std::vector<Byte> take(ngx_buf_t& buffer)
{
    std::vector<Byte> bytes(buffer.pos, buffer.last);
    return bytes;
}

}

Tunnel::Tunnel(ngx_http_request_t& r, const RelaySettings& settings, const Agreement& agreement)
    : r_{r}, client_{*r.connection}, upstream_{*r.upstream->peer.connection}, mode_{agreement.mode}
{
    relay_.emplace(settings, agreement, random_seed(), memory_);
}

Tunnel* Tunnel::find(const ngx_http_request_t& r) noexcept
{
    const Owner* owner = ngx::find<Owner>(r.pool);
    return owner != nullptr ? owner->get() : nullptr;
}

void Tunnel::prepare(ngx_http_request_t& r, const RelaySettings& settings, const Agreement& agreement)
{
    ngx_http_cleanup_t* end = ngx_http_cleanup_add(&r, 0);
    if (end == nullptr) throw std::bad_alloc{};
    Tunnel& tunnel = *ngx::make<Owner>(r.pool, std::make_unique<Tunnel>(r, settings, agreement));
    tunnel.steal_early_bytes();
    end->data = &tunnel;
    end->handler = [](void* data) noexcept { static_cast<Tunnel*>(data)->detach(); };
}

/// nginx's tunnel is about to start and would at once move what is there; it must find nothing.
void Tunnel::steal_early_bytes()
{
    ngx_http_upstream_t& u = *r_.upstream;
    early_upstream_ = take(u.buffer);
    early_client_ = take(*r_.header_in);
    u.buffer.pos = u.buffer.last;
    r_.header_in->pos = r_.header_in->last;
    client_recv_ = client_.recv;
    upstream_recv_ = upstream_.recv;
    client_.recv = receive_nothing;
    upstream_.recv = receive_nothing;
    for (Hook* hook : {&posted_, &timer_}) {
        hook->tunnel = this;
        hook->event.data = &client_;
        hook->event.log = client_.log;
    }
    posted_.event.handler = on_posted;
    timer_.event.handler = on_timer;
    woken_later_ = Woken::by_socket;
    ngx_post_event(&posted_.event, &ngx_posted_events);
    TunnelList::add(*this);
    observer.opened();
}

void Tunnel::take_over() noexcept
{
    step_ = Step::running;
    client_.recv = client_recv_;
    upstream_.recv = upstream_recv_;
    ngx_http_upstream_t& u = *r_.upstream;
    core_client_read_ = r_.read_event_handler;
    core_client_write_ = r_.write_event_handler;
    core_upstream_read_ = u.read_event_handler;
    core_upstream_write_ = u.write_event_handler;
    r_.read_event_handler = r_.write_event_handler = on_client_event;
    u.read_event_handler = u.write_event_handler = on_upstream_event;
    free_buffer(r_.pool, u.buffer);
    free_buffer(r_.pool, u.from_client);
    last_moved_ = ngx_current_msec;
}

/// Idempotent; from there on nothing calls the tunnel any more.
void Tunnel::detach() noexcept
{
    if (step_ == Step::ended) return;
    if (step_ == Step::prepared) {
        client_.recv = client_recv_;
        // Finalized before its turn came: the connection may be another's by now.
        if (r_.upstream->peer.connection == &upstream_) upstream_.recv = upstream_recv_;
    }
    step_ = Step::ended;
    if (posted_.event.posted) {
        ngx_delete_posted_event(&posted_.event);
    }
    if (timer_.event.timer_set) ngx_del_timer(&timer_.event);
    TunnelList::remove(*this);
    close_code_ = relay_->close_code();
    relay_.reset();
    early_client_ = {};
    early_upstream_ = {};
    Counts last = counts_;
    last.memory = 0;
    observer.moved(counts_, last);
    counts_ = last;
    observer.closed(close_code_);
}

/// To nginx's tunnel, which finds an end on one side and nothing to move, and so finalizes the request: peer
/// state, log, lingering. The request may be gone when this returns, and the tunnel with it.
void Tunnel::hand_back() noexcept
{
    ngx_http_request_t& r = r_;
    ngx_http_upstream_t& u = *r.upstream;
    // Bytes of the client that nobody reads would turn the close into a reset, and eat our last ones.
    if (!client_lost_) r.lingering_close = 1;
    report();
    log_violation();
    r.read_event_handler = core_client_read_;
    r.write_event_handler = core_client_write_;
    u.read_event_handler = core_upstream_read_;
    u.write_event_handler = core_upstream_write_;
    upstream_.read->timedout = upstream_.write->timedout = 0;
    upstream_.read->eof = 1;
    detach();
    u.read_event_handler(&r, &u);
}

void Tunnel::on_client_event(ngx_http_request_t* r) noexcept
{
    if (Tunnel* tunnel = find(*r)) tunnel->wake(Woken::by_socket);
}

/// A message that belongs to a batch need not be looked at before those of others that go at once.
void Tunnel::on_upstream_event(ngx_http_request_t* r, ngx_http_upstream_t*) noexcept
{
    Tunnel* const tunnel = find(*r);
    if (tunnel == nullptr || tunnel->step_ != Step::running) return;
    if (tunnel->relay_->in_burst(ngx_current_msec))
        tunnel->wake_later(Woken::by_socket);
    else
        tunnel->wake(Woken::by_socket);
}

void Tunnel::on_posted(ngx_event_t* event) noexcept
{
    Tunnel& tunnel = *reinterpret_cast<Hook*>(event)->tunnel;
    ngx_connection_t* c = &tunnel.client_;
    ngx_http_set_log_request(c->log, &tunnel.r_);
    if (tunnel.step_ == Step::prepared) tunnel.take_over();
    tunnel.wake(std::exchange(tunnel.woken_later_, Woken::by_timer));
    ngx_http_run_posted_requests(c);
}

void Tunnel::on_timer(ngx_event_t* event) noexcept
{
    event->timedout = 0;
    reinterpret_cast<Hook*>(event)->tunnel->wake_later(Woken::by_timer);
}

void Tunnel::wake_later(Woken by) noexcept
{
    if (by == Woken::by_socket) woken_later_ = by;
    Later::add(posted_.event);
}

/// Everything that happens to a running tunnel comes through here; the tunnel may be gone afterwards.
void Tunnel::wake(Woken by) noexcept
{
    if (step_ != Step::running) return;
    if (ngx::guarded<Next>(client_.log, Next::done, [&] { return run(by); }) == Next::done) hand_back();
}

void Tunnel::drain_if_due(std::uint64_t now) noexcept
{
    if (step_ != Step::running || now < drain_at_) return;
    const bool begun = ngx::guarded<bool>(client_.log, false, [&] {
        return !relay_->closing() && relay_->close_client(CloseCode::going_away, "", now);
    });
    if (begun) wake_by_list();  // else it is closing, or in the midst of a large frame: then the next time
}

void Tunnel::keep_alive(std::uint64_t now) noexcept
{
    if (step_ != Step::running) return;
    const bool begun = ngx::guarded<bool>(client_.log, false, [&] { return relay_->keep_alive(now); });
    if (begun) wake_by_list();
}

void Tunnel::wake_by_list() noexcept
{
    ngx_http_set_log_request(client_.log, &r_);
    ngx_connection_t* c = &client_;
    wake(Woken::by_timer);
    ngx_http_run_posted_requests(c);
}

bool Tunnel::release_if_idle(std::uint64_t now) noexcept
{
    if (step_ != Step::running || idle_ || now - last_moved_ < kIdleAfter) return false;
    idle_ = true;
    ngx::guarded<int>(client_.log, 0, [&] {
        relay_->release_idle();
        early_client_ = {};
        early_client_taken_ = 0;
        report();
        return 0;
    });
    return true;
}

Tunnel::Next Tunnel::run(Woken by)
{
    const std::uint64_t now = ngx_current_msec;
    if (check_timeouts(now) == Next::done) return Next::done;
    if (!header_sent()) return arm(now, false);
    bool moved = false;
    unsigned round = 0;
    for (bool more = true; more; moved |= more) {
        const bool batch_grows = round == 1 && relay_->in_burst(now) && upstream_.read->ready;
        if (batch_grows || round++ == kMostRounds) {
            wake_later(Woken::by_socket);
            break;
        }
        more = read_upstream(now);
        more |= read_client(now);
        if (relay_->deadline()) {
            relay_->on_deadline(now);
            note_flush();
        }
        more |= write_client();
        more |= write_upstream();
    }
    if (moved) {
        last_moved_ = now;
        idle_ = false;
    }
    report();
    if (finished()) return Next::done;
    return arm(now, moved && by == Woken::by_socket);
}

Tunnel::Next Tunnel::check_timeouts(std::uint64_t now)
{
    if (client_.write->timedout) {
        client_lost_ = true;
        return Next::done;  // nginx's tunnel says so in the log
    }
    if (upstream_.read->timedout || upstream_.write->timedout) {
        upstream_.read->timedout = upstream_.write->timedout = 0;
        ngx_connection_error(&client_, NGX_ETIMEDOUT, const_cast<char*>("upstream timed out"));
        upstream_lost(now);
    }
    if (client_.close || upstream_.close) {  // worker_shutdown_timeout
        if (relay_->close_client(CloseCode::going_away, "", now)) note_flush();
        write_client();
        return Next::done;
    }
    if (closing_since_ != 0 && now >= close_deadline()) return Next::done;
    return Next::more;
}

/// Before the first byte of ours the 101 has to be out.
bool Tunnel::header_sent()
{
    if (header_sent_) return true;
    if (r_.out != nullptr || client_.buffered != 0) {
        if (ngx_http_output_filter(&r_, nullptr) == NGX_ERROR) {
            client_lost(true);
            return true;
        }
        if (r_.out != nullptr || client_.buffered != 0) return false;
    }
    header_sent_ = true;
    const Segments segments = segments_of(client_);
    relay_->fit(segments);
    record_ = segments.record();
    free_tls_buffer(client_);
    free_tls_buffer(upstream_);
    return true;
}

bool Tunnel::read_client(std::uint64_t now)
{
    if (!early_client_.empty()) {
        if (!relay_->wants_client()) return false;
        const MutableBytes rest{early_client_.data() + early_client_taken_,
                                early_client_.size() - early_client_taken_};
        early_client_taken_ += relay_->from_client(rest, now);
        note_flush();
        if (early_client_taken_ == early_client_.size()) {
            early_client_.clear();
            early_client_taken_ = 0;
        }
        return true;
    }
    if (client_lost_ || client_ended_ || !client_.read->ready) return false;
    // Who is not wanted any more is read nevertheless: an end, or what would cause a reset.
    if (!relay_->wants_client() && !relay_->ended() && !relay_->client_failed()) return false;
    const ssize_t n = client_.recv(&client_, scratch.data(), scratch.size());
    if (n == NGX_AGAIN) return false;
    if (n <= 0) {
        client_lost(n < 0);
        return true;
    }
    if (!relay_->wants_client()) return true;
    const auto size = static_cast<std::size_t>(n);
    const std::size_t taken = relay_->from_client({scratch.data(), size}, now);
    note_flush();
    if (taken < size && relay_->wants_client() == false && !relay_->client_failed() && !relay_->ended())
        early_client_.assign(scratch.data() + taken, scratch.data() + size);
    return true;
}

bool Tunnel::read_upstream(std::uint64_t now)
{
    if (!early_upstream_.empty()) {
        relay_->from_upstream({early_upstream_.data(), early_upstream_.size()}, now);
        note_flush();
        early_upstream_ = {};
        return true;
    }
    if (upstream_lost_ || !upstream_.read->ready) return false;
    if (!relay_->wants_upstream() && !relay_->ended() && !relay_->upstream_failed()) return false;
    const ssize_t n = upstream_.recv(&upstream_, scratch.data(), scratch.size());
    if (n == NGX_AGAIN) return false;
    if (n <= 0) {
        upstream_lost(now);
        return true;
    }
    r_.upstream->state->bytes_received += n;
    relay_->from_upstream({scratch.data(), static_cast<std::size_t>(n)}, now);
    note_flush();
    return true;
}

void Tunnel::client_lost(bool broken) noexcept
{
    client_ended_ = true;
    relay_->client_ended(broken);
    if (!relay_->client_gone()) return;  // it waits for the answer to its Close
    client_lost_ = true;
    client_.read->eof = 1;
}

void Tunnel::upstream_lost(std::uint64_t now)
{
    if (upstream_lost_) return;
    upstream_lost_ = true;
    relay_->upstream_ended(now);
    note_flush();
}

namespace {

enum class Written : std::uint8_t { nothing, something, failed };

/// One send of what lies together (under TLS one record), or over plain TCP one writev of all that is ready.
Written write_front(ngx_connection_t& c, OutputQueue& queue, std::size_t record)
{
    if (queue.ready() == 0 || !c.write->ready || c.write->delayed) return Written::nothing;
    Bytes front = queue.front();
    if (c.ssl != nullptr && front.size() > record) front = front.first(record);
    if (c.ssl != nullptr || front.size() == queue.ready()) {
        const ssize_t n = c.send(&c, const_cast<u_char*>(front.data()), front.size());
        if (n == NGX_AGAIN || n == 0) return Written::nothing;
        if (n < 0) return Written::failed;
        queue.consume(static_cast<std::size_t>(n));
        return Written::something;
    }
    constexpr std::size_t kSpans = 32;
    std::array<Bytes, kSpans> spans;
    std::array<ngx_buf_t, kSpans> bufs{};
    std::array<ngx_chain_t, kSpans> chain{};
    const std::size_t count = queue.gather(spans);
    for (std::size_t i = 0; i < count; ++i) {
        bufs[i].memory = 1;
        bufs[i].pos = bufs[i].start = const_cast<u_char*>(spans[i].data());
        bufs[i].last = bufs[i].end = bufs[i].pos + spans[i].size();
        chain[i].buf = &bufs[i];
        chain[i].next = i + 1 < count ? &chain[i + 1] : nullptr;
    }
    const off_t before = c.sent;
    if (c.send_chain(&c, chain.data(), 0) == NGX_CHAIN_ERROR) return Written::failed;
    queue.consume(static_cast<std::size_t>(c.sent - before));
    return c.sent != before ? Written::something : Written::nothing;
}

}

bool Tunnel::write_client()
{
    if (client_lost_) return false;
    const Written written = write_front(client_, relay_->to_client(), record_);
    if (written == Written::failed) client_lost(true);
    return written != Written::nothing;
}

bool Tunnel::write_upstream()
{
    if (upstream_lost_) return false;
    const Written written = write_front(upstream_, relay_->to_upstream(), SIZE_MAX);
    if (written == Written::failed) upstream_lost(ngx_current_msec);
    return written != Written::nothing;
}

/// Nothing more is to come, and what was to go has gone to whoever is still there.
bool Tunnel::finished() noexcept
{
    if (!relay_->ended()) return client_lost_ && upstream_lost_;
    const bool client_done = client_lost_ || relay_->to_client().ready() == 0;
    const bool upstream_done = upstream_lost_ || relay_->to_upstream().ready() == 0;
    return client_done && upstream_done;
}

void Tunnel::note_flush() noexcept
{
    const auto flush = relay_->take_flush();
    if (!flush) return;
    ++flushes_;
    observer.flushed(*flush);
}

void Tunnel::log_violation() noexcept
{
    const auto& violation = relay_->violation();
    if (!violation) return;
    const auto code = static_cast<ngx_uint_t>(violation->code);
    ngx_log_error(NGX_LOG_INFO, client_.log, 0, "edge: WebSocket closed with %ui, the %s sent: %*s", code,
                  relay_->client_failed() ? "client" : "upstream", violation->reason.size(),
                  violation->reason.data());
}

void Tunnel::report() noexcept
{
    const Counts now{relay_->down(), relay_->up(), memory_.bytes};
    observer.moved(counts_, now);
    counts_ = now;
}

/// What nginx's tunnel does after each event: `moved` restarts the time-outs.
Tunnel::Next Tunnel::arm(std::uint64_t now, bool moved)
{
    arm_timer(now);
    const ngx_http_upstream_t& u = *r_.upstream;
    const auto* core =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf((&r_), ngx_http_core_module));
    const auto events = [&](ngx_connection_t& c, std::size_t lowat, ngx_msec_t send, ngx_msec_t read,
                            bool lost) {
        ngx_event_t* const rev = c.read;
        ngx_event_t* const wev = c.write;
        if (!lost && ngx_handle_write_event(wev, lowat) != NGX_OK) return false;
        const bool blocked = !lost && wev->active && !wev->ready;
        if (!wev->delayed) {
            if (blocked && (moved || !wev->timer_set)) {
                ngx_add_timer(wev, send);
            } else if (!blocked && wev->timer_set) {
                ngx_del_timer(wev);
            }
        }
        if (ngx_handle_read_event(rev, rev->eof || rev->error ? NGX_CLOSE_EVENT : 0) != NGX_OK) return false;
        const bool waiting = read != 0 && !lost && rev->active && !rev->ready;
        if (waiting && (moved || !rev->timer_set)) {
            ngx_add_timer(rev, read);
        } else if (!waiting && rev->timer_set) {
            ngx_del_timer(rev);
        }
        return true;
    };
    if (!events(client_, core->send_lowat, core->send_timeout, 0, client_lost_) ||
        !events(upstream_, u.conf->send_lowat, u.conf->send_timeout, u.conf->read_timeout, upstream_lost_)) {
        return Next::done;
    }
    return Next::more;
}

std::uint64_t Tunnel::close_deadline() const noexcept
{
    return std::min(closing_since_ + kCloseTime, std::max(closing_since_, last_moved_) + kClosePause);
}

void Tunnel::arm_timer(std::uint64_t now) noexcept
{
    if (closing_since_ == 0 && relay_->closing()) closing_since_ = now;
    std::optional<std::uint64_t> at = relay_->deadline();
    if (closing_since_ != 0) at = std::min(at.value_or(UINT64_MAX), close_deadline());
    if (at && timer_.event.timer_set && *at == timer_at_) return;
    if (at) {
        timer_at_ = *at;
        // nginx leaves a timer alone that moves by less than 300 ms; ours must not be late by that.
        if (timer_.event.timer_set) ngx_del_timer(&timer_.event);
        ngx_add_timer(&timer_.event, *at > now ? static_cast<ngx_msec_t>(*at - now) : 1);
    } else if (timer_.event.timer_set) {
        ngx_del_timer(&timer_.event);
    }
}

}
