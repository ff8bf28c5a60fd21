#include "fuzz/input.hpp"
#include "image/arguments.hpp"
#include "image/negotiate.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::image;

/// First line: a prefix. Second line: Accept. The rest: a query.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    Copies copies;
    const ArgumentRules rules{.prefix = std::string{input.line()}, .widths = {300}};
    const std::string_view lines[] = {copies(input.line())};
    const std::string_view query = copies(input.rest());

    const auto parsed = parse_arguments(query, rules);
    const std::string rest = strip_arguments(query, rules);
    FUZZ_CHECK(rest.size() <= query.size());
    FUZZ_CHECK(strip_arguments(rest, rules) == rest);
    const auto again = parse_arguments(rest, rules);
    FUZZ_CHECK(std::holds_alternative<Arguments>(again) && !std::get<Arguments>(again).any);
    const std::string unsigned_query = strip_signature(query, rules);
    FUZZ_CHECK(strip_arguments(unsigned_query, rules) == rest);
    if (const auto* arguments = std::get_if<Arguments>(&parsed)) {
        FUZZ_CHECK(arguments->any || rest == query);
        FUZZ_CHECK(within(arguments->signature, query) && within(arguments->preset, query));
        static const Presets presets;
        const auto job = make_job(*arguments, presets, {});
        if (const auto* made = std::get_if<Job>(&job)) {
            FUZZ_CHECK(made->width <= kMostPixels && made->height <= kMostPixels);
            FUZZ_CHECK(made->dpr >= 25 && made->dpr <= 400 && made->quality.jpeg >= 1);
            for (const char c : describe(*made)) FUZZ_CHECK(c >= ' ' && c < 127);
        }
        static_cast<void>(refuse_unsigned(*arguments, rules));
    } else {
        FUZZ_CHECK(!std::get<std::string>(parsed).empty());
    }
    constexpr Formats kFormats{Format::avif, Format::webp};
    const Outcome outcome = negotiate(lines, kFormats, std::nullopt);
    FUZZ_CHECK(outcome.formats[0] != Format::none || outcome.formats[1] == Format::none);
    FUZZ_CHECK(describe(outcome).size() <= 9);
    static_cast<void>(sniff(query));
    return 0;
}
