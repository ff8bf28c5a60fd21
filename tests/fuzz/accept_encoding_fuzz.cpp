#include <algorithm>

#include "fuzz/input.hpp"
#include "http/accept_encoding.hpp"
#include "http/coded_etag.hpp"
#include "http/etag.hpp"

using namespace edge;
using namespace edge::fuzz;
using http::Coding;

namespace {

constexpr Coding kAll[] = {Coding::br, Coding::gzip, Coding::zstd};

}

/// Lines of Accept-Encoding, and the same bytes as a list of entity tags.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    Input input{data, size};
    const std::string_view all = copies({reinterpret_cast<const char*>(data), size});
    http::AcceptEncoding accept, joined;
    std::string list;
    bool quoted = false;
    while (!input.empty()) {
        const std::string_view line = copies(input.line());
        accept.add(line);
        list.append(list.empty() ? "" : ",").append(line);
        quoted = quoted || line.find('"') != line.npos;
    }
    joined.add(copies(list));
    const http::Choice choice = accept.choose(kAll);
    FUZZ_CHECK(choice.size() <= std::size(kAll));
    for (std::size_t i = 0; i < choice.size(); ++i) {
        FUZZ_CHECK(choice.begin()[i] != Coding::identity);
        FUZZ_CHECK(accept.weight(choice.begin()[i]) > 0 && accept.weight(choice.begin()[i]) <= 1000);
        FUZZ_CHECK(accept.weight(choice.begin()[i]) >= accept.weight(Coding::identity));
        if (i > 0) FUZZ_CHECK(accept.weight(choice.begin()[i - 1]) >= accept.weight(choice.begin()[i]));
        FUZZ_CHECK(std::count(choice.begin(), choice.end(), choice.begin()[i]) == 1);
    }
    // Several lines are one list (RFC 9110 section 5.3), and a refusal anywhere holds.
    if (!quoted) {
        for (const Coding coding : kAll) FUZZ_CHECK(accept.weight(coding) == joined.weight(coding));
    }
    accept.add("br;q=0");
    for (const Coding coding : accept.choose(kAll)) FUZZ_CHECK(coding != Coding::br);

    for (const Coding coding : kAll) {
        const std::string coded = http::coded_etag(all, coding);
        const auto tag = http::parse_entity_tag(all);
        FUZZ_CHECK(tag ? coded.size() == all.size() + 1 + http::coding_name(coding).size() : coded == all);
        const auto plain = http::with_plain_tags(coded);
        if (!tag) continue;
        FUZZ_CHECK(http::parse_entity_tag(coded)->weak == tag->weak);
        FUZZ_CHECK(plain && plain->starts_with(coded) && plain->ends_with(all));
    }
    return 0;
}
