#include "image/glue/render_client.hpp"

#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "image/glue/image_events.hpp"
#include "nginx/barrier.hpp"

namespace edge::image {

namespace {

constexpr ngx_msec_t kCheckEvery = 200;   // whether the supervisor lives, while jobs are pending
constexpr ngx_msec_t kAskEvery = 2000;    // how the supervisor is, for the status page
constexpr ngx_msec_t kFirstPause = 1000;  // between starts of a supervisor; doubled each time
constexpr ngx_msec_t kLongestPause = 30'000;
constexpr ngx_msec_t kSettled = 60'000;  // has run so long: the pause is short again

struct Timer {
    ngx_event_t event;
    ngx_connection_t connection;  // the debug log reads `fd` through a timer's data
};

/// All of this worker's: it has one supervisor.
struct Client {
    const RenderGeneration* generation = nullptr;
    const ProcessSettings* settings = nullptr;
    ngx_connection_t* connection = nullptr;
    JobId next = 0;
    std::unordered_map<JobId, Waiting> waiting;
    std::uint32_t supervisor = 0;  ///< its process, once it has said Hello
    ngx_msec_t started = 0;        ///< when we last tried
    bool starting = false;         ///< that one has not said Hello yet
    ngx_msec_t pause = 0;
    bool asks = false;  ///< this worker keeps the status page's numbers
    Timer check{};
    Timer ask{};
};
Client* client = nullptr;

void arm(Timer& timer, ngx_msec_t after) noexcept
{
    if (!timer.event.timer_set) ngx_add_timer(&timer.event, after);
}

/// Everybody who waits is told: what they asked for is lost.
void fail_all(Reason reason) noexcept
{
    auto lost = std::exchange(client->waiting, {});
    for (const auto& [id, waiting] : lost) waiting.refused(waiting.data, reason);
}

/// false: there is none, and it is too early for another try.
bool ensure_supervisor() noexcept
{
    if (client->generation->has_supervisor()) return true;
    const ngx_msec_t since = ngx_current_msec - client->started;
    if (client->pause != 0 && since < client->pause) return client->starting;
    client->pause =
        client->pause == 0 || since > kSettled ? kFirstPause : std::min(client->pause * 2, kLongestPause);
    client->started = ngx_current_msec;
    // What the one before had is lost: the next one's Hello would be a first one here.
    if (std::exchange(client->supervisor, 0) != 0) fail_all(Reason::unavailable);
    client->starting = client->generation->start_supervisor(*client->settings, ngx_cycle->log);
    if (client->starting) observer.supervisor_started();
    return client->starting;
}

void on_hello(const Hello& hello) noexcept
{
    // A second one: what the first had and did not answer is lost. What was sent since its end is still in
    // the socket, and is refused by us once too early: better than never.
    const bool second = client->supervisor != 0 && client->supervisor != hello.pid;
    client->supervisor = hello.pid;
    client->starting = false;
    if (second) fail_all(Reason::unavailable);
}

void on_done(const Done& done, Descriptor result) noexcept
{
    const auto found = client->waiting.find(done.id);
    if (found == client->waiting.end()) return;  // cancelled
    const Waiting waiting = found->second;
    client->waiting.erase(found);
    waiting.done(waiting.data, done, std::move(result));
}

void on_refused(const Refused& refused) noexcept
{
    const auto found = client->waiting.find(refused.id);
    if (found == client->waiting.end()) return;
    const Waiting waiting = found->second;
    client->waiting.erase(found);
    waiting.refused(waiting.data, refused.reason);
}

/// false: nothing more for now.
bool receive_one() noexcept
{
    Received received = receive(client->connection->fd);
    switch (received.kind) {
        case Received::Kind::message:
            break;
        case Received::Kind::nothing:
            return false;
        case Received::Kind::malformed:
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "edge: the render supervisor sent nonsense");
            return true;
        case Received::Kind::end:
            return false;
    }
    if (const auto* hello = std::get_if<Hello>(&received.message)) on_hello(*hello);
    if (const auto* done = std::get_if<Done>(&received.message)) on_done(*done, std::move(received.attached));
    if (const auto* refused = std::get_if<Refused>(&received.message)) on_refused(*refused);
    if (const auto* stats = std::get_if<Stats>(&received.message)) observer.stats(*stats);
    return true;
}

void on_readable(ngx_event_t*) noexcept
{
    while (client != nullptr && receive_one()) {
    }
}

void on_check(ngx_event_t* event) noexcept
{
    if (client->waiting.empty()) return;
    // One that was just started takes a moment to say that it lives.
    if (ngx_current_msec - client->started > 5 * kFirstPause) client->starting = false;
    if (!client->generation->has_supervisor() && !client->starting) {
        ngx_log_error(NGX_LOG_ERR, event->log, 0,
                      "edge: the render supervisor has gone; %uz images go out without it",
                      client->waiting.size());
        client->supervisor = 0;
        fail_all(Reason::unavailable);
    }
    arm(client->check, kCheckEvery);
}

void on_ask(ngx_event_t*) noexcept
{
    if (client->supervisor != 0 && client->generation->has_supervisor()) {
        static_cast<void>(send(client->connection->fd, StatsRequest{}));
    } else {
        observer.stats({});
    }
    arm(client->ask, kAskEvery);
}

void prepare(Timer& timer, ngx_event_handler_pt handler, ngx_log_t* log) noexcept
{
    timer.connection.fd = static_cast<ngx_socket_t>(-1);
    timer.event.data = &timer.connection;
    timer.event.handler = handler;
    timer.event.log = log;
    timer.event.cancelable = 1;
}

/// Begins at a random number: a worker that takes the place of a dead one must not use its numbers again.
JobId first_id() noexcept
{
    JobId id = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&id), sizeof id) != 1)
        id = (static_cast<JobId>(ngx_time()) << 32) | static_cast<JobId>(ngx_pid) << 8;
    return id | 1;
}

}

void start_render_client(const RenderGeneration& generation, const ProcessSettings& settings,
                         ngx_cycle_t* cycle)
{
    const int fd = generation.socket(static_cast<unsigned>(ngx_worker));
    if (fd < 0) return;
    ngx_connection_t* c = ngx_get_connection(fd, cycle->log);
    if (c == nullptr) return;
    client = new Client;
    client->generation = &generation;
    client->settings = &settings;
    client->connection = c;
    client->next = first_id();
    client->asks = ngx_worker == 0;
    c->read->handler = on_readable;
    c->write->handler = on_readable;
    c->read->log = c->write->log = cycle->log;
    c->read->channel = 1;  // an ending worker closes it without a word
    const ngx_int_t added = (ngx_event_flags & NGX_USE_CLEAR_EVENT) != 0
                                ? ngx_add_event(c->read, NGX_READ_EVENT, NGX_CLEAR_EVENT)
                                : ngx_add_event(c->read, NGX_READ_EVENT, 0);
    if (added != NGX_OK) {
        stop_render_client();
        return;
    }
    prepare(client->check, on_check, cycle->log);
    prepare(client->ask, on_ask, cycle->log);
    static_cast<void>(send(fd, Hello{static_cast<std::uint32_t>(ngx_pid)}));
    if (client->asks) {
        ensure_supervisor();
        arm(client->ask, kAskEvery);
    }
}

void stop_render_client() noexcept
{
    if (client == nullptr) return;
    for (Timer* timer : {&client->check, &client->ask}) {
        if (timer->event.timer_set) ngx_del_timer(&timer->event);
    }
    ngx_connection_t* c = client->connection;
    if (c->read->active) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }
    ngx_free_connection(c);
    c->fd = static_cast<ngx_socket_t>(-1);  // the generation's own
    delete std::exchange(client, nullptr);
}

JobId submit(Submit job, int source, const Waiting& waiting)
{
    if (client == nullptr || !ensure_supervisor()) return 0;
    job.id = client->next++;
    client->waiting.emplace(job.id, waiting);
    if (send(client->connection->fd, job, source) != Sent::yes) {
        client->waiting.erase(job.id);
        return 0;
    }
    arm(client->check, kCheckEvery);
    return job.id;
}

void cancel(JobId id) noexcept
{
    if (client == nullptr || client->waiting.erase(id) == 0) return;
    static_cast<void>(send(client->connection->fd, Cancel{id}));
}

void discard(Descriptor file) noexcept
{
    constexpr off_t kLarge = 512 * 1024;
    struct stat status {};
    if (!file || client == nullptr || client->supervisor == 0 || fstat(file.get(), &status) != 0 ||
        status.st_size < kLarge || !client->generation->has_supervisor()) {
        return;
    }
    static_cast<void>(send(client->connection->fd, Discard{}, file.get()));
}

}
