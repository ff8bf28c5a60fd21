#pragma once

#include <array>
#include <cstddef>
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

/// Remembers how single values of selecting fields were normalised, so that the few that most requests carry
/// are not taken apart again. Bounded: 64 values of at most 256 bytes, a newer one takes the place of an
/// older. One thread only.
class NormalisedValues {
public:
    /// The text kept for this field and value; nullptr: none. Valid until the next keep().
    const std::string* find(std::string_view name, std::string_view value) const noexcept;
    void keep(std::string_view name, std::string_view value, std::string_view text);

private:
    struct Kept {
        std::string name, value, text;
    };
    static constexpr std::size_t kPlaces = 64;
    static constexpr std::size_t kLongest = 256;
    static std::size_t place(std::string_view name, std::string_view value) noexcept;
    std::array<Kept, kPlaces> kept_;
};

/// secondary_key() behind what `key` holds already. `known` (may be nullptr) is used and added to.
void append_secondary_key(std::string& key, const std::vector<std::string>& names, Fields request,
                          NormalisedValues* known);

}
