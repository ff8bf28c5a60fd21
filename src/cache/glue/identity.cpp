#include "cache/glue/identity.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "http/token.hpp"
#include "jwt/remembered.hpp"
#include "nginx/headers.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

using jwt::Verdict;

/// A shorter value is none that nobody could guess.
constexpr std::size_t kShortestSecret = 16;
constexpr std::size_t kLongestSecret = 8192;

jwt::Remembered remembered;

static_assert(static_cast<unsigned>(Count::token_claim) - static_cast<unsigned>(Count::token_absent) ==
              static_cast<unsigned>(Verdict::claim) - static_cast<unsigned>(Verdict::absent));

void count_refused(Verdict verdict) noexcept
{
    observer.counted(
        static_cast<Count>(static_cast<unsigned>(Count::token_absent) + static_cast<unsigned>(verdict) -
                           static_cast<unsigned>(Verdict::absent)),
        1);
}

/// How often cookies of this name are sent: of two the app may take the other one.
unsigned count_cookies(std::string_view line, std::string_view name) noexcept
{
    unsigned count = 0;
    while (!line.empty()) {
        const std::size_t end = std::min(line.find_first_of(";,"), line.size());
        std::string_view one = line.substr(0, end);
        line.remove_prefix(std::min(end + 1, line.size()));
        one = one.substr(0, one.find('='));
        while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
        while (!one.empty() && (one.back() == ' ' || one.back() == '\t')) one.remove_suffix(1);
        if (http::equal_fold(one, name)) ++count;
    }
    return count;
}

/// Whether the request says once at most whose it is. An app may look elsewhere than we do.
bool is_unambiguous(Request& q, const PrivateRule& rule)
{
    unsigned authorizations = 0;
    std::vector<unsigned> cookies(rule.cookies.size());
    ngx::for_each_header(q.r.headers_in.headers, [&](ngx_table_elt_t& line) {
        const std::string_view name = ngx::view(line.key);
        if (ngx::equals_ignoring_case(name, "Authorization")) ++authorizations;
        if (cookies.empty() || !ngx::equals_ignoring_case(name, "Cookie")) return;
        for (std::size_t i = 0; i < cookies.size(); ++i)
            cookies[i] += count_cookies(ngx::view(line.value), rule.cookies[i]);
    });
    if (authorizations > (rule.from_authorization ? 1U : 0U)) return false;
    return std::all_of(cookies.begin(), cookies.end(), [](unsigned n) { return n <= 1; });
}

std::string_view value_of(Request& q, const PrivateRule& rule)
{
    if (rule.value == nullptr) {
        const ngx_table_elt_t* line = q.r.headers_in.authorization;
        return line != nullptr ? jwt::bearer(ngx::view(line->value)) : std::string_view{};
    }
    ngx_str_t value{};
    if (ngx_http_complex_value(&q.r, rule.value, &value) != NGX_OK) throw std::bad_alloc{};
    const std::string_view text = ngx::view(value);
    if (rule.mode == PrivateRule::Mode::jwt) {
        const std::string_view token = jwt::bearer(text);
        if (!token.empty()) return token;
    }
    return text;
}

std::string prefix_of(std::string_view kind, std::string_view realm, std::string_view who)
{
    std::string text{kPrivateMark};
    text.append(kind).append(1, ' ');
    for (const std::string_view part : {realm, who})
        text.append(std::to_string(part.size())).append(1, ':').append(part);
    text.append(1, ' ');
    return text;
}

/// No two rules and no two sets of keys have the same.
std::uint64_t context_of(const PrivateRule& rule) noexcept
{
    return std::uint64_t{rule.number} << 32 | (rule.keys != nullptr ? rule.keys->generation : 0);
}

bool identify_by_token(Request& q, const PrivateRule& rule, std::string_view token)
{
    if (token.empty() || token.size() > jwt::kMaxToken) {
        count_refused(token.empty() ? Verdict::absent : Verdict::too_large);
        return false;
    }
    const std::int64_t now = ngx_time();
    const jwt::Tag tag = remembered.tag_of(token);
    const std::uint64_t context = context_of(rule);
    if (remembered.is_refused(tag, now)) {
        count_refused(Verdict::signature);
        return false;
    }
    const jwt::Identity* identity = remembered.find(tag, context, now);
    if (identity != nullptr) {
        observer.counted(Count::token_remembered, 1);
    } else {
        jwt::Verified result = jwt::verify(token, rule.keys->keys, rule.claims, now);
        if (result.verdict != Verdict::valid) {
            count_refused(result.verdict);
            return false;
        }
        observer.counted(Count::token_verified, 1);
        // What its keys begin with is made once.
        result.identity.text = prefix_of("jwt", ngx::view(rule.keys->path), result.identity.text);
        identity = &remembered.keep(tag, context, std::move(result.identity));
    }
    q.identity.prefix = identity->text;
    q.identity.claim = identity->claim;
    q.identity.tag = tag;
    q.facts.longest_use =
        static_cast<std::uint32_t>(std::min<std::int64_t>(rule.max_ttl, identity->expires - now));
    return true;
}

bool identify_by_secret(Request& q, const PrivateRule& rule, std::string_view secret)
{
    if (secret.size() < kShortestSecret || secret.size() > kLongestSecret) {
        count_refused(secret.empty()
                          ? Verdict::absent
                          : (secret.size() > kLongestSecret ? Verdict::too_large : Verdict::malformed));
        return false;
    }
    constexpr auto kForEver = std::numeric_limits<std::int64_t>::max();
    const jwt::Tag tag = remembered.tag_of(secret);
    const std::uint64_t context = context_of(rule);
    const jwt::Identity* identity = remembered.find(tag, context, ngx_time());
    if (identity == nullptr) {
        std::string prefix = prefix_of("secret", {}, jwt::to_hex(jwt::sha256(secret)));
        identity =
            &remembered.keep(tag, context, {.text = std::move(prefix), .claim = {}, .expires = kForEver});
    }
    q.identity.prefix = identity->text;
    q.facts.longest_use = rule.max_ttl;
    return true;
}

}

bool identify(Request& q)
{
    const PrivateRule& rule = *q.conf->private_rule;
    if (!is_unambiguous(q, rule)) {
        count_refused(Verdict::malformed);
        return false;
    }
    const std::string_view value = value_of(q, rule);
    const bool known = rule.mode == PrivateRule::Mode::jwt ? identify_by_token(q, rule, value)
                                                           : identify_by_secret(q, rule, value);
    if (!known) return false;
    q.identity.covers_authorization = rule.from_authorization;
    q.facts.identified = true;
    // Whose it is is known, and part of the key.
    q.facts.has_authorization = false;
    q.facts.has_cookie = false;
    // What a client takes of stale answers does not prolong what a token that was taken back still sees.
    q.facts.control.max_stale.reset();
    q.facts.control.stale_if_error.reset();
    return true;
}

void token_was_refused(Request& q)
{
    const PrivateRule* rule = q.conf->private_rule;
    if (!q.facts.identified || rule == nullptr || rule->mode != PrivateRule::Mode::jwt) return;
    remembered.refuse(q.identity.tag, ngx_time() + rule->max_ttl);
}

std::string_view user_of(Request& q)
{
    // A write has keys for everybody by now: who sent it changes nothing but this.
    if (q.facts.method == Method::unsafe && q.conf->private_rule != nullptr &&
        q.conf->private_rule->mode != PrivateRule::Mode::off && !q.facts.identified && !q.unknown) {
        q.unknown = !identify(q);
    }
    return q.identity.claim;
}

}
