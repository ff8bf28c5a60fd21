#include <cstdint>

#include "fuzz/input.hpp"
#include "redis/url.hpp"

/// Any bytes as an URL: refused with a reason that names none of them, or with a place to connect to.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    edge::fuzz::Copies copies;
    const auto parsed = edge::redis::parse_url(copies({reinterpret_cast<const char*>(data), size}));
    if (!parsed.error.empty()) return 0;
    const auto& url = parsed.url;
    FUZZ_CHECK(url.is_unix() == url.host.empty());
    FUZZ_CHECK(url.is_unix() || url.port != 0);
    FUZZ_CHECK(url.path.size() <= 107);
    FUZZ_CHECK(!url.address().empty());
    return 0;
}
