#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "image/preset.hpp"

/// The edge's own arguments in a query: what a client wants of an image.
namespace edge::image {

/// Names and bounds of a location: edge_image_args.
struct ArgumentRules {
    std::string prefix;                 ///< before each name: "e_" makes w e_w
    std::vector<std::uint32_t> widths;  ///< what w and h may be without a signature
};

/// What the query says; std::nullopt and empty: nothing. Views point into the query.
struct Arguments {
    std::string_view preset;
    std::optional<std::uint32_t> width, height;
    std::optional<std::uint16_t> dpr;  ///< hundredths
    std::optional<Fit> fit;
    std::optional<Gravity> gravity;
    std::optional<std::uint8_t> quality;  ///< on JPEG's scale
    std::optional<Format> format;         ///< none: the original's
    std::optional<std::uint16_t> page;
    std::optional<std::array<std::uint8_t, 3>> background;
    std::string_view signature;            ///< sig, as sent
    std::optional<std::uint64_t> expires;  ///< exp: seconds since 1970
    bool any = false;                      ///< there is at least one argument of ours

    /// Whether anything else than the format is asked for.
    bool changes() const noexcept
    {
        return !preset.empty() || width || height || dpr || fit || gravity || quality || page || background;
    }
};

/// A text is the reason of the 400, without the query's own words but for names. Each argument may stand
/// once. A query without any of ours is never refused. Values are taken as sent: none of them needs
/// percent-encoding. Throws std::bad_alloc.
std::variant<Arguments, std::string> parse_arguments(std::string_view query, const ArgumentRules& rules);

/// The query without our arguments, as the origin is to see it: the others stay as they are and in order. A
/// query without ours is returned unchanged. Throws std::bad_alloc.
std::string strip_arguments(std::string_view query, const ArgumentRules& rules);
/// The query without the signature alone: what is signed.
std::string strip_signature(std::string_view query, const ArgumentRules& rules);

/// Why somebody without a valid signature may not ask for this; empty: he may. Presets may be asked for in
/// every page and format and for displays of one, two and three device pixels; sizes of `rules.widths` alone.
std::string refuse_unsigned(const Arguments& arguments, const ArgumentRules& rules);

/// The job the arguments describe, but for target, limits and what the configuration says besides. A text:
/// there is no such preset. `usual`: the quality when neither preset nor q name one.
std::variant<Job, std::string> make_job(const Arguments& arguments, const Presets& presets,
                                        const Quality& usual);

/// All of the job that shapes the result, in one text without control characters: equal texts, equal
/// results. The target is not in it.
std::string describe(const Job& job);

}
