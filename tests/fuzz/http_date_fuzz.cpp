#include <algorithm>
#include <array>

#include "fuzz/input.hpp"
#include "http/http_date.hpp"

using namespace edge;
using namespace edge::fuzz;

namespace {

constexpr std::int64_t kYearZero = -62167219200;
constexpr std::int64_t kYear9999End = 253402300799;
constexpr std::int64_t kFiftyYears = std::int64_t{50} * 366 * 86400;

std::string written(std::int64_t time)
{
    const auto text = std::make_unique<std::array<char, http::kHttpDateLength>>();
    http::format_http_date(time, *text);
    return {text->data(), text->size()};
}

void any_time_survives_writing(std::int64_t time)
{
    const auto read = http::parse_http_date(written(time), 0);
    FUZZ_CHECK(read == std::clamp(time, kYearZero, kYear9999End));
}

}

/// Eight bytes of clock, then any bytes as a date.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input in{data, size};
    const auto now = in.number<std::int64_t>();
    any_time_survives_writing(now);
    Copies copies;
    const std::string_view text = copies(in.rest());
    const auto time = http::parse_http_date(text, now);
    if (!time) return 0;

    // A leap second at the end of all time is the first second of a year nobody can write.
    FUZZ_CHECK(*time >= kYearZero && *time <= kYear9999End + 1);
    if (*time <= kYear9999End) any_time_survives_writing(*time);
    const bool two_digit_year = text.find('-') != std::string_view::npos;
    if (!two_digit_year) {
        FUZZ_CHECK(http::parse_http_date(text, 0) == time);
    } else if (now > kYearZero + 4 * kFiftyYears && now < kYear9999End - 4 * kFiftyYears) {
        FUZZ_CHECK(*time <= now + kFiftyYears + 1 && *time >= now - kFiftyYears - 86400);
    }
    return 0;
}
