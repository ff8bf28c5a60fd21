#include <algorithm>

#include "fuzz/input.hpp"
#include "http/cache_control.hpp"
#include "http/token.hpp"

using namespace edge;
using namespace edge::fuzz;

namespace {

std::vector<http::Directive> directives(std::string_view line, bool& unterminated)
{
    std::vector<http::Directive> found;
    http::DirectiveCursor cursor{line};
    const char* at = line.data();
    while (const auto directive = cursor.next()) {
        FUZZ_CHECK(http::is_token(directive->name));
        FUZZ_CHECK(within(directive->name, line) && directive->name.data() >= at);
        FUZZ_CHECK(within(directive->argument, line));
        FUZZ_CHECK(directive->has_argument || directive->argument.empty());
        at = directive->name.data() + directive->name.size();
        found.push_back(*directive);
    }
    FUZZ_CHECK(!cursor.next());
    unterminated = cursor.unterminated();
    return found;
}

/// What is written as the grammar wants it is read as it was meant.
void written_again_it_reads_the_same(const std::vector<http::Directive>& before)
{
    std::string line;
    for (const auto& directive : before) {
        line.append(line.empty() ? "" : ", ").append(directive.name);
        if (directive.has_argument) line.append("=\"").append(directive.argument).append("\"");
    }
    Copies copies;
    bool unterminated = false;
    const auto after = directives(copies(line), unterminated);
    FUZZ_CHECK(!unterminated);
    FUZZ_CHECK(std::equal(before.begin(), before.end(), after.begin(), after.end(),
                          [](const http::Directive& a, const http::Directive& b) {
                              return a.name == b.name && a.argument == b.argument &&
                                     a.has_argument == b.has_argument && !b.malformed;
                          }));
}

/// Only a quote can hide what comes after it.
void a_directive_behind_it_is_seen(std::string_view line)
{
    if (line.find('"') != std::string_view::npos) return;
    Copies copies;
    bool unterminated = false;
    const auto found = directives(copies(std::string{line} + ",no-store"), unterminated);
    FUZZ_CHECK(!unterminated && !found.empty());
    FUZZ_CHECK(found.back().name == "no-store" && !found.back().malformed && !found.back().has_argument);
}

void delta_seconds(std::string_view text)
{
    const auto seconds = http::parse_delta_seconds(text);
    const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), http::is_digit);
    FUZZ_CHECK(seconds.has_value() == digits);
    if (!digits) return;
    const std::string_view number = text.substr(std::min(text.find_first_not_of('0'), text.size()));
    const std::uint64_t exact =
        number.size() > 10 ? UINT64_MAX : std::strtoull(std::string{number}.c_str(), nullptr, 10);
    FUZZ_CHECK(*seconds == std::min<std::uint64_t>(exact, http::kMaxDeltaSeconds));
}

}

/// Any bytes as a Cache-Control line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    const std::string_view line = copies({reinterpret_cast<const char*>(data), size});
    bool unterminated = false;
    const auto found = directives(line, unterminated);
    if (!unterminated) written_again_it_reads_the_same(found);
    a_directive_behind_it_is_seen(line);
    delta_seconds(line);
    for (const auto& directive : found) delta_seconds(copies(directive.argument));
    return 0;
}
