// Both ends of the WebSocket benchmark: an app that pushes messages, and clients that check them. They share
// a table of when each message was sent and what it was, in a file, so that nothing is added to the messages.
//
//   websocket_load app PORT TABLE RATE BURST_MIN BURST_MAX PAUSE_MIN PAUSE_MAX
//       listens on 127.0.0.1; bursts of messages at RATE a second on each connection, with pauses of
//       milliseconds between
//   websocket_load client ADDRESS,... PORT TLS CONNECTIONS TABLE COMMAND
//       TLS 0 or 1. COMMAND, sent on each connection: "go SECONDS", after which the app closes; "burst N", or
//       "idle": then stays until standard input ends, and prints "open" when all is quiet. Prints: messages
//       payload_bytes wrong lost lone_p50 lone_p99 lone_max other_p50 other_p99 other_max (microseconds). A
//       message that comes first after a pause is a lone one.
//   websocket_load dump FILE
//       the messages, each after its length (4 octets, big-endian) and opcode (1)
//
// The mix, of 200 messages: 197 JSON events of 80 to 400 bytes, 2 JSON documents with polygons of 4 to 20 KB,
// 1 binary of 2 to 8 KB.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "websocket_mix.hpp"

namespace {

[[noreturn]] void fail(const char* what)
{
    std::fprintf(stderr, "websocket_load: %s: %s\n", what, errno != 0 ? std::strerror(errno) : "unusable");
    std::exit(1);
}

std::uint64_t now_ns()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1000000000U + static_cast<std::uint64_t>(t.tv_nsec);
}

int number(const char* text)
{
    return std::atoi(text);
}

// --- what was sent ---

struct Sent {
    std::uint64_t at;
    std::uint32_t hash;
    std::uint32_t lone;
};
constexpr std::size_t kRing = 4096;  // messages of one connection that may be under way
constexpr std::size_t kMostConnections = 1024;

Sent* map_table(const char* file)
{
    const int fd = open(file, O_RDWR | O_CREAT, 0600);
    const std::size_t size = kRing * kMostConnections * sizeof(Sent);
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) fail(file);
    void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) fail(file);
    close(fd);
    return static_cast<Sent*>(at);
}

void watch(int epoll, int fd, std::uint32_t events, void* data)
{
    epoll_event event{};
    event.events = events;
    event.data.ptr = data;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

void many_files()
{
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit more{40000, std::max<rlim_t>(limit.rlim_max, 40000)};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// --- the app ---

struct Schedule {
    int rate, burst_min, burst_max, pause_min, pause_max;
};

struct AppConnection {
    int fd = -1;
    std::size_t index = 0;  // in the table
    std::string in, out;
    bool upgraded = false, watched = false, closing = false;
    std::uint64_t seq = 0, due = 0, end = 0;
    int left = 0;  // of this burst
    bool first = true;
};

class App {
public:
    App(int port, Sent* table, Schedule schedule) : table_{table}, schedule_{schedule}
    {
        pool();
        epoll_ = epoll_create1(0);
        timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        const int one = 1;
        setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_, 4096) != 0)
            fail("listen");
        watch(epoll_, listener_, EPOLLIN, &listener_);
        watch(epoll_, timer_, EPOLLIN, &timer_);
    }

    [[noreturn]] void run()
    {
        std::array<epoll_event, 256> events;
        for (;;) {
            arm();
            const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < n; ++i) {
                void* const what = events[static_cast<std::size_t>(i)].data.ptr;
                if (what == &listener_) {
                    accept_all();
                } else if (what == &timer_) {
                    std::uint64_t times;
                    if (read(timer_, &times, sizeof times) < 0) continue;
                } else {
                    on_socket(*static_cast<AppConnection*>(what), events[static_cast<std::size_t>(i)].events);
                }
            }
            send_due();
        }
    }

private:
    void arm()
    {
        itimerspec at{};
        if (!queue_.empty()) {
            const std::uint64_t due = queue_.top().first;
            at.it_value.tv_sec = static_cast<time_t>(due / 1000000000U);
            at.it_value.tv_nsec = static_cast<long>(due % 1000000000U);
        }
        timerfd_settime(timer_, TFD_TIMER_ABSTIME, &at, nullptr);
    }
    void accept_all()
    {
        for (;;) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
            if (fd < 0) return;
            const int one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            auto* connection = new AppConnection;
            connection->fd = fd;
            watch(epoll_, fd, EPOLLIN, connection);
        }
    }
    void on_socket(AppConnection& c, std::uint32_t events)
    {
        if (c.fd < 0) return;
        if ((events & EPOLLOUT) != 0) flush(c);
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
        std::array<char, 4096> room;
        const ssize_t n = read(c.fd, room.data(), room.size());
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            close(c.fd);  // what the queue holds of it is passed over
            c.fd = -1;
            return;
        }
        c.in.append(room.data(), static_cast<std::size_t>(n));
        if (!c.upgraded) upgrade(c);
        if (c.upgraded) read_frames(c);
    }
    void upgrade(AppConnection& c)
    {
        const std::size_t end = c.in.find("\r\n\r\n");
        if (end == std::string::npos) return;
        c.index = static_cast<std::size_t>(std::atoi(c.in.c_str() + sizeof "GET /" - 1)) % kMostConnections;
        c.in.erase(0, end + 4);
        c.upgraded = true;
        // The key is always the same, see the client.
        c.out +=
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        flush(c);
    }
    void read_frames(AppConnection& c)
    {
        // A client's frames here are short: a command or a Close.
        while (c.in.size() >= 6) {
            const auto size = static_cast<std::size_t>(c.in[1] & 0x7f);
            if (c.in.size() < 6 + size) return;
            std::string payload = c.in.substr(6, size);
            for (std::size_t i = 0; i < size; ++i)
                payload[i] = static_cast<char>(payload[i] ^ c.in[2 + i % 4]);
            if ((c.in[0] & 15) == 1) command(c, payload);
            c.in.erase(0, 6 + size);
        }
    }
    void command(AppConnection& c, const std::string& text)
    {
        const int value = std::atoi(text.c_str() + text.find(' ') + 1);
        c.seq = 0;
        if (text.starts_with("burst")) {
            for (int i = 0; i < value; ++i) send_message(c);
            return;
        }
        const std::uint64_t now = now_ns();
        c.end = now + static_cast<std::uint64_t>(value) * 1000000000U;
        pause(c, now);
        queue_.emplace(c.due, &c);
    }
    int between(int least, int most) { return std::uniform_int_distribution<int>{least, most}(random_); }
    void pause(AppConnection& c, std::uint64_t now)
    {
        c.due =
            now + static_cast<std::uint64_t>(between(schedule_.pause_min, schedule_.pause_max)) * 1000000U;
        c.left = between(schedule_.burst_min, schedule_.burst_max);
        c.first = true;
    }
    void send_due()
    {
        const std::uint64_t now = now_ns();
        while (!queue_.empty() && queue_.top().first <= now) {
            AppConnection& c = *queue_.top().second;
            queue_.pop();
            if (c.fd < 0) continue;
            if (c.due >= c.end) {
                c.out += frame_head(8, 2) + std::string{"\x03\xe8"};
                flush(c);
                continue;
            }
            send_message(c);
            if (--c.left > 0)
                c.due += 1000000000U / static_cast<std::uint64_t>(schedule_.rate);
            else
                pause(c, std::max(now, c.due));
            queue_.emplace(c.due, &c);
        }
    }
    void send_message(AppConnection& c)
    {
        const Message& message = pool()[(c.seq + c.index * 397) % pool().size()];
        Sent& sent = table_[c.index * kRing + c.seq % kRing];
        sent.hash = hash_of(message.payload);
        sent.lone = c.first ? 1 : 0;
        sent.at = now_ns();
        c.first = false;
        ++c.seq;
        c.out += frame_head(message.opcode, message.payload.size());
        c.out += message.payload;
        flush(c);
    }
    void flush(AppConnection& c)
    {
        const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
        if (n > 0) c.out.erase(0, static_cast<std::size_t>(n));
        const bool more = !c.out.empty();
        if (more == c.watched) return;
        c.watched = more;
        epoll_event event{};
        event.events = EPOLLIN | (more ? EPOLLOUT : 0U);
        event.data.ptr = &c;
        epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
    }

    Sent* table_;
    Schedule schedule_;
    int epoll_, timer_, listener_;
    std::mt19937 random_{7};
    using Due = std::pair<std::uint64_t, AppConnection*>;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> queue_;
};

// --- clients ---

struct Client {
    int fd = -1;
    SSL* ssl = nullptr;
    std::size_t index = 0;
    std::string in;
    std::string message;  // fragments
    std::unique_ptr<z_stream> inflater;
    std::uint64_t seq = 0;
    bool compressed = false, closed = false;
};

class Clients {
public:
    Clients(const char* address, int port, bool tls, int count, Sent* table, std::string command)
        : table_{table}, command_{std::move(command)}
    {
        epoll_ = epoll_create1(0);
        if (tls) {
            context_ = SSL_CTX_new(TLS_client_method());
            SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
        }
        clients_.resize(static_cast<std::size_t>(count));
        const std::vector<std::string> each = split(address);
        for (std::size_t i = 0; i < clients_.size(); ++i)
            connect_one(clients_[i], i, each[i % each.size()].c_str(), port);
        idle_ = command_ == "idle" || command_.starts_with("burst");
        std::puts("connected");
        std::fflush(stdout);
        char newline;
        if (read(0, &newline, 1) != 1) fail("standard input");
        if (command_ != "idle")
            for (Client& c : clients_) write_frame(c, 1, command_);
        if (idle_) watch(epoll_, 0, EPOLLIN, nullptr);
    }

    int run()
    {
        std::array<epoll_event, 512> events;
        std::size_t open = clients_.size();
        bool quiet = false;
        while (open != 0) {
            const int n =
                epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), idle_ ? 1000 : 20000);
            if (n == 0 && !idle_) break;
            if (n == 0 && !quiet) {
                quiet = true;
                std::puts("quiet");
                std::fflush(stdout);
            }
            bool ended = false;
            for (int i = 0; i < n; ++i) {
                auto* c = static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
                if (c == nullptr)
                    ended = true;
                else if (!c->closed && !read_some(*c))
                    --open;
            }
            if (ended) break;
        }
        report(open);
        return 0;
    }

private:
    static std::vector<std::string> split(std::string_view list)
    {
        std::vector<std::string> parts;
        for (;;) {
            const std::size_t comma = list.find(',');
            parts.emplace_back(list.substr(0, comma));
            if (comma == std::string_view::npos) return parts;
            list.remove_prefix(comma + 1);
        }
    }
    void connect_one(Client& c, std::size_t index, const char* address, int port)
    {
        c.index = index;
        c.fd = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        inet_pton(AF_INET, address, &to.sin_addr);
        if (c.fd < 0 || connect(c.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connect");
        const int one = 1;
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (context_ != nullptr) {
            c.ssl = SSL_new(context_);
            SSL_set_fd(c.ssl, c.fd);
            if (SSL_connect(c.ssl) != 1) fail("TLS handshake");
        }
        const std::string request =
            "GET /" + std::to_string(index) +
            " HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
        put(c, request);
        std::string head;
        while (head.find("\r\n\r\n") == std::string::npos) {
            char byte;
            if ((c.ssl != nullptr ? SSL_read(c.ssl, &byte, 1) : read(c.fd, &byte, 1)) != 1) fail("handshake");
            head += byte;
        }
        if (!head.starts_with("HTTP/1.1 101")) fail(head.c_str());
        if (head.find("permessage-deflate") != std::string::npos) {
            c.inflater = std::make_unique<z_stream>();
            if (inflateInit2(c.inflater.get(), -15) != Z_OK) fail("inflateInit2");
        }
        fcntl(c.fd, F_SETFL, O_NONBLOCK);
        watch(epoll_, c.fd, EPOLLIN, &c);
    }
    void put(Client& c, std::string_view bytes)
    {
        const auto size = static_cast<int>(bytes.size());
        const ssize_t n = c.ssl != nullptr ? SSL_write(c.ssl, bytes.data(), size)
                                           : send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n != size) fail("write");
    }
    void write_frame(Client& c, unsigned char opcode, std::string_view payload)
    {
        std::string frame = frame_head(opcode, payload.size());
        frame[1] = static_cast<char>(frame[1] | 0x80);
        frame.append(4, '\0');  // a mask like any other
        frame += payload;
        put(c, frame);
    }

    bool read_some(Client& c)
    {
        for (;;) {
            const ssize_t n = c.ssl != nullptr ? SSL_read(c.ssl, room_.data(), static_cast<int>(room_.size()))
                                               : read(c.fd, room_.data(), room_.size());
            if (n <= 0) {
                const bool again = c.ssl != nullptr
                                       ? SSL_get_error(c.ssl, static_cast<int>(n)) == SSL_ERROR_WANT_READ
                                       : n < 0 && errno == EAGAIN;
                if (again) return true;
                ++lost_;
                return done(c);
            }
            c.in.append(room_.data(), static_cast<std::size_t>(n));
            if (!take_frames(c)) return done(c);
            if (c.ssl == nullptr && static_cast<std::size_t>(n) < room_.size()) return true;
        }
    }
    bool done(Client& c)
    {
        c.closed = true;
        close(c.fd);
        return false;
    }
    bool take_frames(Client& c)
    {
        std::size_t at = 0;
        const std::string& in = c.in;
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in[i]); };
        bool open = true;
        while (open && in.size() - at >= 2) {
            std::size_t size = byte(at + 1) & 0x7fU, head = 2;
            if (size >= 126) {
                head = size == 126 ? 4 : 10;
                if (in.size() - at < head) break;
                size = 0;
                for (std::size_t i = 2; i < head; ++i) size = size << 8 | byte(at + i);
            }
            if (in.size() - at < head + size) break;
            open = take_frame(c, byte(at), std::string_view{in}.substr(at + head, size));
            at += head + size;
        }
        c.in.erase(0, at);
        return open;
    }
    bool take_frame(Client& c, unsigned char first, std::string_view payload)
    {
        const int opcode = first & 15;
        if (opcode == 8) {
            write_frame(c, 8, payload);
            return false;
        }
        if (opcode > 8) return true;
        if (opcode != 0) c.compressed = (first & 0x40) != 0;
        const bool whole = (first & 0x80) != 0;
        if (!whole || opcode == 0) c.message += payload;
        if (!whole) return true;
        if (opcode == 0) payload = c.message;
        check(c, c.compressed ? inflated(c, payload) : payload);
        c.message.clear();
        return true;
    }
    std::string_view inflated(Client& c, std::string_view payload)
    {
        z_stream& stream = *c.inflater;
        std::size_t size = 0;
        for (const std::string_view part : {payload, std::string_view{"\0\0\xff\xff", 4}}) {
            stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
            stream.avail_in = static_cast<uInt>(part.size());
            do {
                if (clear_.size() - size < 65536) clear_.resize(clear_.size() + 131072);
                stream.next_out = reinterpret_cast<Bytef*>(clear_.data() + size);
                stream.avail_out = static_cast<uInt>(clear_.size() - size);
                const uInt before = stream.avail_out;
                const int rc = inflate(&stream, Z_SYNC_FLUSH);
                size += before - stream.avail_out;
                if (rc != Z_OK && rc != Z_BUF_ERROR) ++wrong_;
            } while (stream.avail_out == 0);
        }
        return {clear_.data(), size};
    }
    void check(Client& c, std::string_view payload)
    {
        ++messages_;
        bytes_ += payload.size();
        if (c.index >= kMostConnections) return;
        const Sent& sent = table_[c.index * kRing + c.seq++ % kRing];
        if (sent.at == 0) return;  // the app keeps no table
        if (hash_of(payload) != sent.hash) ++wrong_;
        const std::uint64_t now = now_ns();
        (sent.lone != 0 ? lone_ : others_)
            .push_back(now > sent.at ? static_cast<std::uint32_t>((now - sent.at) / 1000) : 0);
    }
    static void print_quantiles(std::vector<std::uint32_t>& times)
    {
        std::sort(times.begin(), times.end());
        const auto at = [&](double share) {
            return times.empty()
                       ? 0U
                       : times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
        };
        std::printf(" %u %u %u", at(0.5), at(0.99), at(1));
    }
    void report(std::size_t open)
    {
        std::printf("%llu %llu %llu %zu", static_cast<unsigned long long>(messages_),
                    static_cast<unsigned long long>(bytes_), static_cast<unsigned long long>(wrong_),
                    lost_ + (idle_ ? 0 : open));
        print_quantiles(lone_);
        print_quantiles(others_);
        std::puts("");
    }

    Sent* table_;
    std::string command_;
    int epoll_;
    SSL_CTX* context_ = nullptr;
    std::vector<Client> clients_;
    std::vector<char> clear_ = std::vector<char>(131072);
    std::array<char, 65536> room_;
    std::vector<std::uint32_t> lone_, others_;
    std::uint64_t messages_ = 0, bytes_ = 0, wrong_ = 0;
    std::size_t lost_ = 0;
    bool idle_ = false;
};

void dump(const char* file)
{
    std::FILE* out = std::fopen(file, "wb");
    if (out == nullptr) fail(file);
    for (const Message& message : pool()) {
        const std::size_t size = message.payload.size();
        const std::array<unsigned char, 5> head{
            static_cast<unsigned char>(size >> 24), static_cast<unsigned char>(size >> 16),
            static_cast<unsigned char>(size >> 8), static_cast<unsigned char>(size), message.opcode};
        std::fwrite(head.data(), 1, head.size(), out);
        std::fwrite(message.payload.data(), 1, size, out);
    }
    std::fclose(out);
}

}

int main(int argc, char** argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGPIPE, SIG_IGN);
    many_files();
    const std::string_view mode = argc > 1 ? argv[1] : "";
    if (mode == "dump" && argc == 3) {
        dump(argv[2]);
    } else if (mode == "app" && argc == 9) {
        App{number(argv[2]),
            map_table(argv[3]),
            {number(argv[4]), number(argv[5]), number(argv[6]), number(argv[7]), number(argv[8])}}
            .run();
    } else if (mode == "client" && argc == 8) {
        return Clients{argv[2],         number(argv[3]),    number(argv[4]) != 0,
                       number(argv[5]), map_table(argv[6]), argv[7]}
            .run();
    } else {
        errno = 0;
        fail("wrong arguments");
    }
    return 0;
}
