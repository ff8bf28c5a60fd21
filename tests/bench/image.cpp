// What scripts/bench image runs:
//
//   image_bench quality FILE...                            bytes of each format at equal dissimilarity; a
//   table image_bench bare SECONDS JOB FILE...                   libvips in a loop, two threads of one
//   process image_bench program PROGRAM SECONDS JOB FILE...        edge_render, two processes, four jobs at a
//   time
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
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
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
#include "render/vips/colours.hpp"
#include "render/vips/pipeline.hpp"

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
    job.quality = {.jpeg = 80, .webp = 80, .avif = 55};
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

// The same calls without anything around them.
bool render_bare(const std::string& source, const image::Job& job)
{
    VipsImage* image = nullptr;
    const auto width = static_cast<int>(job.width == 0 ? 100'000 : job.width);
    const auto height = static_cast<int>(job.height == 0 ? 100'000 : job.height);
    if (vips_thumbnail_buffer(const_cast<char*>(source.data()), source.size(), &image, width, "height",
                              height, "crop",
                              job.fit == image::Fit::cover ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE,
                              "size", VIPS_SIZE_DOWN, "export_profile", "srgb", nullptr) != 0)
        return false;
    void* data = nullptr;
    std::size_t size = 0;
    int result = 0;
    if (job.target == Format::webp)
        result = vips_webpsave_buffer(image, &data, &size, "Q", int{job.quality.webp}, "effort",
                                      int{job.quality.webp_effort}, "strip", TRUE, nullptr);
    else if (job.target == Format::avif)
        result = vips_heifsave_buffer(
            image, &data, &size, "Q", int{job.quality.avif}, "effort", int{job.quality.avif_effort},
            "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "bitdepth", 8, "strip", TRUE, nullptr);
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

int run_bare(double seconds, const image::Job& job, const std::vector<std::string>& sources)
{
    if (!render::start_vips("image_bench")) return 1;
    // As an own program would set it.
    vips_operation_block_set("VipsForeignLoad", FALSE);
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

// --- quality ---

/// A plane of numbers.
struct Plane {
    std::size_t width = 0;
    std::size_t height = 0;
    std::vector<float> at;
};

Plane halved(const Plane& plane)
{
    Plane half{plane.width / 2, plane.height / 2, {}};
    half.at.resize(half.width * half.height);
    for (std::size_t y = 0; y < half.height; ++y)
        for (std::size_t x = 0; x < half.width; ++x) {
            const float* from = &plane.at[2 * y * plane.width + 2 * x];
            half.at[y * half.width + x] = (from[0] + from[1] + from[plane.width] + from[plane.width + 1]) / 4;
        }
    return half;
}

// Mean of squares of 8 x 8, every other one.
double similarity(const Plane& a, const Plane& b)
{
    constexpr std::size_t kSide = 8;
    constexpr double kC1 = 0.01 * 0.01;
    constexpr double kC2 = 0.03 * 0.03;
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t y = 0; y + kSide <= a.height; y += 2)
        for (std::size_t x = 0; x + kSide <= a.width; x += 2) {
            double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
            for (std::size_t v = 0; v < kSide; ++v)
                for (std::size_t u = 0; u < kSide; ++u) {
                    const double p = a.at[(y + v) * a.width + x + u];
                    const double q = b.at[(y + v) * b.width + x + u];
                    sa += p, sb += q, saa += p * p, sbb += q * q, sab += p * q;
                }
            constexpr double n = kSide * kSide;
            const double ma = sa / n;
            const double mb = sb / n;
            const double va = saa / n - ma * ma;
            const double vb = sbb / n - mb * mb;
            const double cov = sab / n - ma * mb;
            sum += (2 * ma * mb + kC1) * (2 * cov + kC2) / ((ma * ma + mb * mb + kC1) * (va + vb + kC2));
            ++count;
        }
    return count == 0 ? 1 : sum / static_cast<double>(count);
}

/// Lightness and two colours of CIE Lab, each 0 … 1.
std::array<Plane, 3> planes_of(const std::string& file)
{
    Image image{vips_image_new_from_buffer(file.data(), file.size(), "", nullptr)};
    if (!image) throw std::runtime_error{vips_error_buffer()};
    image = render::apply([&](VipsImage** out) {
        return vips_colourspace(image.get(), out, VIPS_INTERPRETATION_LAB, nullptr);
    });
    std::size_t size = 0;
    auto* samples = static_cast<float*>(vips_image_write_to_memory(image.get(), &size));
    std::array<Plane, 3> planes;
    const auto width = static_cast<std::size_t>(image.width());
    const auto height = static_cast<std::size_t>(image.height());
    for (std::size_t c = 0; c < 3; ++c) {
        planes[c] = {width, height, std::vector<float>(width * height)};
        for (std::size_t i = 0; i < width * height; ++i)
            planes[c].at[i] = c == 0 ? samples[3 * i] / 100 : (samples[3 * i + c] + 110) / 220;
    }
    g_free(samples);
    return planes;
}

// 1 / SSIM - 1 over five scales, lightness counted more than the two colours, whose finest scale does not
// count.
double dissimilarity(std::array<Plane, 3> a, const std::string& file)
{
    std::array<Plane, 3> b = planes_of(file);
    // What the eye makes of each scale, finest first.
    constexpr double kWeights[] = {0.028, 0.197, 0.322, 0.298, 0.155};
    double sum = 0;
    double weights = 0;
    for (std::size_t scale = 0; scale < std::size(kWeights); ++scale) {
        for (std::size_t c = 0; c < 3; ++c) {
            if (c > 0 && scale == 0) continue;
            const double weight = kWeights[scale] * (c == 0 ? 1 : 0.25);
            sum += weight * similarity(a[c], b[c]);
            weights += weight;
        }
        for (std::size_t c = 0; c < 3; ++c) a[c] = halved(a[c]), b[c] = halved(b[c]);
    }
    return weights / sum - 1;
}

struct Measured {
    double bytes = 0;
    double dissimilarity = 0;
};

// Means over all pictures at one quality.
class Series {
public:
    explicit Series(const std::vector<std::string>& files)
    {
        image::Job job;
        job.target = Format::png;
        for (const std::string& file : files) {
            const std::string source = read_file(file);
            Image header{vips_image_new_from_buffer(source.data(), source.size(), "", nullptr)};
            if (!header) throw std::runtime_error{file + " is no picture"};
            // Small enough that nothing is left of its own compression.
            const int longer = std::max(header.width(), header.height());
            job.width = job.height = static_cast<std::uint32_t>(std::min(1200, longer / 2));
            const auto rendered = render::render(bytes_of(source), job);
            const auto* good = std::get_if<render::Rendered>(&rendered);
            if (good == nullptr) throw std::runtime_error{file + " is refused"};
            const auto bytes = good->file->bytes();
            pictures_.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            planes_.push_back(planes_of(pictures_.back()));
        }
    }
    Measured at(Format format, int quality) const
    {
        image::Job job;
        job.target = format;
        const auto q = static_cast<std::uint8_t>(quality);
        job.quality.jpeg = job.quality.webp = job.quality.avif = q;
        Measured sum;
        for (std::size_t i = 0; i < pictures_.size(); ++i) {
            const auto rendered = render::render(bytes_of(pictures_[i]), job);
            const auto bytes = std::get<render::Rendered>(rendered).file->bytes();
            sum.bytes += static_cast<double>(bytes.size());
            sum.dissimilarity += dissimilarity(
                planes_[i], std::string{reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        }
        const auto n = static_cast<double>(pictures_.size());
        return {sum.bytes / n, sum.dissimilarity / n};
    }
    // The least quality that is as good.
    int equal_to(Format format, double wanted) const
    {
        int low = 20;
        int high = 100;
        while (low < high) {
            const int middle = (low + high) / 2;
            if (at(format, middle).dissimilarity <= wanted)
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

private:
    std::vector<std::string> pictures_;
    std::vector<std::array<Plane, 3>> planes_;
};

int run_quality(const std::vector<std::string>& files)
{
    if (!render::start_vips("image_bench")) return 1;
    for (const char* name : {"VipsForeignLoadPng", "VipsForeignLoadJpeg"})
        vips_operation_block_set(name, FALSE);
    const Series series{files};
    std::printf("%-22s %9s %13s   %s\n", "", "bytes", "dissimilarity", "bytes beside JPEG");
    for (const int quality : {95, 85, 80}) {
        const Measured jpeg = series.at(Format::jpeg, quality);
        std::printf("progressive JPEG %-5d %9.0f %13.5f\n", quality, jpeg.bytes, jpeg.dissimilarity);
        for (const Format format : {Format::webp, Format::avif}) {
            const char* const name = format == Format::webp ? "WebP" : "AVIF";
            const int equal = series.equal_to(format, jpeg.dissimilarity);
            const Measured measured = series.at(format, equal);
            std::printf("  %s %-15d %9.0f %13.5f   %+.0f %%\n", name, equal, measured.bytes,
                        measured.dissimilarity, 100 * (measured.bytes / jpeg.bytes - 1));
            if (format == Format::avif) continue;
            const Measured nominal = series.at(format, quality);
            std::printf("  %s %-15d %9.0f %13.5f   %+.0f %%\n", name, quality, nominal.bytes,
                        nominal.dissimilarity, 100 * (nominal.bytes / jpeg.bytes - 1));
        }
    }
    std::fflush(stdout);
    ::_exit(0);
}

}

int main(int argc, char** argv)
{
    try {
        const std::vector<std::string> words{argv + 1, argv + argc};
        if (words.size() < 2) throw std::runtime_error{"see the source for its arguments"};
        if (words[0] == "quality") return run_quality({words.begin() + 1, words.end()});
        const std::size_t first = words[0] == "program" ? 2 : 1;
        std::vector<std::string> sources;
        for (std::size_t i = first + 2; i < words.size(); ++i) sources.push_back(read_file(words[i]));
        if (sources.empty()) throw std::runtime_error{"no source"};
        const double seconds = std::stod(words[first]);
        const image::Job job = parse_job(words[first + 1]);
        if (words[0] == "bare") return run_bare(seconds, job, sources);
        return run_program(words[1].c_str(), seconds, job, sources);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "image_bench: %s\n", e.what());
        return 1;
    }
}
