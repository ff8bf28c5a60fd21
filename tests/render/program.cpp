#include "render/program.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

extern char** environ;

namespace edge::render::test {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kFirst = 3;

std::string read_file(const std::string& path)
{
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::string format_name(image::Format format)
{
    switch (format) {
        case image::Format::jpeg:
            return "jpeg";
        case image::Format::png:
            return "png";
        case image::Format::webp:
            return "webp";
        case image::Format::avif:
            return "avif";
        case image::Format::gif:
            return "gif";
        default:
            return "?";
    }
}

// As a worker does: the supervisor's ends at 3 and up, everything else closed.
int spawn(const std::vector<int>& ends, const Start& start)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    std::string fds;
    int next = kFirst + static_cast<int>(ends.size()) + 50;
    // Twice, since source and target numbers may overlap.
    for (const int end : ends) posix_spawn_file_actions_adddup2(&actions, end, next++);
    if (start.alive >= 0) posix_spawn_file_actions_adddup2(&actions, start.alive, next);
    next = kFirst + static_cast<int>(ends.size()) + 50;
    int to = kFirst;
    for (std::size_t i = 0; i < ends.size(); ++i) {
        posix_spawn_file_actions_adddup2(&actions, next++, to);
        fds += (fds.empty() ? "" : ",") + std::to_string(to++);
    }
    if (start.alive >= 0) posix_spawn_file_actions_adddup2(&actions, next, to);
    posix_spawn_file_actions_addclosefrom_np(&actions, to + 1);
    std::vector<std::string> words{"edge_render", "--supervisor",
                                   "--fds",       fds,
                                   "--processes", std::to_string(start.processes),
                                   "--queue",     std::to_string(start.queue),
                                   "--jobs",      std::to_string(start.jobs),
                                   "--memory",    std::to_string(start.memory)};
    if (start.alive >= 0) words.insert(words.end(), {"--alive", std::to_string(to)});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t pid = -1;
    const char* other = std::getenv("EDGE_RENDER");
    const int error = posix_spawn(&pid, other != nullptr ? other : EDGE_RENDER_PROGRAM, &actions, nullptr,
                                  arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 ? pid : -1;
}

}

std::string picture(const std::string& name)
{
    const std::string bytes = read_file(EDGE_TEST_PICTURES "/" + name);
    BOOST_REQUIRE_MESSAGE(std::filesystem::exists(EDGE_TEST_PICTURES "/" + name), name << " is not there");
    return bytes;
}

std::vector<std::string> pictures_in(const std::string& folder)
{
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{EDGE_TEST_PICTURES "/" + folder})
        if (entry.path().extension() != ".txt") names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
}

image::Descriptor sealed(const std::string& bytes)
{
    return image::make_sealed("test", std::as_bytes(std::span{bytes}));
}

std::string Answer::text() const
{
    if (const auto* why = refused()) return image::name_of(why->reason);
    if (done()->original) return "original";
    return format_name(done()->format) + " " + std::to_string(done()->width) + "x" +
           std::to_string(done()->height);
}

Program::Program(const Start& start)
{
    std::vector<image::Descriptor> ends;
    std::vector<int> numbers;
    for (unsigned i = 0; i < start.workers; ++i) {
        auto pair = image::make_socket_pair().value();
        sockets_.push_back(std::move(pair.worker));
        numbers.push_back(pair.supervisor.get());
        ends.push_back(std::move(pair.supervisor));
    }
    if (!start.in_own_parent) {
        pid_ = spawn(numbers, start);
    } else {
        // What it starts becomes ours when it dies, so that it can be waited for.
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        int pipe[2];
        BOOST_REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
        parent_ = ::fork();
        if (parent_ == 0) {
            const int pid = spawn(numbers, start);
            if (::write(pipe[1], &pid, sizeof pid) != sizeof pid) ::_exit(1);
            for (;;) ::pause();
        }
        BOOST_REQUIRE(::read(pipe[0], &pid_, sizeof pid_) == sizeof pid_);
        ::close(pipe[0]);
        ::close(pipe[1]);
    }
    BOOST_REQUIRE(pid_ > 0);
}

Program::~Program()
{
    const std::vector<int> tree = renders();
    sockets_.clear();
    if (parent_ > 0) {
        ::kill(parent_, SIGKILL);
        ::waitpid(parent_, nullptr, 0);
    }
    BOOST_TEST(ends(pid_), "the supervisor goes on without workers");
    for (const int pid : tree) BOOST_TEST(ends(pid), "a render process is left");
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

image::JobId Program::submit(const std::string& source, const image::Job& job, unsigned worker,
                             const image::Submit& rest)
{
    return submit(sealed(source).get(), job, worker, rest);
}

image::JobId Program::submit(int fd, const image::Job& job, unsigned worker, const image::Submit& rest)
{
    image::Submit submit = rest;
    submit.id = ++next_;
    submit.job = job;
    if (submit.deadline_ms == 0) submit.deadline_ms = ~0ULL >> 1;
    while (image::send(socket(worker), submit, fd) == image::Sent::full) std::this_thread::sleep_for(1ms);
    return submit.id;
}

void Program::cancel(image::JobId id, unsigned worker)
{
    image::send(socket(worker), image::Cancel{.id = id});
}

bool Program::read(unsigned worker, Clock::time_point until)
{
    pollfd wait{socket(worker), POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0) return false;
    image::Received received = image::receive(socket(worker));
    if (received.kind != image::Received::Kind::message) return false;
    if (const auto* hello = std::get_if<image::Hello>(&received.message)) hellos_[worker] = *hello;
    if (const auto* stats = std::get_if<image::Stats>(&received.message)) stats_ = *stats;
    if (const auto* refused = std::get_if<image::Refused>(&received.message))
        answers_[{worker, refused->id}].what = *refused;
    if (const auto* done = std::get_if<image::Done>(&received.message)) {
        Answer& answer = answers_[{worker, done->id}];
        answer.what = *done;
        if (received.attached) {
            const auto bytes = image::SealedBytes::map(received.attached.get());
            BOOST_REQUIRE(bytes.has_value());
            answer.file.assign(reinterpret_cast<const char*>(bytes->bytes().data()), bytes->bytes().size());
            BOOST_TEST(answer.file.size() == done->bytes);
        }
    }
    return true;
}

Answer Program::answer_to(image::JobId id, unsigned worker)
{
    const auto until = Clock::now() + 180s;
    while (!answers_.contains({worker, id})) BOOST_REQUIRE_MESSAGE(read(worker, until), "no answer");
    auto node = answers_.extract({worker, id});
    return std::move(node.mapped());
}

Answer Program::render(const std::string& source, const image::Job& job)
{
    return answer_to(submit(source, job));
}

image::Stats Program::stats(unsigned worker)
{
    stats_.reset();
    image::send(socket(worker), image::StatsRequest{});
    const auto until = Clock::now() + 30s;
    while (!stats_) BOOST_REQUIRE_MESSAGE(read(worker, until), "no figures");
    return *stats_;
}

image::Hello Program::hello(unsigned worker)
{
    const auto until = Clock::now() + 30s;
    while (!hellos_.contains(worker)) BOOST_REQUIRE_MESSAGE(read(worker, until), "no Hello");
    return hellos_[worker];
}

std::vector<int> Program::renders() const
{
    return children_of(pid_);
}

int Program::wait_for_render(bool (*condition)(int pid)) const
{
    const auto until = Clock::now() + 60s;
    while (Clock::now() < until) {
        for (const int pid : renders())
            if (condition(pid)) return pid;
        std::this_thread::sleep_for(5ms);
    }
    BOOST_REQUIRE_MESSAGE(false, "no render process came to that");
    return -1;
}

bool is_running(int pid)
{
    ::waitpid(pid, nullptr, WNOHANG);
    const std::string status = read_file("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t end = status.rfind(')');
    return end != std::string::npos && status.substr(end + 2, 1) != "Z";
}

bool ends(int pid)
{
    const auto until = Clock::now() + 30s;
    while (is_running(pid)) {
        if (Clock::now() > until) return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

std::vector<int> children_of(int pid)
{
    std::istringstream text{
        read_file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children")};
    return {std::istream_iterator<int>{text}, {}};
}

std::string title_of(int pid)
{
    std::string words = read_file("/proc/" + std::to_string(pid) + "/cmdline");
    while (!words.empty() && words.back() == '\0') words.pop_back();
    return words;
}

unsigned long ticks_of(int pid)
{
    const std::string status = read_file("/proc/" + std::to_string(pid) + "/stat");
    std::istringstream fields{status.substr(std::min(status.size(), status.rfind(')') + 2))};
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    unsigned long user = 0;
    unsigned long system = 0;
    fields >> user >> system;
    return user + system;
}

}
