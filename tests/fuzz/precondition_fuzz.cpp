#include "cache/policy.hpp"
#include "fuzz/input.hpp"
#include "http/etag.hpp"
#include "http/http_date.hpp"

using namespace edge;
using namespace edge::fuzz;
using namespace edge::cache;

namespace {

using Text = std::optional<std::string_view>;

bool not_modified(Text none_match, Text since, Text etag, Text modified, Text date, Seconds now)
{
    const auto verdict = evaluate_precondition(none_match, since, etag, modified, date, now);
    FUZZ_CHECK(verdict != Precondition::failed);
    return verdict == Precondition::not_modified;
}

}

/// Which fields there are, a clock, and a line for each: If-None-Match, If-Modified-Since, If-Range, and the
/// response's ETag, Last-Modified and Date.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input in{data, size};
    Copies copies;
    const std::uint8_t present = in.byte();
    const Seconds now = static_cast<Seconds>(in.number<std::uint32_t>());
    unsigned bit = 0;
    const auto next = [&]() -> Text {
        const Text text = copies(in.line());
        return (present >> bit++ & 1) != 0 ? text : std::nullopt;
    };
    const Text none_match = next();
    const Text since = next();
    const Text if_range = next();
    const Text etag = next();
    const Text modified = next();
    const Text date = next();

    const bool has_it = not_modified(none_match, since, etag, modified, date, now);
    if (none_match) {
        FUZZ_CHECK(has_it == not_modified(none_match, std::nullopt, etag, std::nullopt, std::nullopt, 0));
    } else if (!since) {
        FUZZ_CHECK(!has_it);
    } else if (has_it) {
        FUZZ_CHECK(modified || date);
        FUZZ_CHECK(http::parse_http_date(*since, now) &&
                   http::parse_http_date(modified ? *modified : *date, now));
    }
    FUZZ_CHECK(not_modified("*", since, etag, modified, date, now));
    const bool tagged = etag && http::parse_entity_tag(*etag);
    if (tagged) {
        FUZZ_CHECK(not_modified(*etag, std::nullopt, etag, modified, date, now));
        const std::string list = "\"x\", " + std::string{*etag};
        FUZZ_CHECK(not_modified(copies(list), std::nullopt, etag, modified, date, now));
    } else if (none_match && has_it) {
        FUZZ_CHECK(none_match->find('*') != std::string_view::npos);
    }
    if (modified && http::parse_http_date(*modified, now != 0 ? now : 946684800)) {
        FUZZ_CHECK(not_modified(std::nullopt, modified, etag, modified, date, now));
    }

    const bool range = range_applies(if_range, etag, modified, date);
    if (!if_range) {
        FUZZ_CHECK(range);
    } else if (range) {
        const auto wanted = http::parse_entity_tag(*if_range);
        // Only a strong validator, and the response's own.
        FUZZ_CHECK(wanted ? !wanted->weak && if_range == etag : if_range == modified && date.has_value());
    }
    if (tagged) FUZZ_CHECK(range_applies(etag, etag, modified, date) == !etag->starts_with("W/"));
    return 0;
}
