#include "image/preset.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "http/token.hpp"

namespace edge::image {

namespace {

constexpr std::array<std::pair<std::string_view, Fit>, 5> kFits{{{"inside", Fit::inside},
                                                                 {"cover", Fit::cover},
                                                                 {"contain", Fit::contain},
                                                                 {"outside", Fit::outside},
                                                                 {"fill", Fit::fill}}};

constexpr std::array<std::pair<std::string_view, Gravity>, 10> kGravities{
    {{"center", Gravity::center},
     {"north", Gravity::north},
     {"northeast", Gravity::northeast},
     {"east", Gravity::east},
     {"southeast", Gravity::southeast},
     {"south", Gravity::south},
     {"southwest", Gravity::southwest},
     {"west", Gravity::west},
     {"northwest", Gravity::northwest},
     {"attention", Gravity::attention}}};

template <class Table>
auto lookup(const Table& table, std::string_view text) noexcept
{
    using Value = decltype(table[0].second);
    for (const auto& [name, value] : table) {
        if (name == text) return std::optional<Value>{value};
    }
    return std::optional<Value>{};
}

template <class Table, class Value>
std::string_view name_in(const Table& table, Value value) noexcept
{
    for (const auto& [name, known] : table) {
        if (known == value) return name;
    }
    return {};
}

/// What looks like a JPEG of that quality; between the rows in a straight line. Measured on photographs by
/// scripts/bench image --parts quality, as the mean over pictures of 300, 600 and 1200 pixels, which differ:
/// for 80 it is WebP 76, 80 and 83, AVIF 49, 54 and 58 by DSSIM, WebP 82, 84 and 86, AVIF 49, 52 and 57 by
/// the measure over five scales, WebP 77, 81 and 84, AVIF 54, 57 and 61 by SSIMULACRA: the greatest mean of
/// the three is here. WebP, whose colours are always at half the resolution, does not come up to 95.
struct Alike {
    std::uint8_t jpeg, webp, avif;
};
constexpr std::array<Alike, 7> kAlike{
    {{1, 1, 1}, {40, 48, 30}, {60, 68, 44}, {80, 84, 57}, {85, 87, 62}, {95, 98, 93}, {100, 100, 100}}};

std::uint8_t between(std::uint8_t x, std::uint8_t x0, std::uint8_t x1, std::uint8_t y0,
                     std::uint8_t y1) noexcept
{
    const int span = x1 - x0;
    return static_cast<std::uint8_t>(y0 + ((x - x0) * (y1 - y0) + span / 2) / span);
}

/// "300x200", "300x" or "x200".
bool parse_size(std::string_view word, Preset& preset) noexcept
{
    const std::size_t x = word.find('x');
    if (x == word.npos || word.size() < 2) return false;
    const auto side = [](std::string_view text, std::uint32_t& into) {
        if (text.empty()) return true;
        const auto pixels = parse_number(text, 1, kMostPixels);
        into = pixels.value_or(0);
        return pixels.has_value();
    };
    return side(word.substr(0, x), preset.width) && side(word.substr(x + 1), preset.height);
}

template <class List>
std::string names_of(const List& list)
{
    std::vector<std::string_view> names;
    for (const auto& entry : list) names.push_back(entry.name);
    std::sort(names.begin(), names.end());
    std::string text;
    for (const std::string_view name : names) text.append(text.empty() ? "" : ", ").append(name);
    return text;
}

template <class List, class Entry>
void put(List& list, Entry entry)
{
    for (auto& known : list) {
        if (known.name == entry.name) {
            known = std::move(entry);
            return;
        }
    }
    list.push_back(std::move(entry));
}

}

std::optional<Fit> parse_fit(std::string_view text) noexcept
{
    return lookup(kFits, text);
}

std::optional<Gravity> parse_gravity(std::string_view text) noexcept
{
    return lookup(kGravities, text);
}

std::string_view name_of(Fit fit) noexcept
{
    return name_in(kFits, fit);
}

std::string_view name_of(Gravity gravity) noexcept
{
    return name_in(kGravities, gravity);
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t least,
                                          std::uint32_t most) noexcept
{
    if (text.empty() || text.size() > 9 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    std::uint32_t value = 0;
    for (const char c : text) {
        if (!http::is_digit(c)) return std::nullopt;
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (value < least || value > most) return std::nullopt;
    return value;
}

bool is_preset_name(std::string_view name) noexcept
{
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return http::is_alpha(c) || http::is_digit(c) || c == '-' || c == '_';
    });
}

Quality quality_like_jpeg(std::uint8_t jpeg) noexcept
{
    jpeg = std::clamp<std::uint8_t>(jpeg, 1, 100);
    std::size_t row = 1;
    while (kAlike[row].jpeg < jpeg) ++row;
    const Alike &low = kAlike[row - 1], &high = kAlike[row];
    Quality quality;
    quality.jpeg = jpeg;
    quality.webp = between(jpeg, low.jpeg, high.jpeg, low.webp, high.webp);
    quality.avif = between(jpeg, low.jpeg, high.jpeg, low.avif, high.avif);
    return quality;
}

Presets::Presets()
{
    add(NamedQuality{"scientific", quality_like_jpeg(95)});
    add(NamedQuality{"balanced", quality_like_jpeg(85)});
    add(NamedQuality{"thumbnail", quality_like_jpeg(80)});
    constexpr std::array<std::pair<const char*, std::uint32_t>, 4> kReady{
        {{"sm", 150}, {"md", 300}, {"lg", 600}, {"xl", 1200}}};
    for (const auto& [name, side] : kReady) {
        add(Preset{
            .name = name, .width = side, .height = side, .fit = Fit::cover, .gravity = Gravity::center});
    }
}

void Presets::add(Preset preset)
{
    put(presets_, std::move(preset));
}

void Presets::add(NamedQuality quality)
{
    put(qualities_, std::move(quality));
}

const Preset* Presets::find(std::string_view name) const noexcept
{
    for (const Preset& preset : presets_) {
        if (preset.name == name) return &preset;
    }
    return nullptr;
}

const Quality* Presets::quality(std::string_view name) const noexcept
{
    for (const NamedQuality& known : qualities_) {
        if (known.name == name) return &known.quality;
    }
    return nullptr;
}

std::string Presets::names() const
{
    return names_of(presets_);
}

std::string Presets::quality_names() const
{
    return names_of(qualities_);
}

std::variant<Preset, std::string> parse_preset(std::string_view name,
                                               const std::vector<std::string_view>& words)
{
    if (!is_preset_name(name))
        return "the name \"" + std::string{name} + "\" may have letters, digits, \"-\" and \"_\", at most 32";
    Preset preset{.name = std::string{name}};
    bool size = false, fit = false, gravity = false, quality = false;
    for (const std::string_view word : words) {
        bool* seen = nullptr;
        if (parse_size(word, preset)) {
            seen = &size;
        } else if (const auto wanted_fit = parse_fit(word)) {
            preset.fit = *wanted_fit;
            seen = &fit;
        } else if (const auto wanted_gravity = parse_gravity(word)) {
            preset.gravity = *wanted_gravity;
            seen = &gravity;
        } else if (is_preset_name(word) && !http::is_digit(word.front())) {
            preset.quality = word;
            seen = &quality;
        } else {
            return "unexpected \"" + std::string{word} +
                   "\", expected a size as 300x200, 300x or x200, a fit (inside, cover, contain, outside, "
                   "fill), a gravity or the name of a quality";
        }
        if (*seen) return "\"" + std::string{word} + "\" says a second time what was said";
        *seen = true;
    }
    if (!size && !quality) return "expected a size, as 300x200, 300x or x200, or a quality";
    return preset;
}

std::variant<NamedQuality, std::string> parse_quality(std::string_view name,
                                                      const std::vector<std::string_view>& words)
{
    if (!is_preset_name(name))
        return "the name \"" + std::string{name} + "\" may have letters, digits, \"-\" and \"_\", at most 32";
    struct Number {
        std::string_view name;
        std::uint32_t least, most;
        std::uint8_t Quality::*member;
        bool said = false;
        std::uint8_t value = 0;
    };
    std::array<Number, 5> numbers{{{"jpeg", 1, 100, &Quality::jpeg},
                                   {"webp", 1, 100, &Quality::webp},
                                   {"avif", 1, 100, &Quality::avif},
                                   {"webp_effort", 0, 6, &Quality::webp_effort},
                                   {"avif_effort", 0, 9, &Quality::avif_effort}}};
    for (const std::string_view word : words) {
        const std::size_t equals = word.find('=');
        const auto number = std::find_if(numbers.begin(), numbers.end(), [&](const Number& candidate) {
            return candidate.name == word.substr(0, equals);
        });
        if (equals == word.npos || number == numbers.end())
            return "unexpected \"" + std::string{word} +
                   "\", expected jpeg=, webp=, avif=, webp_effort= or avif_effort=";
        const auto value = parse_number(word.substr(equals + 1), number->least, number->most);
        if (!value || number->said)
            return "invalid \"" + std::string{word} + "\", expected " + std::string{number->name} + "=" +
                   std::to_string(number->least) + " to " + std::to_string(number->most) + ", once";
        number->said = true;
        number->value = static_cast<std::uint8_t>(*value);
    }
    if (!numbers[0].said) return "expected jpeg=1 to jpeg=100; the other formats follow from it";
    NamedQuality result{std::string{name}, quality_like_jpeg(numbers[0].value)};
    for (const Number& number : numbers) {
        if (number.said) result.quality.*number.member = number.value;
    }
    return result;
}

}
