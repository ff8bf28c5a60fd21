#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edge::http {

/// A set of media types (RFC 9110 section 8.3.1), each with at most one `*`, which stands for anything:
/// text/html, text/*, application/*+json, *.
class MediaTypes {
public:
    /// false: no media type, or more than one `*`; nothing is added then.
    bool add(std::string_view pattern);
    /// `content_type`: the field's value, parameters are not looked at.
    bool contains(std::string_view content_type) const noexcept;
    bool empty() const noexcept { return patterns_.empty(); }

private:
    struct Pattern {
        std::string before, after;  ///< lower case; of the `*`
        bool whole;                 ///< there is none: `before` is all
    };
    std::vector<Pattern> patterns_;
};

}
