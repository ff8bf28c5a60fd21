#include "redis/glue/node.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "nginx/barrier.hpp"

namespace edge::redis {

namespace {

constexpr ngx_msec_t kFailureLogMs = 10'000;
constexpr ngx_msec_t kComplaintLogMs = 60'000;
constexpr std::size_t kMostInFlight = 256;  ///< on a connection before another one is tried

/// Whether it was not said for so long; from now on it was.
bool is_due(std::optional<ngx_msec_t>& last, ngx_msec_t pause) noexcept
{
    if (last && ngx_current_msec - *last < pause) return false;
    last = ngx_current_msec;
    return true;
}

}

Node::Node(const Endpoint& endpoint, const Settings& settings, bool readonly)
    : endpoint_{endpoint},
      settings_{settings},
      readonly_{readonly},
      name_{endpoint.url.address()},
      number_{observer.node(name_)},
      addresses_{endpoint, settings, [](void* self) noexcept { static_cast<Node*>(self)->moved(); }, this},
      probe_{[](void* self, const Answer& answer) noexcept { static_cast<Node*>(self)->probed(answer); },
             this}
{
    for (unsigned i = 0; i < settings.pool; ++i)
        connections_.push_back(std::make_unique<Connection>(*this, Connection::Use::shared));
}

Node::~Node()
{
    close();
}

/// Small commands go together over the first connection, many in one write; a large one, what is too much for
/// one, and what large answers are expected to, over the others too.
Connection& Node::pick(const Command& command)
{
    if (connections_.size() == 1) return *connections_.front();
    if (command.size() >= kLarge) return *connections_.back();
    Connection* best = connections_.front().get();
    const std::size_t most = sends_large() ? 1 : kMostInFlight;
    for (const auto& connection : connections_) {
        if (connection->in_flight() < most && connection->unsent() < kLarge) return *connection;
        if (connection->in_flight() < best->in_flight()) best = connection.get();
    }
    return *best;
}

bool Node::send(Call* call, const Command& command, ngx_msec_t timeout, bool asking) noexcept
{
    if (!available()) {
        observer.failed(number_, Failure::refused);
        return false;
    }
    if (timeout == 0) timeout = settings_.timeout;
    Connection& connection = pick(command);
    if (asking) {
        const bool asked = ngx::guarded<bool>(
            ngx_cycle->log, false, [&] { return connection.send(nullptr, Command{"ASKING"}, timeout); });
        if (!asked) return false;
    }
    return connection.send(call, command, timeout);
}

void Node::open() noexcept
{
    if (available()) static_cast<void>(connections_.front()->open());
}

void Node::close() noexcept
{
    if (!closed_ && !breaker_.allows()) observer.breaker(number_, breaker_.state(), Breaker::State::closed);
    closed_ = true;
    addresses_.stop();
    probe_timer_.cancel();
    leave_.cancel();
    probe_.cancel();
    close_connections(Failure::lost);
    close_dedicated([](const Connection&) { return true; });
}

/// Those that others own. Who is told may make another, or let go of one.
template <class Which>
void Node::close_dedicated(const Which& which) noexcept
{
    for (std::size_t i = 0; i < dedicated_.size(); ++i) {
        Connection* connection = dedicated_[i];
        if (!connection->is_closed() && which(*connection)) connection->close(Failure::lost);
        if (i < dedicated_.size() && dedicated_[i] != connection) --i;
    }
}

/// Its name has other addresses: what is under way to those of before has its time, what is new goes to the
/// new.
void Node::moved() noexcept
{
    ngx::guarded<int>(ngx_cycle->log, 0, [this] {
        leaving_.reserve(leaving_.size() + connections_.size());
        for (std::unique_ptr<Connection>& connection : connections_) {
            if (connection->is_closed() || addresses_.has(connection->peer())) continue;
            leaving_.push_back(
                std::exchange(connection, std::make_unique<Connection>(*this, Connection::Use::shared)));
        }
        if (!leaving_.empty()) leave_.arm(settings_.timeout);
        return 0;
    });
    close_dedicated([this](const Connection& connection) { return !addresses_.has(connection.peer()); });
    open();
}

void Node::let_go() noexcept
{
    const auto gone = std::exchange(leaving_, {});
    for (const std::unique_ptr<Connection>& connection : gone) connection->close(Failure::lost);
}

void Node::close_connections(Failure why) noexcept
{
    for (const auto* list : {&connections_, &leaving_}) {
        for (const auto& connection : *list) connection->close(why);
    }
}

void Node::succeeded() noexcept
{
    breaker_.succeeded(ngx_current_msec);
}

void Node::failed(std::string_view how) noexcept
{
    if (closed_ || !breaker_.allows()) return;
    const Breaker::State before = breaker_.state();
    if (!breaker_.failed(ngx_current_msec)) {
        if (!is_due(failure_logged_at_, kFailureLogMs)) return;
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "edge: redis %s: %*s", name_.c_str(), how.size(),
                      how.data());
        return;
    }
    observer.breaker(number_, before, breaker_.state());
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "edge: redis %s: %*s; not asked any more until it answers a PING", name_.c_str(),
                  how.size(), how.data());
    wait_for_probe();
    close_connections(Failure::refused);
}

void Node::complained(std::string_view error) noexcept
{
    if (!is_due(complaint_logged_at_, kComplaintLogMs)) return;
    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "edge: redis %s: %*s", name_.c_str(), error.size(),
                  error.data());
}

void Node::wait_for_probe() noexcept
{
    if (closed_ || ngx_exiting) return;
    const auto left = static_cast<ngx_msec_int_t>(breaker_.probe_at() - ngx_current_msec);
    probe_timer_.arm(static_cast<ngx_msec_t>(left > 0 ? left : 1));
}

void Node::probe() noexcept
{
    const Breaker::State before = breaker_.state();
    breaker_.probing();
    observer.breaker(number_, before, breaker_.state());
    second_ping_ = false;
    ping(settings_.connect_timeout);
}

void Node::ping(ngx_msec_t timeout) noexcept
{
    pinged_at_ = ngx_current_msec;
    const bool sent = ngx::guarded<bool>(
        ngx_cycle->log, false, [&] { return connections_.front()->send(&probe_, Command{"PING"}, timeout); });
    static const Reply nothing;
    if (!sent) probed({Failure::lost, nothing, *this});
}

void Node::probed(const Answer& answer) noexcept
{
    // The first took connecting along. One that answers too late for a client's request is of no use yet.
    if (answer.well() && !second_ping_ && ngx_current_msec - pinged_at_ > settings_.timeout) {
        second_ping_ = true;
        return ping(settings_.timeout);
    }
    const Breaker::State before = breaker_.state();
    const bool closed = breaker_.probed(answer.well(), ngx_current_msec);
    observer.breaker(number_, before, breaker_.state());
    if (closed) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "edge: redis %s: answers again", name_.c_str());
        return;
    }
    wait_for_probe();
}

}
