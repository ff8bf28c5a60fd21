#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/field.hpp"

namespace edge::http {

/// The request fields a response was selected by (RFC 9110 section 12.5.5, RFC 9111 section 4.1).
struct Vary {
    bool star = false;               ///< `Vary: *`, alone or in a list: matches no later request
    std::vector<std::string> names;  ///< lower case, sorted, each once
};

/// Joins all Vary lines. Members that are not tokens make it `star`: when in doubt nothing matches.
Vary parse_vary(Fields response);

/// The text two requests share exactly when they match on `names`: for each name, whether it is present and
/// its value normalised as 4.1 permits (lines joined, white space around list members folded; for Accept,
/// Accept-Encoding, Accept-Language and Accept-Charset also case and order of members of equal weight where
/// this cannot change their meaning). Names and values are length-prefixed: no two different inputs share a
/// text.
std::string secondary_key(const std::vector<std::string>& names, Fields request);

}
