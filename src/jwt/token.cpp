#include "jwt/token.hpp"

#include <charconv>
#include <optional>

#include "http/json.hpp"
#include "http/token.hpp"
#include "jwt/base64url.hpp"

namespace edge::jwt {

namespace {

using http::JsonValue;

constexpr std::size_t kMostTried = 8;              // signatures, for one token
constexpr std::int64_t kLatest = 253'402'300'799;  // the year 9999

/// A NumericDate (RFC 7519 section 2), cut to whole seconds. std::nullopt: no number, negative, in exponent
/// form, or beyond the year 9999.
std::optional<std::int64_t> parse_time(const JsonValue& value)
{
    if (!value.is(JsonValue::Kind::number)) return std::nullopt;
    std::string_view text = value.text;
    if (text.find_first_of("eE-") != text.npos) return std::nullopt;
    text = text.substr(0, text.find('.'));
    std::int64_t seconds = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || seconds > kLatest)
        return std::nullopt;
    return seconds;
}

/// A time that may be absent.
struct Time {
    bool wrong = false;
    std::optional<std::int64_t> seconds;
};

Time time_claim(const JsonValue& claims, std::string_view name)
{
    const JsonValue* value = claims.find(name);
    if (value == nullptr) return {};
    Time time{.wrong = false, .seconds = parse_time(*value)};
    time.wrong = !time.seconds;
    return time;
}

void append(std::string& out, std::string_view text)
{
    out.append(std::to_string(text.size())).append(1, ':').append(text);
}

bool append_audience(std::string& out, const JsonValue* audience)
{
    if (audience == nullptr) {
        out += '-';
        return true;
    }
    if (audience->is(JsonValue::Kind::string)) {
        out += "1 ";
        append(out, audience->text);
        return audience->text.size() <= kMaxClaim;
    }
    if (!audience->is(JsonValue::Kind::array) || audience->items.size() > kMaxAudiences) return false;
    out.append(std::to_string(audience->items.size())).append(1, ' ');
    for (const JsonValue& item : audience->items) {
        if (!item.is(JsonValue::Kind::string) || item.text.size() > kMaxClaim) return false;
        append(out, item.text);
    }
    return true;
}

std::optional<Identity> identity_of(const JsonValue& payload, std::span<const std::string> claims)
{
    Identity identity;
    const JsonValue* issuer = payload.find("iss");
    if (issuer != nullptr) {
        if (!issuer->is(JsonValue::Kind::string) || issuer->text.size() > kMaxClaim) return std::nullopt;
        append(identity.text, issuer->text);
    } else {
        identity.text += '-';
    }
    if (!append_audience(identity.text, payload.find("aud"))) return std::nullopt;
    for (const std::string& name : claims) {
        const auto value = payload.string(name);
        if (!value || value->empty() || value->size() > kMaxClaim) return std::nullopt;
        append(identity.text, name);
        append(identity.text, *value);
        if (identity.claim.empty()) identity.claim = *value;
    }
    return identity;
}

bool is_jwt_type(const JsonValue& type) noexcept
{
    if (!type.is(JsonValue::Kind::string)) return false;
    for (const std::string_view known : {"JWT", "at+jwt", "application/jwt", "application/at+jwt"}) {
        if (http::equal_fold(type.text, known)) return true;
    }
    return false;
}

struct Header {
    Verdict verdict = Verdict::malformed;
    Algorithm algorithm{};
    std::string kid;
    bool has_kid = false;
};

Header read_header(std::string_view part)
{
    Header header;
    const auto text = decode_base64url(part);
    const auto json = text ? http::parse_json(*text) : std::nullopt;
    if (!json || !json->is(JsonValue::Kind::object)) return header;
    if (json->find("crit") != nullptr || json->find("b64") != nullptr) {
        header.verdict = Verdict::critical;
        return header;
    }
    const auto name = json->string("alg");
    if (!name) return header;
    const auto algorithm = algorithm_of(*name);
    if (!algorithm) {
        header.verdict = Verdict::algorithm;
        return header;
    }
    const JsonValue* type = json->find("typ");
    // A token within a token (RFC 7519 section 5.2) is not one of ours.
    if ((type != nullptr && !is_jwt_type(*type)) || json->find("cty") != nullptr) {
        header.verdict = Verdict::type;
        return header;
    }
    if (const JsonValue* kid = json->find("kid"); kid != nullptr) {
        if (!kid->is(JsonValue::Kind::string)) return header;
        header.kid = kid->text;
        header.has_kid = true;
    }
    header.algorithm = *algorithm;
    header.verdict = Verdict::valid;
    return header;
}

Verdict check_signature(const Header& header, const KeySet& keys, std::string_view text,
                        std::string_view signature)
{
    std::size_t tried = 0;
    for (const Key& key : keys.keys) {
        if (!key.fits(header.algorithm)) continue;
        if (header.has_kid && !key.id.empty() && key.id != header.kid) continue;
        if (++tried > kMostTried) break;
        if (key.verifies(header.algorithm, text, signature)) return Verdict::valid;
    }
    return tried == 0 ? Verdict::key : Verdict::signature;
}

}

std::string_view verdict_name(Verdict verdict) noexcept
{
    switch (verdict) {
        case Verdict::valid:
            return "valid";
        case Verdict::absent:
            return "absent";
        case Verdict::too_large:
            return "too-large";
        case Verdict::malformed:
            return "malformed";
        case Verdict::algorithm:
            return "algorithm";
        case Verdict::critical:
            return "critical";
        case Verdict::type:
            return "type";
        case Verdict::key:
            return "key";
        case Verdict::signature:
            return "signature";
        case Verdict::expired:
            return "expired";
        case Verdict::not_yet:
            return "not-yet";
        case Verdict::claim:
            break;
    }
    return "claim";
}

Verified verify(std::string_view token, const KeySet& keys, std::span<const std::string> claims,
                std::int64_t now)
{
    if (token.empty()) return {.verdict = Verdict::absent};
    if (token.size() > kMaxToken) return {.verdict = Verdict::too_large};
    const std::size_t first = token.find('.');
    const std::size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
    if (second == token.npos || first == 0 || first > kMaxHeader) return {.verdict = Verdict::malformed};

    const Header header = read_header(token.substr(0, first));
    if (header.verdict != Verdict::valid) return {.verdict = header.verdict};
    const auto signature = decode_base64url(token.substr(second + 1));  // a third dot is not of its alphabet
    if (!signature || signature->empty()) return {.verdict = Verdict::malformed};
    const Verdict signed_by = check_signature(header, keys, token.substr(0, second), *signature);
    if (signed_by != Verdict::valid) return {.verdict = signed_by};

    const auto text = decode_base64url(token.substr(first + 1, second - first - 1));
    const auto payload = text ? http::parse_json(*text) : std::nullopt;
    if (!payload || !payload->is(JsonValue::Kind::object)) return {.verdict = Verdict::malformed};
    const Time expires = time_claim(*payload, "exp");
    const Time not_before = time_claim(*payload, "nbf");
    const Time issued = time_claim(*payload, "iat");
    if (expires.wrong || not_before.wrong || issued.wrong) return {.verdict = Verdict::malformed};
    if (!expires.seconds) return {.verdict = Verdict::claim};
    if (now >= *expires.seconds) return {.verdict = Verdict::expired};
    if (not_before.seconds && *not_before.seconds > now + kSkew) return {.verdict = Verdict::not_yet};
    auto identity = identity_of(*payload, claims);
    if (!identity) return {.verdict = Verdict::claim};
    identity->expires = *expires.seconds;
    return {.verdict = Verdict::valid, .identity = std::move(*identity)};
}

std::string_view bearer(std::string_view authorization) noexcept
{
    constexpr std::string_view kScheme = "Bearer ";
    if (!http::equal_fold(authorization.substr(0, kScheme.size()), kScheme)) return {};
    authorization.remove_prefix(kScheme.size());
    authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
    return authorization;
}

}
