#include "render/pixels.hpp"

#include <vips/vips.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>

namespace edge::render::test {

namespace {

void start_once()
{
    static const int started = [] {
        g_log_set_handler(
            "VIPS", static_cast<GLogLevelFlags>(G_LOG_LEVEL_MASK), [](auto, auto, auto, auto) {}, nullptr);
        return vips_init("edge_tests");
    }();
    BOOST_REQUIRE(started == 0);
}

}

double Pixels::mean(unsigned band) const
{
    double sum = 0;
    for (std::size_t i = band; i < samples.size(); i += bands) sum += samples[i];
    return sum / (static_cast<double>(samples.size()) / bands);
}

int Pixels::spread(unsigned band) const
{
    std::vector<std::uint8_t> sorted;
    for (std::size_t i = band; i < samples.size(); i += bands) sorted.push_back(samples[i]);
    std::ranges::sort(sorted);
    return sorted[sorted.size() - 1 - sorted.size() / 100] - sorted[sorted.size() / 100];
}

bool Pixels::has_field(const std::string& start) const
{
    return std::ranges::any_of(fields, [&](const std::string& field) { return field.starts_with(start); });
}

Pixels decode(const std::string& file, bool all_frames)
{
    start_once();
    VipsImage* image =
        vips_image_new_from_buffer(file.data(), file.size(), all_frames ? "[n=-1]" : "", nullptr);
    BOOST_REQUIRE_MESSAGE(image != nullptr, "the result can't be read: " << vips_error_buffer());
    Pixels result;
    result.width = static_cast<unsigned>(vips_image_get_width(image));
    result.height = static_cast<unsigned>(vips_image_get_height(image));
    result.bands = static_cast<unsigned>(vips_image_get_bands(image));
    result.pages = static_cast<unsigned>(vips_image_get_n_pages(image));
    int multiscan = 0;
    if (vips_image_get_typeof(image, "jpeg-multiscan") != 0)
        vips_image_get_int(image, "jpeg-multiscan", &multiscan);
    result.interlaced = multiscan != 0;
    std::size_t size = 0;
    BOOST_REQUIRE(vips_image_get_format(image) == VIPS_FORMAT_UCHAR);
    void* memory = vips_image_write_to_memory(image, &size);
    BOOST_REQUIRE_MESSAGE(memory != nullptr, "the result can't be decoded: " << vips_error_buffer());
    result.samples.assign(static_cast<std::uint8_t*>(memory), static_cast<std::uint8_t*>(memory) + size);
    g_free(memory);
    vips_image_map(
        image,
        [](VipsImage*, const char* name, GValue*, void* to) -> void* {
            static_cast<std::vector<std::string>*>(to)->emplace_back(name);
            return nullptr;
        },
        &result.fields);
    g_object_unref(image);
    return result;
}

std::string encode_png(const Pixels& pixels)
{
    start_once();
    VipsImage* image = vips_image_new_from_memory(
        pixels.samples.data(), pixels.samples.size(), static_cast<int>(pixels.width),
        static_cast<int>(pixels.height), static_cast<int>(pixels.bands), VIPS_FORMAT_UCHAR);
    BOOST_REQUIRE(image != nullptr);
    image->Type = pixels.bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    void* data = nullptr;
    std::size_t size = 0;
    BOOST_REQUIRE(vips_pngsave_buffer(image, &data, &size, "compression", 1, nullptr) == 0);
    g_object_unref(image);
    std::string file{static_cast<const char*>(data), size};
    g_free(data);
    return file;
}

double difference(const Pixels& a, const Pixels& b)
{
    if (a.width != b.width || a.height != b.height || a.bands != b.bands) return 1000;
    double sum = 0;
    for (std::size_t i = 0; i < a.samples.size(); ++i) sum += std::abs(a.samples[i] - b.samples[i]);
    return sum / static_cast<double>(a.samples.size());
}

}
