#include "image/negotiate.hpp"

#include <algorithm>

#include "http/list.hpp"
#include "http/token.hpp"

namespace edge::image {

namespace {

/// A weight in thousandths (RFC 9110 section 12.4.2); nothing when malformed.
std::optional<int> parse_weight(std::string_view text) noexcept
{
    if (text.empty() || (text[0] != '0' && text[0] != '1') || text.size() > 5) return std::nullopt;
    int weight = (text[0] - '0') * 1000;
    if (text.size() == 1) return weight;
    if (text[1] != '.') return std::nullopt;
    int scale = 100;
    for (const char c : text.substr(2)) {
        if (!http::is_digit(c)) return std::nullopt;
        weight += (c - '0') * scale;
        scale /= 10;
    }
    return weight <= 1000 ? std::optional{weight} : std::nullopt;
}

struct Member {
    std::string_view type;
    int weight = 1000;
};

std::optional<Member> parse_member(std::string_view text) noexcept
{
    Member member;
    std::size_t semicolon = text.find(';');
    member.type = http::trim(text.substr(0, semicolon));
    while (semicolon != text.npos) {
        text.remove_prefix(semicolon + 1);
        semicolon = text.find(';');
        const std::string_view parameter = http::trim(text.substr(0, semicolon));
        if (parameter.size() < 2 || http::to_lower(parameter[0]) != 'q' || parameter[1] != '=') continue;
        const auto weight = parse_weight(parameter.substr(2));
        if (!weight) return std::nullopt;
        member.weight = *weight;
    }
    return member;
}

/// Weights that Accept gives, -1: not named.
struct Weights {
    std::array<int, 2> formats{-1, -1};
    int images = -1;
    int anything = -1;
    bool page = false;
};

void weigh(std::string_view accept, const Formats& configured, Weights& weights) noexcept
{
    http::ListCursor list{accept};
    while (const auto text = list.next()) {
        const auto member = parse_member(*text);
        if (!member) continue;
        if (http::equal_fold(member->type, "*/*")) weights.anything = member->weight;
        if (http::equal_fold(member->type, "image/*")) weights.images = member->weight;
        if (http::equal_fold(member->type, "text/html") && member->weight > 0) weights.page = true;
        for (std::size_t i = 0; i < configured.size(); ++i) {
            if (configured[i] != Format::none && http::equal_fold(member->type, media_type(configured[i])))
                weights.formats[i] = member->weight;
        }
    }
}

}

Outcome negotiate(std::span<const std::string_view> accept, const Formats& configured,
                  std::optional<Format> wanted) noexcept
{
    Outcome outcome;
    Weights weights;
    for (const std::string_view line : accept) weigh(line, configured, weights);
    outcome.is_page = weights.page;
    if (wanted) {
        outcome.formats[0] = *wanted;
        outcome.forced = true;
        outcome.by_accept = false;
        return outcome;
    }
    outcome.by_accept = configured[0] != Format::none;
    const int others = weights.images >= 0 ? weights.images : weights.anything;
    std::array<std::size_t, 2> order{0, 1};
    if (weights.formats[1] > weights.formats[0]) std::swap(order[0], order[1]);
    std::size_t count = 0;
    for (const std::size_t i : order) {
        if (weights.formats[i] > 0 && weights.formats[i] >= others) outcome.formats[count++] = configured[i];
    }
    return outcome;
}

std::string describe(const Outcome& outcome)
{
    std::string text = outcome.forced ? "=" : "";
    if (outcome.original()) return text.append("original");
    text.append(name_of(outcome.formats[0]));
    if (outcome.formats[1] != Format::none) text.append(",").append(name_of(outcome.formats[1]));
    return text;
}

Format choose_target(const Outcome& outcome, Format source) noexcept
{
    if (outcome.original()) return Format::compatible;
    const bool may_move = source == Format::gif || source == Format::webp;
    if (may_move && outcome.formats[0] == Format::avif && outcome.formats[1] == Format::webp)
        return Format::webp;
    return outcome.formats[0];
}

bool may_send_source(const Outcome& outcome, Format source) noexcept
{
    if (outcome.forced) return source != Format::none && (outcome.original() || source == outcome.formats[0]);
    return source == Format::jpeg || source == Format::png || source == Format::gif ||
           (source != Format::none &&
            std::find(outcome.formats.begin(), outcome.formats.end(), source) != outcome.formats.end());
}

std::string_view name_of(Format format) noexcept
{
    const std::string_view type = media_type(format);
    return type.empty() ? type : type.substr(6);
}

std::string_view media_type(Format format) noexcept
{
    switch (format) {
        case Format::jpeg:
            return "image/jpeg";
        case Format::png:
            return "image/png";
        case Format::webp:
            return "image/webp";
        case Format::avif:
            return "image/avif";
        case Format::gif:
            return "image/gif";
        case Format::tiff:
            return "image/tiff";
        case Format::bmp:
            return "image/bmp";
        case Format::heic:
            return "image/heic";
        case Format::none:
        case Format::compatible:
            break;
    }
    return {};
}

Format sniff(std::string_view start) noexcept
{
    using namespace std::string_view_literals;
    if (start.starts_with("\xff\xd8\xff"sv)) return Format::jpeg;
    if (start.starts_with("\x89PNG\r\n\x1a\n"sv)) return Format::png;
    if (start.starts_with("GIF87a"sv) || start.starts_with("GIF89a"sv)) return Format::gif;
    if (start.starts_with("II*\0"sv) || start.starts_with("MM\0*"sv) || start.starts_with("II+\0"sv) ||
        start.starts_with("MM\0+"sv)) {
        return Format::tiff;
    }
    if (start.starts_with("BM"sv) && start.size() >= 14) return Format::bmp;
    if (start.size() < 12) return Format::none;
    if (start.starts_with("RIFF"sv) && start.substr(8, 4) == "WEBP") return Format::webp;
    if (start.substr(4, 4) != "ftyp") return Format::none;
    const std::string_view brand = start.substr(8, 4);
    if (brand == "avif" || brand == "avis") return Format::avif;
    if (brand == "heic" || brand == "heix" || brand == "mif1" || brand == "msf1" || brand == "hevc")
        return Format::heic;
    return Format::none;
}

}
