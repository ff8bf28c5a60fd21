#include "fuzz/input.hpp"
#include "http/list.hpp"
#include "http/token.hpp"

using namespace edge;
using namespace edge::fuzz;

namespace {

std::vector<std::string_view> members_of(std::string_view value)
{
    std::vector<std::string_view> members;
    http::ListCursor cursor{value};
    const char* at = value.data();
    while (const auto member = cursor.next()) {
        FUZZ_CHECK(!member->empty() && within(*member, value) && member->data() >= at);
        FUZZ_CHECK(http::trim(*member) == *member);
        at = member->data() + member->size();
        members.push_back(*member);
    }
    FUZZ_CHECK(!cursor.next());
    return members;
}

}

/// Any bytes as a comma-separated list, and as a token.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Copies copies;
    const std::string_view value = copies({reinterpret_cast<const char*>(data), size});
    const auto members = members_of(value);
    std::string joined;
    std::size_t commas = 0;
    for (const std::string_view member : members) {
        joined.append(joined.empty() ? "" : "\t,, ").append(member);
        // Each alone is one member.
        const auto alone = members_of(copies(member));
        FUZZ_CHECK(alone.size() == 1 && alone.front() == member);
        if (member.find('"') == std::string_view::npos) {
            FUZZ_CHECK(member.find(',') == std::string_view::npos);
        }
    }
    FUZZ_CHECK(members_of(copies(joined)) == members);
    for (const char c : value) commas += c == ',' ? 1 : 0;
    FUZZ_CHECK(members.size() <= commas + 1);

    if (http::is_token(value)) {
        FUZZ_CHECK(members.size() == 1 && members.front() == value);
        FUZZ_CHECK(http::trim(value) == value);
        FUZZ_CHECK(value.find_first_of(" \t,;=\"/") == std::string_view::npos);
    }
    FUZZ_CHECK(http::equal_fold(value, value));
    return 0;
}
