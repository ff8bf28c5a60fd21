// What a GET costs without an edge: one connection to a Redis, one command after the other, on epoll.
//
//   redis_get SOCKET COUNT PASSED <KEYS
//
// SOCKET is the path of a unix socket, KEYS has a key a line, asked for in turn, of which so many as PASSED
// have had theirs. Prints one line: "gets p50_us p99_us".
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const char* what)
{
    std::perror(what);
    std::exit(1);
}

int dial(const char* path)
{
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
    if (fd == -1 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == -1) fail(path);
    return fd;
}

/// Bytes of a whole bulk reply that begins with these; 0: not known yet.
std::size_t reply_size(const std::string& bytes)
{
    const std::size_t end = bytes.find("\r\n");
    if (end == bytes.npos) return 0;
    const long length = bytes[0] == '$' ? std::atol(bytes.c_str() + 1) : -1;
    if (length < 0) {
        std::fprintf(stderr, "redis_get: no value but %.60s\n", bytes.c_str());
        std::exit(1);
    }
    return end + 2 + static_cast<std::size_t>(length) + 2;
}

}

int main(int argc, char** argv)
{
    if (argc != 4) {
        std::fprintf(stderr, "usage: redis_get SOCKET COUNT PASSED <KEYS\n");
        return 1;
    }
    std::vector<std::string> commands;
    for (std::string key; std::getline(std::cin, key);)
        commands.push_back("*2\r\n$3\r\nGET\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n");
    if (commands.empty()) {
        std::fprintf(stderr, "redis_get: no keys on standard input\n");
        return 1;
    }
    const int fd = dial(argv[1]);
    const int loop = ::epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN;
    if (loop == -1 || ::epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == -1) fail("epoll");
    std::vector<double> times;
    std::vector<char> room(1 << 20);
    std::string reply;
    const auto count = static_cast<std::size_t>(std::max(std::atoi(argv[2]), 1));
    const auto passed = static_cast<std::size_t>(std::max(std::atoi(argv[3]), 0));
    for (std::size_t turn = passed; turn < passed + count; ++turn) {
        const std::string& command = commands[turn % commands.size()];
        const auto start = Clock::now();
        if (::write(fd, command.data(), command.size()) != static_cast<ssize_t>(command.size()))
            fail("write");
        reply.clear();
        for (std::size_t size = 0; size == 0 || reply.size() < size;) {
            if (::epoll_wait(loop, &event, 1, 10'000) != 1) fail("epoll_wait");
            const ssize_t n = ::read(fd, room.data(), room.size());
            if (n <= 0) fail("read");
            reply.append(room.data(), static_cast<std::size_t>(n));
            if (size == 0) size = reply_size(reply);
        }
        times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    std::printf("%zu %.1f %.1f\n", times.size(), times[times.size() / 2], times[times.size() * 99 / 100]);
}
