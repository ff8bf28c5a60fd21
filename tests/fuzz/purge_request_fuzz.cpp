#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cache/purge_request.hpp"

/// Any bytes as a purge request: refused with a reason that JSON can carry, or within the limits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using edge::cache::PurgeRequest;
    const auto result = edge::cache::parse_purge_request({reinterpret_cast<const char*>(data), size});
    if (!result.request) {
        if (result.status != 400 && result.status != 413) std::abort();
        if (result.reason.empty() || result.reason.size() > 200) std::abort();
        for (const char c : result.reason) {
            if (c < ' ' || c > '~' || c == '"' || c == '\\') std::abort();
        }
        return 0;
    }
    const PurgeRequest& request = *result.request;
    if (request.tags.size() + request.urls.size() > PurgeRequest::kMaxItems) std::abort();
    if (request.tags.empty() && request.urls.empty() && request.prefix.empty() && !request.all) std::abort();
    for (const auto& tag : request.tags) {
        if (tag.empty()) std::abort();
    }
    return 0;
}
