#include "fuzz/input.hpp"
#include "render/bmp.hpp"
#include "render/sniff.hpp"
#include "render/webp_container.hpp"

using namespace edge::fuzz;
using namespace edge::render;

/// Any bytes as a bitmap: refused, or decoded to as many samples as the header says. And what else looks into
/// strangers' files with its own hands.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    const auto copy = copies({reinterpret_cast<const char*>(data), size});
    const auto bytes = std::as_bytes(std::span{copy});
    sniff(bytes);
    is_whole_gif(bytes);
    is_sound_png_header(bytes);
    FUZZ_CHECK(count_jpeg_scans(bytes, 10) <= 10);
    const auto web = copies(copy);
    FUZZ_CHECK(strip_webp({reinterpret_cast<std::byte*>(const_cast<char*>(web.data())), web.size()}) <= size);

    const auto info = read_bmp_info(bytes);
    if (const auto* good = std::get_if<BmpInfo>(&info)) {
        FUZZ_CHECK(good->width > 0 && good->height > 0);
        if (std::uint64_t{good->width} * good->height > 1'000'000) return 0;
        const BmpPixels pixels = decode_bmp(bytes, *good);
        FUZZ_CHECK(pixels.samples.size() == std::size_t{good->width} * good->height * good->channels());
    }
    return 0;
}
