#include "image_quality.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "image/preset.hpp"
#include "image_dissimilarity.hpp"
#include "render/vips/encode.hpp"

namespace edge::bench {

namespace {

using image::Format;
using render::apply;
using render::Image;

/// Numbers that are 0 for equal pictures: DSSIM, and over five scales (image_dissimilarity.hpp).
using Unlike = std::array<double, 2>;
enum By : std::size_t { structure, scales };

struct Measured {
    double bytes = 0;
    Unlike unlike{};
};

/// The least quality, from 20 on, that is good enough.
template <class IsGood>
int least(const IsGood& is_good)
{
    int low = 20;
    int high = 100;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (is_good(middle))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct TemporaryFolder {
    std::string path = "/tmp/image_bench.XXXXXX";

    TemporaryFolder()
    {
        if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
};

/// What is asked of the encoders, and the answers so far.
class Picture {
public:
    Picture(const std::string& file, unsigned side)
    {
        Image read = apply([&](VipsImage** out) {
            *out = vips_image_new_from_file(file.c_str(), nullptr);
            return *out == nullptr ? -1 : 0;
        });
        const int longer = std::max(read.width(), read.height());
        // At half the size at most, so that nothing is left of its own compression.
        const double scale = side == 0 ? 1 : std::min(0.5, static_cast<double>(side) / longer);
        if (scale < 1)
            read = apply([&](VipsImage** out) { return vips_resize(read.get(), out, scale, nullptr); });
        image_ = Image{vips_image_copy_memory(read.get())};
        render::check(image_ ? 0 : -1);
        planes_ = planes_of(image_);
    }

    double pixels() const noexcept { return static_cast<double>(image_.width()) * image_.height(); }

    Measured at(Format format, int quality)
    {
        const auto key = std::make_pair(format, quality);
        if (const auto found = known_.find(key); found != known_.end()) return found->second;
        const render::EncodedImage file = encoded(format, quality);
        const auto bytes = file.bytes();
        const Image decoded{vips_image_new_from_buffer(bytes.data(), bytes.size(), "", nullptr)};
        render::check(decoded ? 0 : -1);
        const Measured measured{
            static_cast<double>(bytes.size()),
            {structural_dissimilarity(image_, decoded), dissimilarity(planes_, planes_of(decoded))}};
        known_.emplace(key, measured);
        return measured;
    }

    /// What another program says of it, 0 for equal pictures.
    double by_program(const std::string& program, Format format, int quality) const
    {
        const render::EncodedImage file = encoded(format, quality);
        const auto bytes = file.bytes();
        const Image decoded{vips_image_new_from_buffer(bytes.data(), bytes.size(), "", nullptr)};
        render::check(decoded ? 0 : -1);
        const TemporaryFolder folder;
        const std::string a = folder.path + "/a.png";
        const std::string b = folder.path + "/b.png";
        render::check(vips_pngsave(image_.get(), a.c_str(), "compression", 1, "strip", TRUE, nullptr));
        render::check(vips_pngsave(decoded.get(), b.c_str(), "compression", 1, "strip", TRUE, nullptr));
        std::FILE* const answer = ::popen((program + " " + a + " " + b + " 2>/dev/null").c_str(), "r");
        if (answer == nullptr) throw std::runtime_error{program + " can't be started"};
        double value = 0;
        const int read = std::fscanf(answer, "%lf", &value);
        if (::pclose(answer) != 0 || read != 1) throw std::runtime_error{program + " says no number"};
        return value;
    }

    // The least quality that is as good.
    int equal_to(Format format, By by, double wanted)
    {
        return least([&](int quality) { return at(format, quality).unlike[by] <= wanted; });
    }

private:
    render::EncodedImage encoded(Format format, int quality) const
    {
        image::Job job;
        job.quality.jpeg = job.quality.webp = job.quality.avif = static_cast<std::uint8_t>(quality);
        return render::encode_image(image_, format, job);
    }

    Image image_;
    Planes planes_;
    std::map<std::pair<Format, int>, Measured> known_;
};

/// Of all pictures: the sum of their bytes and those of each, the mean of how unlike they are.
struct Row {
    double bytes = 0;
    Unlike unlike{};
    double quality = 0;
    double by_program = 0;
    std::vector<double> each;
};

/// How much more bytes than `before`, the mean of what it is for each picture.
double mean_change(const Row& row, const Row& before)
{
    double sum = 0;
    for (std::size_t i = 0; i < row.each.size(); ++i) sum += row.each[i] / before.each[i] - 1;
    return sum / static_cast<double>(row.each.size());
}

class Pictures {
public:
    Pictures(const std::vector<std::string>& files, unsigned side, std::string program)
        : program_{std::move(program)}
    {
        for (const std::string& file : files) pictures_.push_back(std::make_unique<Picture>(file, side));
    }

    double pixels() const
    {
        double sum = 0;
        for (const auto& picture : pictures_) sum += picture->pixels();
        return sum;
    }
    Row at(Format format, int quality)
    {
        return over([&](Picture& picture) {
            const Measured m = picture.at(format, quality);
            return Row{m.bytes, m.unlike, static_cast<double>(quality), 0, {}};
        });
    }
    Row printed_at(Format format, int quality)
    {
        Row row = at(format, quality);
        if (!program_.empty()) row.by_program = by_program([&](Picture&) { return quality; }, format);
        return row;
    }
    /// Each picture as good as its own JPEG of that quality.
    Row like_jpeg(Format format, By by, int jpeg)
    {
        const auto quality_of = [&](Picture& picture) {
            return picture.equal_to(format, by, picture.at(Format::jpeg, jpeg).unlike[by]);
        };
        Row row = over([&](Picture& picture) {
            const int quality = quality_of(picture);
            const Measured m = picture.at(format, quality);
            return Row{m.bytes, m.unlike, static_cast<double>(quality), 0, {}};
        });
        if (!program_.empty()) row.by_program = by_program(quality_of, format);
        return row;
    }
    /// One quality for all, with which they are as good as the JPEGs on the average.
    int equal_to(Format format, By by, double wanted)
    {
        return least([&](int quality) { return at(format, quality).unlike[by] <= wanted; });
    }

private:
    template <class QualityOf>
    double by_program(const QualityOf& quality_of, Format format)
    {
        double sum = 0;
        for (const auto& picture : pictures_)
            sum += picture->by_program(program_, format, quality_of(*picture));
        return sum / static_cast<double>(pictures_.size());
    }
    Row over(const std::function<Row(Picture&)>& measure)
    {
        std::atomic<std::size_t> next = 0;
        std::mutex mutex;
        Row sum;
        sum.each.resize(pictures_.size());
        const auto work = [&] {
            for (std::size_t i = next++; i < pictures_.size(); i = next++) {
                const Row row = measure(*pictures_[i]);
                const std::scoped_lock lock{mutex};
                sum.bytes += row.bytes, sum.quality += row.quality, sum.each[i] = row.bytes;
                for (const By by : {structure, scales}) sum.unlike[by] += row.unlike[by];
            }
            vips_thread_shutdown();
        };
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < std::max(1U, std::thread::hardware_concurrency()); ++t)
            threads.emplace_back(work);
        for (std::thread& thread : threads) thread.join();
        const auto n = static_cast<double>(pictures_.size());
        for (const By by : {structure, scales}) sum.unlike[by] /= n;
        sum.quality /= n;
        return sum;
    }

    std::string program_;
    std::vector<std::unique_ptr<Picture>> pictures_;
};

}

void run_quality(unsigned side, const std::vector<int>& qualities, const std::vector<std::string>& files)
{
    const char* const program = std::getenv("EDGE_SSIMULACRA");
    Pictures pictures{files, side, program == nullptr ? "" : program};
    const auto line = [&](const char* name, const char* how, const Row& row, const Row& jpeg) {
        std::printf("  %-5s %-28s %5.1f %8.3f %8.5f %8.5f %6.0f %% %4.0f %%", name, how, row.quality,
                    8 * row.bytes / pictures.pixels(), row.unlike[structure], row.unlike[scales],
                    100 * (row.bytes / jpeg.bytes - 1), 100 * mean_change(row, jpeg));
        if (program != nullptr) std::printf(" %12.4f", row.by_program);
        std::printf("\n");
        std::fflush(stdout);
    };
    std::printf(
        "%zu pictures of %.1f megapixels on the average\n\n  %-5s %-28s %5s %8s %8s %8s %8s %6s %12s\n",
        files.size(), pictures.pixels() / 1e6 / static_cast<double>(files.size()), "", "", "q", "bits/px",
        "DSSIM", "5 scales", "in all", "mean", program == nullptr ? "" : "SSIMULACRA");
    for (const int quality : qualities) {
        const Row jpeg = pictures.printed_at(Format::jpeg, quality);
        line("JPEG", "progressive", jpeg, jpeg);
        const image::Quality alike = image::quality_like_jpeg(static_cast<std::uint8_t>(quality));
        for (const Format format : {Format::webp, Format::avif}) {
            const char* const name = format == Format::webp ? "WebP" : "AVIF";
            line(name, "each the same DSSIM", pictures.like_jpeg(format, structure, quality), jpeg);
            line(name, "DSSIM, on the average",
                 pictures.printed_at(format, pictures.equal_to(format, structure, jpeg.unlike[structure])),
                 jpeg);
            line(name, "each the same by 5 scales", pictures.like_jpeg(format, scales, quality), jpeg);
            line(name, "5 scales, on the average",
                 pictures.printed_at(format, pictures.equal_to(format, scales, jpeg.unlike[scales])), jpeg);
            line(name, "as the presets have it",
                 pictures.printed_at(format, format == Format::webp ? alike.webp : alike.avif), jpeg);
            if (format == Format::webp)
                line(name, "the same number", pictures.printed_at(format, quality), jpeg);
        }
    }
}

}
