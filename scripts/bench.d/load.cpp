// The benchmarks' load generator, for what wrk does not do: an exact number of requests, a constant rate, and
// many clients at one instant. Speaks HTTP/1.1 to loopback, reads answers with a Content-Length, one thread.
//
//   load count PORT PATH KEYS REQUESTS [PASSED]           one after the other on one connection
//   load rate  PORT PATH KEYS RATE SECONDS CONNECTIONS    open loop: a request is due every 1/RATE seconds
//   load burst PORT PATH CLIENTS                          one connection each, made before; all ask at once
//
// KEYS 0: every request is for PATH. Else for PATH1 to PATH<KEYS> in turn, of which so many as PASSED have
// had theirs. EDGE_BENCH_TOKEN: sent as Authorization: Bearer. Prints one line: "answers errors p50_us p99_us
// slowest_us bytes". A latency counts from the moment when the request was due, so that a server that stalls
// is charged for all that waited meanwhile. An error is a status other than 200, a connection lost, or 30 s
// without any answer.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;

[[noreturn]] void fail(const char* what)
{
    std::fprintf(stderr, "load: %s: %s\n", what, errno != 0 ? std::strerror(errno) : "unusable");
    std::exit(1);
}

long number(const char* text, long least, long most)
{
    long value = 0;
    const char* end = text + std::strlen(text);
    const auto result = std::from_chars(text, end, value);
    errno = 0;
    if (result.ptr != end || result.ec != std::errc{} || value < least || value > most) fail(text);
    return value;
}

/// What a browser sends with a fetch().
/// A line of its own, when EDGE_BENCH_TOKEN is set.
std::string authorization()
{
    const char* token = std::getenv("EDGE_BENCH_TOKEN");
    return token != nullptr ? std::string{"Authorization: Bearer "} + token + "\r\n" : std::string{};
}

std::string request_for(const std::string& path, int port)
{
    return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
           "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/126.0.0.0 Safari/537.36\r\nAccept: application/json, text/plain, */*\r\n"
           "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
           "Referer: http://127.0.0.1/app/\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n"
           "Sec-Fetch-Dest: empty\r\n" +
           authorization() + "\r\n";
}

class Requests {
public:
    Requests(const std::string& path, long keys, int port)
    {
        if (keys == 0) all_.push_back(request_for(path, port));
        for (long i = 1; i <= keys; ++i) all_.push_back(request_for(path + std::to_string(i), port));
    }
    const std::string& next()
    {
        at_ = at_ + 1 < all_.size() ? at_ + 1 : 0;
        return all_[at_];
    }

private:
    std::vector<std::string> all_;
    std::size_t at_ = 0;
};

/// One answer at a time, as its bytes come in.
class Answer {
public:
    enum class State { more, done, broken };
    State feed(std::string_view bytes)
    {
        if (!in_body_) {
            head_.append(bytes);
            const std::size_t end = head_.find("\r\n\r\n");
            if (end == std::string::npos) return head_.size() > 65536 ? State::broken : State::more;
            const auto length = content_length(std::string_view{head_}.substr(0, end + 2));
            if (!head_.starts_with("HTTP/1.1 200") || length < 0) return State::broken;
            left_ = static_cast<std::uint64_t>(length);
            in_body_ = true;
            return take(head_.size() - end - 4);
        }
        return take(bytes.size());
    }
    void reset()
    {
        head_.clear();
        in_body_ = false;
    }

private:
    State take(std::size_t n)
    {
        if (n > left_) return State::broken;
        left_ -= n;
        return left_ == 0 ? State::done : State::more;
    }
    static long content_length(std::string_view head)
    {
        constexpr std::string_view name = "content-length:";
        for (std::size_t at = head.find("\r\n"); at != std::string_view::npos && at + 2 < head.size();
             at = head.find("\r\n", at + 2)) {
            const std::string_view line = head.substr(at + 2);
            if (line.size() <= name.size() || ::strncasecmp(line.data(), name.data(), name.size()) != 0)
                continue;
            return std::strtol(line.data() + name.size(), nullptr, 10);
        }
        return -1;
    }
    std::string head_;
    std::uint64_t left_ = 0;
    bool in_body_ = false;
};

struct Connection {
    int fd = -1;
    bool busy = false;
    Clock::time_point due;
    Answer answer;
};

class Load {
public:
    explicit Load(int port, std::size_t connections) : port_{port}
    {
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ < 0) fail("epoll_create1");
        pool_.resize(connections);
        for (std::size_t i = 0; i < connections; ++i) open(pool_[i]);
    }

    void send(Connection& c, const std::string& request, Clock::time_point due)
    {
        c.due = due;
        c.busy = true;
        ++in_flight_;
        c.answer.reset();
        // Small enough for an empty socket buffer.
        if (::send(c.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size()))
            lost(c);
    }

    /// Waits at most `ms` and reads what came. `idle(Connection&)` is called for each finished answer.
    template <class Idle>
    bool wait(int ms, Idle&& idle)
    {
        epoll_event events[64];
        const int n = ::epoll_wait(epoll_, events, 64, ms);
        for (int i = 0; i < n; ++i) {
            if (events[i].data.ptr == nullptr) continue;
            auto& c = *static_cast<Connection*>(events[i].data.ptr);
            if (read(c)) idle(c);
        }
        return n != 0;
    }
    void watch(int fd)
    {
        epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    }

    std::vector<Connection>& connections() { return pool_; }
    std::size_t in_flight() const { return in_flight_; }
    void never_answered() { errors_ += in_flight_; }

    void report()
    {
        std::sort(taken_.begin(), taken_.end());
        const auto at = [&](double share) {
            if (taken_.empty()) return 0L;
            const auto i = static_cast<std::size_t>(share * static_cast<double>(taken_.size()));
            return static_cast<long>(taken_[std::min(i, taken_.size() - 1)] / 1000);
        };
        std::printf("%zu %zu %ld %ld %ld %llu\n", taken_.size(), errors_, at(0.5), at(0.99), at(1.0),
                    static_cast<unsigned long long>(bytes_));
    }

private:
    void open(Connection& c)
    {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port_));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        c.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        if (c.fd < 0 || ::connect(c.fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) fail("connect");
        ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_event event{.events = EPOLLIN, .data = {.ptr = &c}};
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) != 0) fail("epoll_ctl");
    }
    void lost(Connection& c)
    {
        if (c.busy) {
            ++errors_;
            --in_flight_;
        }
        c.busy = false;
        ::close(c.fd);
        open(c);
    }
    bool read(Connection& c)
    {
        const ssize_t n = ::recv(c.fd, buffer_, sizeof(buffer_), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return false;
        if (n <= 0 || !c.busy) {
            lost(c);
            return true;
        }
        bytes_ += static_cast<std::uint64_t>(n);
        const auto state = c.answer.feed({buffer_, static_cast<std::size_t>(n)});
        if (state == Answer::State::more) return false;
        if (state == Answer::State::broken) {
            lost(c);
            return true;
        }
        taken_.push_back(std::chrono::duration_cast<Nanoseconds>(Clock::now() - c.due).count());
        c.busy = false;
        --in_flight_;
        return true;
    }

    int port_;
    int epoll_ = -1;
    std::vector<Connection> pool_;
    std::vector<std::int64_t> taken_;
    std::size_t errors_ = 0;
    std::size_t in_flight_ = 0;
    std::uint64_t bytes_ = 0;
    char buffer_[256 * 1024];
};

constexpr int kPatience = 30'000;  // ms

void count(Load& load, Requests& requests, long n)
{
    Connection& c = load.connections().front();
    for (long i = 0; i < n; ++i) {
        load.send(c, requests.next(), Clock::now());
        while (load.in_flight() != 0) {
            if (!load.wait(kPatience, [](Connection&) {})) return load.never_answered();
        }
    }
}

void burst(Load& load, Requests& requests)
{
    const auto now = Clock::now();
    for (Connection& c : load.connections()) load.send(c, requests.next(), now);
    while (load.in_flight() != 0) {
        if (!load.wait(kPatience, [](Connection&) {})) return load.never_answered();
    }
}

void rate(Load& load, Requests& requests, long per_second, long seconds)
{
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    const long interval = 1'000'000'000L / per_second;
    const itimerspec every{
        .it_interval = {.tv_sec = interval / 1'000'000'000L, .tv_nsec = interval % 1'000'000'000L},
        .it_value = {.tv_sec = 0, .tv_nsec = 1000}};
    if (timer < 0 || ::timerfd_settime(timer, 0, &every, nullptr) != 0) fail("timerfd");
    load.watch(timer);

    std::vector<Connection*> idle;
    for (Connection& c : load.connections()) idle.push_back(&c);
    const auto start = Clock::now();
    const long all = per_second * seconds;
    long sent = 0;
    while (sent < all || load.in_flight() != 0) {
        if (!load.wait(kPatience, [&](Connection& c) { idle.push_back(&c); })) return load.never_answered();
        std::uint64_t expirations = 0;
        if (::read(timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN) fail("read");
        // Without an idle connection what is due waits, and its time counts.
        for (; sent < all && !idle.empty(); ++sent) {
            const auto due = start + Nanoseconds{sent * interval};
            if (due > Clock::now()) break;
            Connection& c = *idle.back();
            idle.pop_back();
            load.send(c, requests.next(), due);
        }
    }
    ::close(timer);
}

}

int main(int argc, char** argv)
{
    const std::string_view mode = argc > 1 ? argv[1] : "";
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    if (mode == "count" && (argc == 6 || argc == 7)) {
        const int port = static_cast<int>(number(argv[2], 1, 65535));
        Requests requests{argv[3], number(argv[4], 0, 1'000'000), port};
        for (long i = argc == 7 ? number(argv[6], 0, 100'000'000) : 0; i > 0; --i) requests.next();
        Load load{port, 1};
        count(load, requests, number(argv[5], 1, 100'000'000));
        load.report();
    } else if (mode == "rate" && argc == 8) {
        const int port = static_cast<int>(number(argv[2], 1, 65535));
        Requests requests{argv[3], number(argv[4], 0, 1'000'000), port};
        Load load{port, static_cast<std::size_t>(number(argv[7], 1, 10'000))};
        rate(load, requests, number(argv[5], 1, 1'000'000), number(argv[6], 1, 3600));
        load.report();
    } else if (mode == "burst" && argc == 5) {
        const int port = static_cast<int>(number(argv[2], 1, 65535));
        Requests requests{argv[3], 0, port};
        Load load{port, static_cast<std::size_t>(number(argv[4], 1, 10'000))};
        burst(load, requests);
        load.report();
    } else {
        std::fprintf(stderr, "usage: see the top of load.cpp\n");
        return 2;
    }
    return 0;
}
