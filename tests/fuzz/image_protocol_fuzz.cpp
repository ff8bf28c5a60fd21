#include <algorithm>

#include "fuzz/input.hpp"
#include "image/protocol.hpp"

using namespace edge::fuzz;
using namespace edge::image;

/// Any datagram: it is no message, or one that is written as the same bytes again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    const auto copy = copies({reinterpret_cast<const char*>(data), size});
    const auto bytes = std::as_bytes(std::span{copy});
    const auto message = decode(bytes);
    if (!message) return 0;
    FUZZ_CHECK(std::ranges::equal(encode(*message).bytes(), bytes));
    if (const auto* submit = std::get_if<Submit>(&*message)) {
        FUZZ_CHECK(is_valid(submit->job));
        FUZZ_CHECK(same_job(submit->job, submit->job));
    }
    return 0;
}
