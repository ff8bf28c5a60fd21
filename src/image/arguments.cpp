#include "image/arguments.hpp"

#include <algorithm>
#include <utility>

#include "http/token.hpp"

namespace edge::image {

namespace {

enum class Name : std::uint8_t {
    preset,
    w,
    h,
    dpr,
    fit,
    gravity,
    q,
    fm,
    page,
    bg,
    sig,
    exp,
};

constexpr std::array<std::string_view, 12> kNames{"preset", "w",  "h",    "dpr", "fit", "gravity",
                                                  "q",      "fm", "page", "bg",  "sig", "exp"};

std::optional<Name> name_of_item(std::string_view item, const ArgumentRules& rules) noexcept
{
    std::string_view name = item.substr(0, item.find('='));
    if (!name.starts_with(rules.prefix)) return std::nullopt;
    name.remove_prefix(rules.prefix.size());
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (kNames[i] == name) return static_cast<Name>(i);
    }
    return std::nullopt;
}

/// Calls each(item) for every item between '&', the empty ones too, until it returns false.
template <class F>
void for_each_item(std::string_view query, F&& each)
{
    for (;;) {
        const std::size_t end = query.find('&');
        if (!each(query.substr(0, end)) || end == query.npos) return;
        query.remove_prefix(end + 1);
    }
}

/// "1", "1.5", "0.25": hundredths.
std::optional<std::uint16_t> parse_dpr(std::string_view text) noexcept
{
    const std::size_t point = text.find('.');
    const auto whole = parse_number(text.substr(0, point), 0, 4);
    if (!whole) return std::nullopt;
    std::uint32_t value = *whole * 100;
    if (point != text.npos) {
        const std::string_view digits = text.substr(point + 1);
        if (digits.empty() || digits.size() > 2 || !http::is_digit(digits.front()) ||
            !http::is_digit(digits.back())) {
            return std::nullopt;
        }
        value += static_cast<std::uint32_t>(digits[0] - '0') * 10;
        if (digits.size() == 2) value += static_cast<std::uint32_t>(digits[1] - '0');
    }
    if (value < 25 || value > 400) return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

std::optional<std::uint8_t> hex_digit(char c) noexcept
{
    if (http::is_digit(c)) return static_cast<std::uint8_t>(c - '0');
    const char lower = http::to_lower(c);
    if (lower >= 'a' && lower <= 'f') return static_cast<std::uint8_t>(lower - 'a' + 10);
    return std::nullopt;
}

/// "fff" or "ffffff".
std::optional<std::array<std::uint8_t, 3>> parse_colour(std::string_view text) noexcept
{
    if (text.size() != 3 && text.size() != 6) return std::nullopt;
    std::array<std::uint8_t, 3> colour{};
    const std::size_t each = text.size() / 3;
    for (std::size_t i = 0; i < colour.size(); ++i) {
        const auto high = hex_digit(text[i * each]);
        const auto low = hex_digit(text[i * each + each - 1]);
        if (!high || !low) return std::nullopt;
        colour[i] = static_cast<std::uint8_t>(*high * 16 + *low);
    }
    return colour;
}

std::optional<Format> parse_format(std::string_view text) noexcept
{
    if (text == "avif") return Format::avif;
    if (text == "webp") return Format::webp;
    if (text == "jpeg" || text == "jpg") return Format::jpeg;
    if (text == "png") return Format::png;
    if (text == "original") return Format::none;
    return std::nullopt;
}

/// Sets the argument; otherwise says what would have been right.
template <class Into, class Value>
const char* store(Into& into, Value value, const char* expected)
{
    if (!value) return expected;
    into = *value;
    return nullptr;
}

std::optional<std::uint64_t> parse_seconds(std::string_view text) noexcept
{
    if (text.empty() || text.size() > 12 || !std::all_of(text.begin(), text.end(), http::is_digit))
        return std::nullopt;
    std::uint64_t seconds = 0;
    for (const char c : text) seconds = seconds * 10 + static_cast<std::uint64_t>(c - '0');
    return seconds;
}

const char* take(Arguments& into, Name name, std::string_view value)
{
    switch (name) {
        case Name::preset:
            if (!is_preset_name(value)) return "the name of a preset";
            into.preset = value;
            return nullptr;
        case Name::w:
            return store(into.width, parse_number(value, 1, kMostPixels), "1 to 16384");
        case Name::h:
            return store(into.height, parse_number(value, 1, kMostPixels), "1 to 16384");
        case Name::dpr:
            return store(into.dpr, parse_dpr(value), "0.25 to 4 with at most two decimals");
        case Name::fit:
            return store(into.fit, parse_fit(value), "inside, cover, contain, outside or fill");
        case Name::gravity:
            return store(into.gravity, parse_gravity(value),
                         "center, north, northeast, east, southeast, south, southwest, west, northwest or "
                         "attention");
        case Name::q:
            return store(into.quality, parse_number(value, 1, 100), "1 to 100");
        case Name::fm:
            return store(into.format, parse_format(value), "avif, webp, jpeg, png or original");
        case Name::page:
            return store(into.page, parse_number(value, 0, 9999), "0 to 9999");
        case Name::bg:
            return store(into.background, parse_colour(value), "three or six hexadecimal digits");
        case Name::sig:
            if (value.empty()) return "a signature";
            into.signature = value;
            return nullptr;
        case Name::exp:
            break;
    }
    return store(into.expires, parse_seconds(value), "seconds since 1970");
}

std::string strip(std::string_view query, const ArgumentRules& rules, bool all)
{
    std::string rest;
    rest.reserve(query.size());
    bool first = true, found = false;
    for_each_item(query, [&](std::string_view item) {
        const auto name = name_of_item(item, rules);
        if (name && (all || *name == Name::sig)) {
            found = true;
            return true;
        }
        if (!first) rest += '&';
        rest.append(item);
        first = false;
        return true;
    });
    return found ? rest : std::string{query};
}

bool contains(const std::vector<std::uint32_t>& list, std::uint32_t value) noexcept
{
    return std::find(list.begin(), list.end(), value) != list.end();
}

}

std::variant<Arguments, std::string> parse_arguments(std::string_view query, const ArgumentRules& rules)
{
    Arguments result;
    std::string wrong;
    std::uint32_t seen = 0;
    for_each_item(query, [&](std::string_view item) {
        const auto name = name_of_item(item, rules);
        if (!name) return true;
        result.any = true;
        const std::string_view text = kNames[static_cast<std::size_t>(*name)];
        const std::uint32_t bit = 1U << static_cast<unsigned>(*name);
        if ((seen & bit) != 0) {
            wrong.append(rules.prefix).append(text).append(": given twice");
            return false;
        }
        seen |= bit;
        const std::size_t equals = item.find('=');
        const std::string_view value = equals == item.npos ? std::string_view{} : item.substr(equals + 1);
        if (const char* expected = take(result, *name, value)) {
            wrong.append(rules.prefix).append(text).append(": expected ").append(expected);
            return false;
        }
        return true;
    });
    if (!wrong.empty()) return wrong;
    return result;
}

std::string strip_arguments(std::string_view query, const ArgumentRules& rules)
{
    return strip(query, rules, true);
}

std::string strip_signature(std::string_view query, const ArgumentRules& rules)
{
    return strip(query, rules, false);
}

std::string refuse_unsigned(const Arguments& arguments, const ArgumentRules& rules)
{
    const auto reason = [&](std::string_view name, std::string_view text) {
        return std::string{rules.prefix}.append(name).append(": ").append(text);
    };
    for (const auto& [name, side] : {std::pair{"w", arguments.width}, std::pair{"h", arguments.height}}) {
        if (side && !contains(rules.widths, *side))
            return reason(name, "this size needs a signature or a preset");
    }
    if (arguments.quality) return reason("q", "needs a signature");
    if (arguments.background) return reason("bg", "needs a signature");
    if (arguments.dpr && *arguments.dpr != 100 && *arguments.dpr != 200 && *arguments.dpr != 300)
        return reason("dpr", "other than 1, 2 or 3 needs a signature");
    return {};
}

std::variant<Job, std::string> make_job(const Arguments& arguments, const Presets& presets,
                                        const Quality& usual)
{
    Job job;
    job.quality = usual;
    if (!arguments.preset.empty()) {
        const Preset* preset = presets.find(arguments.preset);
        if (preset == nullptr) return "preset: expected one of " + presets.names();
        job.width = preset->width;
        job.height = preset->height;
        job.fit = preset->fit;
        job.gravity = preset->gravity;
        if (const Quality* quality = presets.quality(preset->quality)) job.quality = *quality;
    }
    if (arguments.width) job.width = *arguments.width;
    if (arguments.height) job.height = *arguments.height;
    if (arguments.fit) job.fit = *arguments.fit;
    if (arguments.gravity) job.gravity = *arguments.gravity;
    if (arguments.dpr) job.dpr = *arguments.dpr;
    if (arguments.quality) {
        const Quality before = job.quality;
        job.quality = quality_like_jpeg(*arguments.quality);
        job.quality.webp_effort = before.webp_effort;
        job.quality.avif_effort = before.avif_effort;
    }
    if (arguments.page) {
        job.page = *arguments.page;
        job.has_page = true;
    }
    if (arguments.background) {
        job.background = *arguments.background;
        job.has_background = true;
    }
    return job;
}

std::string describe(const Job& job)
{
    std::string text;
    const auto number = [&](char name, std::uint32_t value) {
        text.append(1, name).append(std::to_string(value)).append(1, ' ');
    };
    number('w', job.width);
    number('h', job.height);
    number('d', job.dpr);
    text.append(name_of(job.fit)).append(1, ' ').append(name_of(job.gravity)).append(1, ' ');
    number('j', job.quality.jpeg);
    number('W', job.quality.webp);
    number('A', job.quality.avif);
    number('e', job.quality.webp_effort);
    number('E', job.quality.avif_effort);
    if (job.quality.webp_lossless) text.append("lossless ");
    if (job.has_page) number('p', job.page);
    if (job.has_background) {
        for (const std::uint8_t part : job.background) number('b', part);
    }
    if (job.enlarge) text.append("enlarge ");
    if (!job.animate) text.append("still ");
    if (job.keep_copyright) text.append("copyright ");
    if (job.allow_truncated) text.append("truncated ");
    if (!job.progressive) text.append("baseline ");
    number('r', static_cast<std::uint32_t>(job.range));
    if (job.range == Range::fixed)
        text.append(std::to_string(job.range_low)).append(1, '-').append(std::to_string(job.range_high));
    return text;
}

}
