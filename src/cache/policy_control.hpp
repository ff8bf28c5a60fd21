#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/policy.hpp"

/// The response directives a shared cache goes by, read from Cache-Control or the targeted field that
/// replaces it. Used inside the policy only.
namespace edge::cache {

/// A directive whose argument is delta-seconds. Invalid text, or two occurrences that differ, leave doubt:
/// the response then counts as stale (RFC 9111 section 4.2.1).
struct Delta {
    bool present = false;
    bool doubtful = false;
    std::uint32_t first = 0;

    void add(std::optional<std::uint32_t> seconds) noexcept;
    std::uint32_t value() const noexcept { return doubtful ? 0 : first; }
    bool valid() const noexcept { return present && !doubtful; }
};

struct ResponseControl {
    Delta max_age;
    Delta s_maxage;
    Delta stale_while_revalidate;
    Delta stale_if_error;
    bool no_store = false;
    bool no_cache = false;  ///< the unqualified form
    bool for_one = false;   ///< private, the unqualified form
    bool must_revalidate = false;
    bool proxy_revalidate = false;
    bool must_understand = false;
    bool is_public = false;
    bool authorization = false;  ///< one of the directives of section 3.5 is given, well formed
    bool unreadable = false;     ///< a quoted string without end hides directives
    bool targeted = false;       ///< read from a targeted field: Cache-Control and Expires do not exist
    std::vector<std::string> withheld;  ///< lower case: fields named by no-cache="…" and private="…"
};

/// RFC 9213 section 2.2: the first targeted field with a valid value, else Cache-Control with Pragma behind
/// it.
ResponseControl read_control(http::Fields response, const PolicyConfig& config);

}
