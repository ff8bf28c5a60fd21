#include "websocket/extension.hpp"

#include <algorithm>

#include "http/token.hpp"

namespace edge::websocket {

namespace {

constexpr std::string_view kDeflate = "permessage-deflate";
constexpr std::string_view kServerNoContext = "server_no_context_takeover";
constexpr std::string_view kClientNoContext = "client_no_context_takeover";
constexpr std::string_view kServerBits = "server_max_window_bits";
constexpr std::string_view kClientBits = "client_max_window_bits";

constexpr std::size_t kMostItems = 64;

/// Reads the field from the front. Each read skips the white space before it.
class Reader {
public:
    explicit Reader(std::string_view text) noexcept : rest_{text} {}

    bool take(char c) noexcept
    {
        skip();
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool at_end() noexcept
    {
        skip();
        return rest_.empty();
    }
    /// Empty: no token is next.
    std::string_view token() noexcept
    {
        skip();
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), http::is_tchar);
        const std::string_view token = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(token.size());
        return token;
    }
    /// What a quoted string says, whose opening quote was taken; it has to be a token (RFC 6455 section 9.1).
    std::optional<std::string> quoted_token()
    {
        std::string value;
        while (!rest_.empty() && rest_.front() != '"') {
            if (rest_.front() == '\\') rest_.remove_prefix(1);
            if (rest_.empty() || !http::is_tchar(rest_.front())) return std::nullopt;
            value += rest_.front();
            rest_.remove_prefix(1);
        }
        if (rest_.empty() || value.empty()) return std::nullopt;
        rest_.remove_prefix(1);
        return value;
    }

private:
    void skip() noexcept
    {
        while (!rest_.empty() && http::is_space(rest_.front())) rest_.remove_prefix(1);
    }
    std::string_view rest_;
};

std::optional<ExtensionParameter> read_parameter(Reader& reader)
{
    ExtensionParameter parameter{std::string{reader.token()}, {}};
    if (parameter.name.empty()) return std::nullopt;
    if (!reader.take('=')) return parameter;
    if (reader.take('"')) {
        parameter.value = reader.quoted_token();
        if (!parameter.value) return std::nullopt;
    } else {
        parameter.value = reader.token();
        if (parameter.value->empty()) return std::nullopt;
    }
    return parameter;
}

/// permessage-deflate's parameters as one side wrote them.
struct Written {
    bool server_no_context = false;
    bool client_no_context = false;
    std::optional<std::uint8_t> server_bits;
    bool client_bits_named = false;
    std::optional<std::uint8_t> client_bits;
};

// A decimal number from 8 to 15 without leading zero.
std::optional<std::uint8_t> window_bits(const std::string& value) noexcept
{
    if (value == "8" || value == "9") return static_cast<std::uint8_t>(value[0] - '0');
    if (value.size() != 2 || value[0] != '1' || value[1] < '0' || value[1] > '5') return std::nullopt;
    return static_cast<std::uint8_t>(10 + value[1] - '0');
}

bool read_flag(bool& flag, const ExtensionParameter& parameter) noexcept
{
    if (flag || parameter.value) return false;
    flag = true;
    return true;
}

bool read_bits(std::optional<std::uint8_t>& bits, const ExtensionParameter& parameter) noexcept
{
    if (bits || !parameter.value) return false;
    bits = window_bits(*parameter.value);
    return bits.has_value();
}

// nullopt: unknown, repeated or ill-valued parameters (RFC 7692 section 7.1). Only an offer may name
// client_max_window_bits without a value (7.1.2.2).
std::optional<Written> read_deflate(const Extension& extension, bool is_offer) noexcept
{
    Written written;
    for (const ExtensionParameter& parameter : extension.parameters) {
        bool good = false;
        if (parameter.name == kServerNoContext) {
            good = read_flag(written.server_no_context, parameter);
        } else if (parameter.name == kClientNoContext) {
            good = read_flag(written.client_no_context, parameter);
        } else if (parameter.name == kServerBits) {
            good = read_bits(written.server_bits, parameter);
        } else if (parameter.name == kClientBits && !written.client_bits_named) {
            written.client_bits_named = true;
            good = (is_offer && !parameter.value) || read_bits(written.client_bits, parameter);
        }
        if (!good) return std::nullopt;
    }
    return written;
}

std::uint8_t within_bits(std::uint8_t bits) noexcept
{
    return std::clamp<std::uint8_t>(bits, 9, 15);
}

DeflateAgreement accept(const Written& offer, const DeflateWishes& wishes)
{
    DeflateAgreement agreed{{}, std::string{kDeflate}};
    DeflateParameters& parameters = agreed.parameters;
    const auto say = [&](std::string_view name) { agreed.response.append("; ").append(name); };

    parameters.server_context_takeover = wishes.server_context_takeover && !offer.server_no_context;
    if (!parameters.server_context_takeover) say(kServerNoContext);
    parameters.client_context_takeover = wishes.client_context_takeover && !offer.client_no_context;
    if (!parameters.client_context_takeover) say(kClientNoContext);

    // A smaller window than the client expects needs no word; it may have offered none because it knows none.
    parameters.server_max_window_bits =
        std::min(within_bits(wishes.server_window_bits), offer.server_bits.value_or(15));
    if (offer.server_bits) {
        say(kServerBits);
        agreed.response.append("=").append(std::to_string(parameters.server_max_window_bits));
    }
    if (offer.client_bits_named) {
        parameters.client_max_window_bits =
            std::min(within_bits(wishes.client_window_bits), offer.client_bits.value_or(15));
        if (parameters.client_max_window_bits < 15) {
            say(kClientBits);
            agreed.response.append("=").append(std::to_string(parameters.client_max_window_bits));
        }
    }
    return agreed;
}

}

std::optional<std::vector<Extension>> parse_extensions(std::string_view value)
{
    std::vector<Extension> extensions;
    Reader reader{value};
    std::size_t items = 0;
    while (!reader.at_end()) {
        if (reader.take(',')) continue;  // an empty member (RFC 9110 section 5.6.1)
        Extension& extension = extensions.emplace_back(Extension{std::string{reader.token()}, {}});
        if (extension.name.empty() || ++items > kMostItems) return std::nullopt;
        while (reader.take(';')) {
            auto parameter = read_parameter(reader);
            if (!parameter || ++items > kMostItems) return std::nullopt;
            extension.parameters.push_back(std::move(*parameter));
        }
        if (!reader.at_end() && !reader.take(',')) return std::nullopt;
    }
    return extensions;
}

std::optional<DeflateAgreement> negotiate_deflate(std::string_view offers, const DeflateWishes& wishes)
{
    const auto extensions = parse_extensions(offers);
    if (!extensions) return std::nullopt;
    for (const Extension& extension : *extensions) {
        if (extension.name != kDeflate) continue;
        if (const auto offer = read_deflate(extension, true)) return accept(*offer, wishes);
    }
    return std::nullopt;
}

UpstreamAnswer parse_upstream_answer(std::string_view value)
{
    const auto extensions = parse_extensions(value);
    if (!extensions) return {UpstreamAnswer::Kind::other, {}};
    if (extensions->empty()) return {};
    if (extensions->size() > 1 || extensions->front().name != kDeflate)
        return {UpstreamAnswer::Kind::other, {}};
    const auto answer = read_deflate(extensions->front(), false);
    if (!answer) return {UpstreamAnswer::Kind::other, {}};
    return {UpstreamAnswer::Kind::deflate,
            {.server_context_takeover = !answer->server_no_context,
             .client_context_takeover = !answer->client_no_context,
             .server_max_window_bits = answer->server_bits.value_or(15),
             .client_max_window_bits = answer->client_bits.value_or(15)}};
}

}
