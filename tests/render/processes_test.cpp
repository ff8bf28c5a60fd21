#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "render/program.hpp"

using namespace edge;
using namespace edge::render::test;
using namespace std::chrono_literals;

namespace {

image::Job small()
{
    image::Job job;
    job.target = image::Format::webp;
    job.width = 50;
    job.limits.time_ms = kPatience;
    return job;
}

// Takes minutes unless it is ended.
image::Job endless()
{
    image::Job job;
    job.target = image::Format::avif;
    job.quality.avif_effort = 9;
    job.width = 4000;
    job.enlarge = true;
    job.limits.time_ms = 600'000;
    return job;
}

bool is_encoding(int pid)
{
    return ticks_of(pid) > 40;
}

const std::string& photo()
{
    static const std::string bytes = picture("srgb.jpg");
    return bytes;
}

image::Submit keyed(std::uint8_t key)
{
    image::Submit submit;
    submit.key[3] = key;
    return submit;
}

constexpr Start kTwoWorkers{.workers = 2};

}

BOOST_AUTO_TEST_SUITE(render_processes)

BOOST_AUTO_TEST_CASE(ps_tells_what_they_are)
{
    Program program;
    BOOST_TEST(program.hello().pid == static_cast<unsigned>(program.pid()));
    BOOST_TEST(program.renders().empty());
    program.render(photo(), small());
    BOOST_TEST(title_of(program.pid()) == "nginx: edge render supervisor");
    BOOST_REQUIRE(program.renders().size() == 1U);
    BOOST_TEST(title_of(program.renders()[0]) == "nginx: edge render");
}

BOOST_AUTO_TEST_CASE(a_render_killed_in_the_middle_costs_one_answer)
{
    Start start;
    start.processes = 2;
    Program program{start};
    for (const int signal : {SIGKILL, SIGSEGV}) {
        const auto id = program.submit(photo(), endless());
        const int victim = program.wait_for_render(is_encoding);
        BOOST_TEST(program.render(photo(), small()).text() == "webp 50x38");
        ::kill(victim, signal);
        BOOST_TEST(program.answer_to(id).text() == "crashed");
        BOOST_TEST(program.render(photo(), small()).text() == "webp 50x38");
    }
    BOOST_TEST(program.stats().crashed == 2U);
}

BOOST_AUTO_TEST_CASE(what_takes_too_long_is_killed)
{
    Program program;
    image::Job job = endless();
    job.limits.time_ms = 300;
    const auto id = program.submit(photo(), job);
    const auto next = program.submit(photo(), small());
    const Answer answer = program.answer_to(id);
    BOOST_TEST(answer.text() == "timeout");
    BOOST_TEST(answer.refused()->render_us >= 290'000U);
    BOOST_TEST(program.answer_to(next).text() == "webp 50x38");
    BOOST_TEST(program.stats().killed == 1U);
}

BOOST_AUTO_TEST_CASE(what_nobody_waits_for_any_more_is_killed)
{
    Program program{kTwoWorkers};
    const auto first = program.submit(photo(), endless(), 0, keyed(1));
    const auto second = program.submit(photo(), endless(), 1, keyed(1));
    const int render = program.wait_for_render(is_encoding);
    program.cancel(first, 0);
    std::this_thread::sleep_for(500ms);
    BOOST_TEST(is_running(render));
    program.cancel(second, 1);
    BOOST_TEST(program.answer_to(program.submit(photo(), small(), 1, keyed(2)), 1).text() == "webp 50x38");
    BOOST_TEST(!is_running(render));
}

BOOST_AUTO_TEST_CASE(a_worker_that_goes_or_begins_anew_takes_its_jobs_along)
{
    Program program{kTwoWorkers};
    program.submit(photo(), endless(), 0, keyed(1));
    const int render = program.wait_for_render(is_encoding);
    image::send(program.socket(0), image::Hello{.pid = 1});
    BOOST_TEST(ends(render));
    program.submit(photo(), endless(), 0, keyed(1));
    const int again = program.wait_for_render(is_encoding);
    program.close_socket(0);
    BOOST_TEST(ends(again));
    BOOST_TEST(program.answer_to(program.submit(photo(), small(), 1, keyed(2)), 1).text() == "webp 50x38");
}

BOOST_AUTO_TEST_CASE(one_render_serves_all_who_ask_for_the_same)
{
    Program program{kTwoWorkers};
    // The only process is taken, so the others meet in the queue.
    const auto blocker = program.submit(photo(), endless(), 0, keyed(9));
    program.wait_for_render(is_encoding);
    const auto first = program.submit(photo(), small(), 0, keyed(1));
    const auto second = program.submit(photo(), small(), 1, keyed(1));
    const auto alone = program.submit(photo(), small(), 1, image::Submit{});
    program.stats(1);
    program.cancel(blocker);
    const Answer one = program.answer_to(first, 0);
    const Answer two = program.answer_to(second, 1);
    const Answer three = program.answer_to(alone, 1);
    BOOST_TEST((one.file == two.file));
    BOOST_TEST(!one.done()->shared);
    BOOST_TEST(two.done()->shared);
    BOOST_TEST(!three.done()->shared);
    const auto stats = program.stats(1);
    BOOST_TEST(stats.rendered == 2U);
    BOOST_TEST(stats.coalesced == 1U);
}

BOOST_AUTO_TEST_CASE(a_full_queue_is_said_at_once_and_who_waits_too_long_is_told)
{
    Start start;
    start.queue = 1;
    Program program{start};
    const auto blocker = program.submit(photo(), endless());
    program.wait_for_render(is_encoding);
    image::Submit soon;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    soon.deadline_ms = static_cast<std::uint64_t>(now.tv_sec) * 1000 + 3000;
    const auto queued = program.submit(photo(), small(), 0, soon);
    BOOST_TEST(program.render(photo(), small()).text() == "queue_full");
    const Answer late = program.answer_to(queued);
    BOOST_TEST(late.text() == "expired");
    BOOST_TEST(late.refused()->queue_us > 0U);
    program.cancel(blocker);
}

BOOST_AUTO_TEST_CASE(only_sealed_sources_are_read)
{
    Program program;
    const image::Descriptor file = image::create_memfd("test");
    BOOST_TEST(::write(file.get(), photo().data(), photo().size()) == static_cast<ssize_t>(photo().size()));
    BOOST_TEST(program.answer_to(program.submit(file.get(), small(), 0, image::Submit{})).text() ==
               "bad_request");
    BOOST_TEST(image::seal(file.get()));
    BOOST_TEST(program.answer_to(program.submit(file.get(), small(), 0, image::Submit{})).text() ==
               "webp 50x38");
    const image::Descriptor settled = image::create_memfd("test");
    BOOST_TEST(::write(settled.get(), photo().data(), photo().size()) ==
               static_cast<ssize_t>(photo().size()));
    BOOST_TEST(image::settle(settled.get()));
    void* const at = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, settled.get(), 0);
    BOOST_TEST(program.answer_to(program.submit(settled.get(), small(), 0, image::Submit{})).text() ==
               "webp 50x38");
    BOOST_TEST(image::is_sealed(settled.get()));
    ::munmap(at, 1);
    const image::Descriptor pipe{::open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    BOOST_TEST(program.answer_to(program.submit(pipe.get(), small(), 0, image::Submit{})).text() ==
               "bad_request");
}

BOOST_AUTO_TEST_CASE(a_settled_source_that_can_still_be_written_is_refused)
{
    Program program;
    const image::Descriptor file = image::create_memfd("test");
    BOOST_TEST(::write(file.get(), photo().data(), photo().size()) == static_cast<ssize_t>(photo().size()));
    void* const at = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    BOOST_REQUIRE(at != MAP_FAILED);
    BOOST_TEST(image::settle(file.get()));
    BOOST_TEST(program.answer_to(program.submit(file.get(), small(), 0, image::Submit{})).text() ==
               "bad_request");
    ::munmap(at, 1);
}

// It must not be the worker that closes a large file last.
BOOST_AUTO_TEST_CASE(what_is_discarded_is_held_for_a_moment_and_then_closed)
{
    Program program;
    program.hello();
    const auto held = [&] {
        unsigned count = 0;
        for (const auto& each :
             std::filesystem::directory_iterator{"/proc/" + std::to_string(program.pid()) + "/fd"}) {
            std::error_code gone;
            if (std::filesystem::read_symlink(each, gone).string().starts_with("/memfd:discarded")) ++count;
        }
        return count;
    };
    const auto began = std::chrono::steady_clock::now();
    for (int n = 0; n < 3; ++n) {
        const image::Descriptor file = image::create_memfd("discarded");
        BOOST_TEST((image::send(program.socket(), image::Discard{}, file.get()) == image::Sent::yes));
    }
    program.stats();  // it has read all that came before
    const unsigned at_once = held();
    // Who was not given the processor in time has seen nothing.
    if (std::chrono::steady_clock::now() - began < 80ms) BOOST_TEST(at_once == 3U);
    for (int n = 0; n < 300 && held() > 0; ++n) std::this_thread::sleep_for(100ms);
    BOOST_TEST(held() == 0U);

    for (int n = 0; n < 500; ++n) {
        const image::Descriptor file = image::create_memfd("discarded");
        while (image::send(program.socket(), image::Discard{}, file.get()) == image::Sent::full)
            std::this_thread::sleep_for(1ms);
    }
    program.stats();
    BOOST_TEST(held() <= 64U);
    BOOST_TEST(program.render(photo(), small()).text() == "webp 50x38");
}

BOOST_AUTO_TEST_CASE(a_worker_that_talks_nonsense_is_cut_off_alone)
{
    Program program{kTwoWorkers};
    program.hello(0);
    BOOST_TEST(::write(program.socket(0), "nonsense", 8) == 8);
    char end[300];
    ::fcntl(program.socket(0), F_SETFL, 0);
    BOOST_TEST(::read(program.socket(0), end, sizeof end) == 0);
    BOOST_TEST(program.answer_to(program.submit(photo(), small(), 1, image::Submit{}), 1).text() ==
               "webp 50x38");
}

BOOST_AUTO_TEST_CASE(a_render_is_replaced_after_its_jobs)
{
    Start start;
    start.jobs = 2;
    Program program{start};
    for (int n = 0; n < 5; ++n) BOOST_TEST(program.render(photo(), small()).text() == "webp 50x38");
    BOOST_TEST(program.stats().recycled == 2U);
    BOOST_TEST(program.stats().crashed == 0U);
}

#if !defined(__SANITIZE_ADDRESS__)  // its shadow memory has no bound
BOOST_AUTO_TEST_CASE(when_no_render_can_start_it_is_tried_again_later)
{
    Program program;
    program.hello();
    // What it starts inherits this, and has no room for a decoder's threads.
    unsigned long pages = 0;
    std::ifstream{"/proc/" + std::to_string(program.pid()) + "/statm"} >> pages;
    const rlimit narrow{pages * 4096 + (4UL << 20), RLIM_INFINITY};
    const rlimit wide{RLIM_INFINITY, RLIM_INFINITY};
    BOOST_REQUIRE(::prlimit(program.pid(), RLIMIT_AS, &narrow, nullptr) == 0);
    image::Submit soon;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    soon.deadline_ms = static_cast<std::uint64_t>(now.tv_sec) * 1000 + 3000;
    BOOST_TEST(program.answer_to(program.submit(photo(), small(), 0, soon)).text() == "expired");
    BOOST_REQUIRE(::prlimit(program.pid(), RLIMIT_AS, &wide, nullptr) == 0);
    std::string text = "unavailable";
    for (int tries = 0; tries < 300 && text == "unavailable"; ++tries) {
        text = program.render(photo(), small()).text();
        std::this_thread::sleep_for(100ms);
    }
    BOOST_TEST(text == "webp 50x38");
}
#endif

BOOST_AUTO_TEST_CASE(renders_die_with_their_supervisor)
{
    Program program;
    program.submit(photo(), endless());
    const int render = program.wait_for_render(is_encoding);
    ::kill(program.pid(), SIGKILL);
    BOOST_TEST(ends(program.pid()));
    BOOST_TEST(ends(render));
}

BOOST_AUTO_TEST_CASE(the_supervisor_outlives_its_parent_but_not_the_workers)
{
    Start start;
    start.in_own_parent = true;
    Program program{start};
    program.submit(photo(), endless());
    const int render = program.wait_for_render(is_encoding);
    ::kill(program.parent(), SIGKILL);
    ::waitpid(program.parent(), nullptr, 0);
    std::this_thread::sleep_for(200ms);
    BOOST_TEST(is_running(program.pid()));
    BOOST_TEST(is_running(render));
    program.close_socket();
    BOOST_TEST(ends(program.pid()));
    BOOST_TEST(ends(render));
}

BOOST_AUTO_TEST_CASE(signals_for_nginx_do_not_end_it_but_sigterm_does)
{
    Program program;
    program.render(photo(), small());
    const int render = program.renders().at(0);
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH})
        ::kill(program.pid(), signal);
    BOOST_TEST(program.render(photo(), small()).text() == "webp 50x38");
    BOOST_TEST(program.renders().at(0) == render);
    ::kill(program.pid(), SIGTERM);
    BOOST_TEST(ends(program.pid()));
    BOOST_TEST(ends(render));
}

BOOST_AUTO_TEST_CASE(there_is_one_supervisor_for_an_alive_file)
{
    const image::Descriptor alive = image::create_memfd("alive");
    Start start;
    start.alive = alive.get();
    Program first{start};
    first.hello();
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    BOOST_TEST(::fcntl(alive.get(), F_GETLK, &lock) == 0);
    BOOST_TEST(lock.l_type == F_WRLCK);
    BOOST_TEST(lock.l_pid == first.pid());
    Program second{start};
    int status = -1;
    BOOST_TEST(::waitpid(second.pid(), &status, 0) == second.pid());
    BOOST_TEST(WEXITSTATUS(status) == 0);
    BOOST_TEST(is_running(first.pid()));
}

BOOST_AUTO_TEST_SUITE_END()
