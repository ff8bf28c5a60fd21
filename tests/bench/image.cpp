// What scripts/bench image runs:
//
//   image_bench quality SIDE QUALITY,... FILE...       see image_quality.hpp
//   image_bench sources DIRECTORY FILE...              see image_sources.hpp
//   image_bench bare SECONDS JOB FILE...               libvips in a loop, two threads of one process
//   image_bench program PROGRAM SECONDS JOB FILE...    edge_render, two processes, four jobs at a time
//
// JOB is WIDTHxHEIGHT:FIT:FORMAT, say 300x300:cover:webp or 1200x0:inside:jpeg. The last two print
// "IMAGES SECONDS CPU_SECONDS RESIDENT_AT_REST PEAK" (bytes; of the renders and their supervisor, or of the
// loop).

#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "image/channel.hpp"
#include "image_quality.hpp"
#include "image_sources.hpp"
#include "render/vips/colours.hpp"
#include "render/vips/pipeline.hpp"
#include "render/vips/source.hpp"

extern char** environ;

namespace {

using namespace edge;
using Clock = std::chrono::steady_clock;
using image::Format;
using render::Image;

std::string read_file(const std::string& path)
{
    std::ifstream in{path, std::ios::binary};
    if (!in) throw std::runtime_error{path + " can't be read"};
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::span<const std::byte> bytes_of(const std::string& text)
{
    return std::as_bytes(std::span{text});
}

image::Job parse_job(const std::string& text)
{
    unsigned width = 0;
    unsigned height = 0;
    char fit[16]{};
    char format[16]{};
    if (std::sscanf(text.c_str(), "%ux%u:%15[a-z]:%15[a-z]", &width, &height, fit, format) != 4)
        throw std::runtime_error{text + " is no job"};
    image::Job job;
    job.width = width;
    job.height = height;
    job.fit = std::string{fit} == "cover" ? image::Fit::cover : image::Fit::inside;
    const std::string name = format;
    job.target = name == "webp"
                     ? Format::webp
                     : (name == "avif" ? Format::avif : (name == "png" ? Format::png : Format::jpeg));
    job.quality = {.jpeg = 80, .webp = 80, .avif = 50};
    return job;
}

std::uint64_t resident(int pid)
{
    std::ifstream in{"/proc/" + std::to_string(pid) + "/statm"};
    std::uint64_t all = 0;
    std::uint64_t pages = 0;
    in >> all >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t resident_tree(int pid)
{
    std::uint64_t sum = resident(pid);
    std::ifstream in{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
    for (int child = 0; in >> child;) sum += resident(child);
    return sum;
}

double seconds_of(const rusage& usage)
{
    const auto of = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return of(usage.ru_utime) + of(usage.ru_stime);
}

// Thumbnails of libvips, but that a JPEG is decoded as small as edge_render does it.
VipsImage* thumbnail(const std::string& source, const image::Job& job)
{
    void* const data = const_cast<char*>(source.data());
    const bool cover = job.fit == image::Fit::cover;
    const auto width = static_cast<int>(job.width == 0 ? 100'000 : job.width);
    const auto height = static_cast<int>(job.height == 0 ? 100'000 : job.height);
    const auto thumbnail_of = [&](const Image& from) {
        VipsImage* image = nullptr;
        vips_thumbnail_image(from.get(), &image, width, "height", height, "crop",
                             cover ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE, "size", VIPS_SIZE_DOWN,
                             "export_profile", "srgb", nullptr);
        return image;
    };
    if (source.starts_with("\xff\xd8")) {
        VipsImage* header = nullptr;
        if (vips_jpegload_buffer(data, source.size(), &header, nullptr) != 0) return nullptr;
        const Image whole{header};
        const double horizontal = static_cast<double>(whole.width()) / width;
        const double vertical = static_cast<double>(whole.height()) / height;
        const double factor = cover ? std::min(horizontal, vertical) : std::max(horizontal, vertical);
        VipsImage* small = nullptr;
        if (vips_jpegload_buffer(data, source.size(), &small, "access", VIPS_ACCESS_SEQUENTIAL, "shrink",
                                 render::jpeg_shrink(factor), nullptr) != 0)
            return nullptr;
        return thumbnail_of(Image{small});
    }
    VipsImage* image = nullptr;
    vips_thumbnail_buffer(data, source.size(), &image, width, "height", height, "crop",
                          cover ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE, "size", VIPS_SIZE_DOWN,
                          "export_profile", "srgb", nullptr);
    return image;
}

// The same calls without anything around them.
bool render_bare(const std::string& source, const image::Job& job)
{
    VipsImage* image = thumbnail(source, job);
    if (image == nullptr) return false;
    const auto pixels = std::uint64_t{1} * vips_image_get_width(image) * vips_image_get_height(image);
    void* data = nullptr;
    std::size_t size = 0;
    int result = 0;
    if (job.target == Format::webp)
        result = vips_webpsave_buffer(image, &data, &size, "Q", int{job.quality.webp}, "effort",
                                      int{job.quality.webp_effort}, "strip", TRUE, nullptr);
    else if (job.target == Format::avif)
        result = vips_heifsave_buffer(image, &data, &size, "Q", int{job.quality.avif}, "effort",
                                      image::avif_effort(job.quality, pixels), "compression",
                                      VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "bitdepth", 8, "subsample_mode",
                                      VIPS_FOREIGN_SUBSAMPLE_OFF, "strip", TRUE, nullptr);
    else
        result = vips_jpegsave_buffer(image, &data, &size, "Q", int{job.quality.jpeg}, "interlace", TRUE,
                                      "optimize_coding", TRUE, "strip", TRUE, nullptr);
    g_free(data);
    g_object_unref(image);
    return result == 0;
}

void print(std::uint64_t images, double seconds, double cpu, std::uint64_t rest, std::uint64_t peak)
{
    std::printf("%llu %.3f %.3f %llu %llu\n", static_cast<unsigned long long>(images), seconds, cpu,
                static_cast<unsigned long long>(rest), static_cast<unsigned long long>(peak));
}

// For what reads and writes the bench's own files.
void start_vips()
{
    if (!render::start_vips("image_bench")) throw std::runtime_error{"libvips does not start"};
    vips_operation_block_set("VipsForeignLoad", FALSE);
}

int run_bare(double seconds, const image::Job& job, const std::vector<std::string>& sources)
{
    start_vips();
    std::atomic<std::uint64_t> images = 0;
    std::atomic<bool> failed = false;
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    const auto start = Clock::now();
    const auto until =
        start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{seconds});
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 2; ++t)
        threads.emplace_back([&, t] {
            for (std::size_t n = t; Clock::now() < until; ++n) {
                if (!render_bare(sources[n % sources.size()], job)) failed = true;
                ++images;
            }
            vips_thread_shutdown();
        });
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double> taken = Clock::now() - start;
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    print(images, taken.count(), seconds_of(after) - seconds_of(before), resident(::getpid()),
          static_cast<std::uint64_t>(after.ru_maxrss) * 1024);
    std::fflush(stdout);
    ::_exit(failed ? 1 : 0);
}

int run_program(const char* program, double seconds, const image::Job& job,
                const std::vector<std::string>& sources)
{
    auto pair = image::make_socket_pair().value();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair.supervisor.get(), 3);
    posix_spawn_file_actions_addclosefrom_np(&actions, 4);
    std::vector<std::string> words{"edge_render", "--supervisor", "--fds", "3", "--processes", "2"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t pid = -1;
    if (posix_spawn(&pid, program, &actions, nullptr, arguments.data(), environ) != 0)
        throw std::runtime_error{std::string{program} + " can't be started"};
    pair.supervisor.reset();
    std::vector<image::Descriptor> sealed;
    for (const std::string& source : sources) sealed.push_back(image::make_sealed("bench", bytes_of(source)));
    const int socket = pair.worker.get();
    image::JobId next = 0;
    unsigned in_flight = 0;
    std::uint64_t images = 0;
    std::uint64_t peak = 0;
    const auto submit = [&] {
        image::Submit request;
        request.id = ++next;
        request.deadline_ms = ~0ULL >> 1;
        request.job = job;
        image::send(socket, request, sealed[next % sealed.size()].get());
        ++in_flight;
    };
    const auto receive = [&] {
        pollfd wait{socket, POLLIN, 0};
        if (::poll(&wait, 1, 60'000) <= 0) throw std::runtime_error{"no answer"};
        const image::Received received = image::receive(socket);
        if (const auto* refused = std::get_if<image::Refused>(&received.message))
            throw std::runtime_error{std::string{"refused: "} + image::name_of(refused->reason)};
        return std::holds_alternative<image::Done>(received.message);
    };
    // Both processes are there when the time begins to count.
    for (int n = 0; n < 4; ++n) submit();
    while (in_flight > 0)
        if (receive()) --in_flight;
    const auto ticks = [&] {
        std::ifstream children{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
        double sum = 0;
        std::vector<int> all{pid};
        for (int child = 0; children >> child;) all.push_back(child);
        for (const int each : all) {
            const std::string stat = read_file("/proc/" + std::to_string(each) + "/stat");
            std::istringstream fields{stat.substr(stat.rfind(')') + 2)};
            std::string skipped;
            for (int i = 0; i < 11; ++i) fields >> skipped;
            double user = 0;
            double system = 0;
            fields >> user >> system;
            sum += (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
        }
        return sum;
    };
    const double before = ticks();
    const auto start = Clock::now();
    const auto until =
        start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{seconds});
    for (int n = 0; n < 4; ++n) submit();
    while (in_flight > 0) {
        if (!receive()) continue;
        --in_flight;
        ++images;
        peak = std::max(peak, resident_tree(pid));
        if (Clock::now() < until) submit();
    }
    const std::chrono::duration<double> taken = Clock::now() - start;
    const double used = ticks() - before;
    std::this_thread::sleep_for(std::chrono::milliseconds{1500});
    const std::uint64_t rest = resident_tree(pid);
    pair.worker.reset();
    ::waitpid(pid, nullptr, 0);
    print(images, taken.count(), used, rest, peak);
    return 0;
}

int run_sources(const std::vector<std::string>& words)
{
    if (words.size() < 3) throw std::runtime_error{"sources DIRECTORY FILE..."};
    start_vips();
    bench::make_sources(words[1], {words.begin() + 2, words.end()});
    std::fflush(stdout);
    ::_exit(0);
}

int run_quality(const std::vector<std::string>& words)
{
    if (words.size() < 4) throw std::runtime_error{"quality SIDE QUALITY,... FILE..."};
    start_vips();
    std::vector<int> qualities;
    std::istringstream list{words[2]};
    for (std::string one; std::getline(list, one, ',');) qualities.push_back(std::stoi(one));
    bench::run_quality(static_cast<unsigned>(std::stoul(words[1])), qualities,
                       {words.begin() + 3, words.end()});
    std::fflush(stdout);
    ::_exit(0);
}

}

int main(int argc, char** argv)
{
    try {
        const std::vector<std::string> words{argv + 1, argv + argc};
        if (words.size() < 2) throw std::runtime_error{"see the source for its arguments"};
        if (words[0] == "quality") return run_quality(words);
        if (words[0] == "sources") return run_sources(words);
        const std::size_t first = words[0] == "program" ? 2 : 1;
        std::vector<std::string> sources;
        for (std::size_t i = first + 2; i < words.size(); ++i) sources.push_back(read_file(words[i]));
        if (sources.empty()) throw std::runtime_error{"no source"};
        const double seconds = std::stod(words[first]);
        const image::Job job = parse_job(words[first + 1]);
        if (words[0] == "bare") return run_bare(seconds, job, sources);
        return run_program(words[1].c_str(), seconds, job, sources);
    } catch (const render::Refusal& refusal) {
        std::fprintf(stderr, "image_bench: %s\n", image::name_of(refusal.reason));
        return 1;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "image_bench: %s\n", e.what());
        return 1;
    }
}
