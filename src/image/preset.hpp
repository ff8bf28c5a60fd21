#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "image/job.hpp"

/// Named sizes and named qualities: those that come ready, and those of the configuration.
namespace edge::image {

/// How much may be lost. The numbers of the three formats look alike to the eye; they are not equal.
struct NamedQuality {
    std::string name;
    Quality quality;
};

/// What edge_image_preset says, or one of the ready presets.
struct Preset {
    std::string name;
    std::uint32_t width = 0;  ///< CSS pixels; 0: not said
    std::uint32_t height = 0;
    Fit fit = Fit::inside;
    Gravity gravity = Gravity::center;
    std::string quality = "thumbnail";  ///< the name of a quality
};

/// The presets and qualities a location knows. Later ones replace earlier ones of the same name.
class Presets {
public:
    /// With sm, md, lg, xl (150, 300, 600, 1200, square, cover) and the qualities scientific, balanced,
    /// thumbnail.
    Presets();

    void add(Preset preset);
    void add(NamedQuality quality);
    const Preset* find(std::string_view name) const noexcept;
    const Quality* quality(std::string_view name) const noexcept;
    /// "lg, md, sm, xl": for error messages.
    std::string names() const;
    std::string quality_names() const;

private:
    std::vector<Preset> presets_;
    std::vector<NamedQuality> qualities_;
};

/// The numbers of all formats that look like JPEG's `jpeg` (1 … 100).
Quality quality_like_jpeg(std::uint8_t jpeg) noexcept;

/// From the words of edge_image_preset after the name: "300x200", "300x", "x200", a fit, a gravity and, what
/// is none of these, the name of a quality, which may not be known yet; each once. A text says what is wrong.
/// Throws std::bad_alloc.
std::variant<Preset, std::string> parse_preset(std::string_view name,
                                               const std::vector<std::string_view>& words);

/// From the words of edge_image_quality after the name: jpeg=80 webp=82 avif=60, and effort numbers
/// webp_effort=4 avif_effort=1; what is not said follows from jpeg=. A text says what is wrong.
std::variant<NamedQuality, std::string> parse_quality(std::string_view name,
                                                      const std::vector<std::string_view>& words);

/// A name of a preset or a quality: letters, digits, '-' and '_', at most 32.
bool is_preset_name(std::string_view name) noexcept;

std::optional<Fit> parse_fit(std::string_view text) noexcept;
std::optional<Gravity> parse_gravity(std::string_view text) noexcept;
std::string_view name_of(Fit fit) noexcept;
std::string_view name_of(Gravity gravity) noexcept;

/// A decimal number from `least` to `most` without sign, white space or leading zeros.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t least,
                                          std::uint32_t most) noexcept;

inline constexpr std::uint32_t kMostPixels = 16384;  ///< of a width or height, in CSS pixels

}
