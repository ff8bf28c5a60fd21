#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "image/job.hpp"

/// Which format a client gets (RFC 9110 section 12.5.1).
namespace edge::image {

/// The formats of a location in the order it prefers them: edge_image_formats. none: not used.
using Formats = std::array<Format, 2>;

/// What was settled about the format before the source is known. Few values, and all that the cache's key
/// needs to know of Accept.
struct Outcome {
    /// What may be sent instead of the original's format, best first; none: nothing (more).
    Formats formats{Format::none, Format::none};
    bool forced = false;    ///< fm= named the format: formats[0], none for the original's
    bool is_page = false;   ///< the client navigates: it names text/html
    bool by_accept = true;  ///< another Accept could have led to another outcome

    bool original() const noexcept { return formats[0] == Format::none; }
};

/// Reads Accept, all its lines. A format counts when it is named itself with a weight above zero, and not
/// less than a wildcard gives to everything else; ranges say nothing about it, since clients that
/// know neither AVIF nor WebP send them too. The higher weight wins, then the location's order.
/// `wanted`: fm=, or nothing. Malformed members are skipped.
Outcome negotiate(std::span<const std::string_view> accept, const Formats& configured,
                  std::optional<Format> wanted) noexcept;

/// "avif,webp", "webp", "original", "=jpeg": for the cache's key.
std::string describe(const Outcome& outcome);

/// What to render a source of this format to. GIF and WebP may be animated: AVIF is no target for them where
/// WebP is allowed.
Format choose_target(const Outcome& outcome, Format source) noexcept;

/// Whether the source itself may go out instead of a result: all browsers show it, or the client asked for
/// this format.
bool may_send_source(const Outcome& outcome, Format source) noexcept;

/// "webp"; empty for none and compatible.
std::string_view name_of(Format format) noexcept;
/// "image/webp"; empty for none and compatible.
std::string_view media_type(Format format) noexcept;
/// By the first bytes of a file (16 are enough); none: no format of these.
Format sniff(std::string_view start) noexcept;

}
