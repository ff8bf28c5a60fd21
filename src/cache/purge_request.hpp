#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a purge request asks for in JSON, and its answer.
namespace edge::cache {

/// {"tags": ["…"], "urls": ["…"], "prefix": "/x/", "all": true, "soft": true}: at least one of the first
/// four.
struct PurgeRequest {
    static constexpr std::size_t kMaxBytes = 1024 * 1024;  ///< of the text
    static constexpr std::size_t kMaxItems = 4096;         ///< tags and urls together
    std::vector<std::string> tags;                         ///< not empty; UTF-8, any characters
    std::vector<std::string> urls;                         ///< begin with "/", "http://" or "https://"
    std::string prefix;                                    ///< the same; empty: none
    bool all = false;
    bool soft = false;
};

/// A PurgeRequest, or why there is none.
struct PurgeRequestResult {
    std::optional<PurgeRequest> request;
    unsigned status = 200;  ///< 400, or 413 for too much
    std::string reason;     ///< plain ASCII without quotes or backslashes; goes into JSON as it is
};

/// Strict RFC 8259: one object of known members, each once, of the right type and well-formed UTF-8. Throws
/// std::bad_alloc.
PurgeRequestResult parse_purge_request(std::string_view text);

/// `text` as a JSON string with its quotes; what is not printable ASCII reads "?".
std::string plain_json_string(std::string_view text);

}
