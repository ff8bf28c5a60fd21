#include "cache/policy.hpp"
#include "fuzz/input.hpp"

using namespace edge;
using namespace edge::fuzz;

namespace {

constexpr std::string_view kOrigin = "http://example.com";

/// The path of a URI on kOrigin, without the query.
std::string_view path_of(std::string_view uri)
{
    uri.remove_prefix(kOrigin.size());
    return uri.substr(0, uri.find('?'));
}

bool has_dot_segment(std::string_view path)
{
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::string_view segment = path.substr(0, path.find('/'));
        if (segment == "." || segment == "..") return true;
        path.remove_prefix(segment.size());
    }
    return false;
}

}

/// A line of path and query, then a Location: what comes out lies on the same host, and means itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input in{data, size};
    Copies copies;
    std::string request{in.line()};
    if (request.empty() || request.front() != '/') request.insert(0, 1, '/');
    request.resize(std::min(request.find('#'), request.size()));
    const std::string_view base = copies(std::string{kOrigin} + request);
    const std::string_view reference = copies(in.rest());

    // Any base at all, to begin with.
    static_cast<void>(cache::same_origin_target(reference, base));

    const auto target = cache::same_origin_target(base, reference);
    if (!target) return 0;
    FUZZ_CHECK(target->starts_with(kOrigin) && target->size() > kOrigin.size());
    FUZZ_CHECK((*target)[kOrigin.size()] == '/');
    FUZZ_CHECK(target->find('#') == std::string::npos);
    const std::string_view own_path = path_of(base);
    if (path_of(*target) != own_path) FUZZ_CHECK(!has_dot_segment(path_of(*target)));
    if (has_dot_segment(path_of(*target))) return 0;  // the request's own, which is left as it was sent
    const auto again = cache::same_origin_target(base, copies(*target));
    // The request's own path may hold bytes that a Location must not.
    FUZZ_CHECK(!again || *again == *target);
    // The same from elsewhere, as long as nothing is taken from the base.
    if (again) FUZZ_CHECK(cache::same_origin_target("http://EXAMPLE.com:80/a/b?c", *target) == target);
    FUZZ_CHECK(!cache::same_origin_target("http://example.com.evil/", *target));
    FUZZ_CHECK(!cache::same_origin_target("https://example.com/", *target));
    return 0;
}
