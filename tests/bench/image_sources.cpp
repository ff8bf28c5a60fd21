#include "image_sources.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include "render/vips/image.hpp"

namespace edge::bench {

namespace {

using render::apply;
using render::check;
using render::Image;

constexpr std::size_t kMost = 3;

Image open(const std::string& file)
{
    Image image{vips_image_new_from_file(file.c_str(), nullptr)};
    check(image ? 0 : -1);
    return image;
}

double megapixels(const Image& image)
{
    return static_cast<double>(image.width()) * image.height() / 1e6;
}

Image resized(const Image& image, double to_megapixels)
{
    const double scale = std::sqrt(to_megapixels / megapixels(image));
    return apply([&](VipsImage** out) { return vips_resize(image.get(), out, scale, nullptr); });
}

}

void make_sources(const std::string& directory, const std::vector<std::string>& files)
{
    std::vector<std::string> photos, large;
    for (const std::string& file : files) {
        if (!file.ends_with(".jpg")) continue;
        photos.push_back(file);
        const double size = megapixels(open(file));
        if (size >= 13 && size <= 21) large.push_back(file);
    }
    if (photos.empty()) throw std::runtime_error{"no .jpg to make sources of"};
    const auto path = [&](const std::string& name) { return directory + "/" + name; };
    const auto size_of = [&](const std::string& name) {
        const Image made = open(path(name));
        std::printf("  %-11s %5d x %d, %.1f MB", name.c_str(), made.width(), made.height(),
                    static_cast<double>(std::filesystem::file_size(path(name))) / 1048576);
    };
    std::size_t number = 0;
    const bool real = !large.empty();
    for (const std::string& file : real ? large : photos) {
        if (number == kMost) break;
        const std::string name = "photo" + std::to_string(++number) + ".jpg";
        if (real)
            std::filesystem::copy_file(file, path(name));
        else
            check(vips_jpegsave(resized(open(file), 16).get(), path(name).c_str(), "Q", 90, nullptr));
        size_of(name);
        std::printf(", %s%s\n", std::filesystem::path{file}.filename().c_str(), real ? "" : ", enlarged");
    }
    const Image first = open(path("photo1.jpg"));
    // 255 becomes 65535, and there is something below the high byte.
    const Image deep = apply([&](VipsImage** out) {
        const Image small = resized(first, 4);
        const Image wide =
            apply([&](VipsImage** to) { return vips_linear1(small.get(), to, 257, 0, nullptr); });
        const Image samples =
            apply([&](VipsImage** to) { return vips_cast(wide.get(), to, VIPS_FORMAT_USHORT, nullptr); });
        return vips_copy(samples.get(), out, "interpretation", VIPS_INTERPRETATION_RGB16, nullptr);
    });
    check(vips_tiffsave(deep.get(), path("deep.tif").c_str(), "strip", TRUE, nullptr));
    size_of("deep.tif");
    std::printf(", 16 bits\n");
    // From transparent on the left to opaque on the right.
    const Image opaque = Image{vips_image_copy_memory(resized(first, 3).get())};
    check(opaque ? 0 : -1);
    const Image alpha = apply([&](VipsImage** out) {
        const Image ramp = apply([&](VipsImage** to) {
            return vips_grey(to, opaque.width(), opaque.height(), "uchar", TRUE, nullptr);
        });
        return vips_bandjoin2(opaque.get(), ramp.get(), out, nullptr);
    });
    check(vips_pngsave(alpha.get(), path("alpha.png").c_str(), "strip", TRUE, nullptr));
    size_of("alpha.png");
    std::printf(", alpha\n");
}

}
