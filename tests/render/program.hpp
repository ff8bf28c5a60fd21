#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "image/channel.hpp"

/// The real program, started as nginx's workers start it.
namespace edge::render::test {

/// The bytes of tests/render/images/NAME.
std::string picture(const std::string& name);
/// The names of all files in that folder, sorted.
std::vector<std::string> pictures_in(const std::string& folder);

image::Descriptor sealed(const std::string& bytes);

/// Milliseconds for a job that is not about time: renders have a low priority, and the machine may be busy.
constexpr std::uint32_t kPatience = 120'000;

struct Answer {
    std::variant<image::Done, image::Refused> what;
    std::string file;  ///< the result's bytes
    const image::Done* done() const { return std::get_if<image::Done>(&what); }
    const image::Refused* refused() const { return std::get_if<image::Refused>(&what); }
    /// "webp 300x200", "original", or the name of the reason.
    std::string text() const;
};

struct Start {
    unsigned workers = 1;
    unsigned processes = 1;
    unsigned queue = 256;
    unsigned jobs = 500;
    std::uint64_t memory = 1ULL << 30;
    bool in_own_parent = false;  ///< started by a process between, which parent() is
    int alive = -1;
};

/// Ends it, and checks that nothing of it is left, when it goes out of scope.
class Program {
public:
    explicit Program(const Start& start = Start{});
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    int pid() const { return pid_; }
    int parent() const { return parent_; }
    int socket(unsigned worker = 0) const { return sockets_.at(worker).get(); }
    void close_socket(unsigned worker = 0) { sockets_.at(worker).reset(); }

    /// The id of what has been submitted.
    image::JobId submit(const std::string& source, const image::Job& job, unsigned worker = 0,
                        const image::Submit& rest = image::Submit{});
    image::JobId submit(int fd, const image::Job& job, unsigned worker, const image::Submit& rest);
    void cancel(image::JobId id, unsigned worker = 0);
    /// Waits for it, three minutes at most.
    Answer answer_to(image::JobId id, unsigned worker = 0);
    /// Both.
    Answer render(const std::string& source, const image::Job& job);
    image::Stats stats(unsigned worker = 0);
    /// Waits until the supervisor has said Hello.
    image::Hello hello(unsigned worker = 0);

    /// Its render processes, as /proc shows them.
    std::vector<int> renders() const;
    /// Waits until one of them is in the middle of a job, for the condition `busy`; its pid.
    int wait_for_render(bool (*condition)(int pid)) const;

private:
    bool read(unsigned worker, std::chrono::steady_clock::time_point until);

    int pid_ = -1;
    int parent_ = -1;
    std::vector<image::Descriptor> sockets_;
    std::map<std::pair<unsigned, image::JobId>, Answer> answers_;
    std::map<unsigned, image::Hello> hellos_;
    std::optional<image::Stats> stats_;
    image::JobId next_ = 1000;
};

bool is_running(int pid);
/// Waits, half a minute at most, until it is not; false: it still is.
bool ends(int pid);
/// Children of a process, by /proc.
std::vector<int> children_of(int pid);
/// The words of ps: the command line.
std::string title_of(int pid);
/// Processor time it has used, in clock ticks.
unsigned long ticks_of(int pid);

}
