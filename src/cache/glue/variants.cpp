#include <sys/random.h>

#include <algorithm>
#include <array>
#include <new>

#include "cache/glue/encode.hpp"
#include "cache/variant.hpp"
#include "http/coded_etag.hpp"
#include "nginx/headers.hpp"
#include "nginx/pool.hpp"
#include "nginx/str.hpp"

namespace edge::cache {

namespace {

using http::Coding;

constexpr std::string_view kAcceptEncoding = "Accept-Encoding";
/// So often must a variant have been found lately before it is worth a better one (Pin::uses).
constexpr unsigned kHot = 3;

/// No two bodies have the same, in whatever worker, host or run of nginx they were stored: a random start,
/// and a permutation of the count from there (splitmix64).
std::uint64_t next_body_number() noexcept
{
    static std::uint64_t state = 0;
    static ngx_pid_t owner = 0;
    if (owner != ngx_pid) {
        std::uint64_t seed = 0;
        if (getrandom(&seed, sizeof(seed), 0) != static_cast<ssize_t>(sizeof(seed))) return 0;
        state = seed;
        owner = ngx_pid;
    }
    std::uint64_t mixed = state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    return mixed != 0 ? mixed : 1;
}

/// What this worker has decided lately: browsers send the same few lines.
struct Decided {
    std::array<char, 64> line;
    std::uint8_t size = 0;
    const EncodeRule* rule = nullptr;
    http::Choice choice;
};
constinit std::array<Decided, 8> decided{};

http::Choice decide(std::string_view line, const EncodeRule& rule) noexcept
{
    const auto choose = [&] {
        http::AcceptEncoding accept;
        accept.add(line);
        return accept.choose(rule.offered);
    };
    Decided& one = decided[line.size() % decided.size()];
    if (line.size() > one.line.size()) return choose();
    if (one.rule != &rule || line != std::string_view{one.line.data(), one.size}) {
        one.choice = choose();
        one.rule = &rule;
        one.size = static_cast<std::uint8_t>(line.copy(one.line.data(), one.line.size()));
    }
    return one.choice;
}

/// What the client takes of what is offered, best first.
http::Choice wanted(Request& q, const EncodeRule& rule)
{
    ngx_list_t& lines = q.headers_swapped ? q.client_headers : q.r.headers_in.headers;
    std::string_view first;
    unsigned count = 0;
    http::AcceptEncoding accept;
    ngx::for_each_header(lines, [&](ngx_table_elt_t& line) {
        if (line.key.len != kAcceptEncoding.size() ||
            !ngx::equals_ignoring_case(ngx::view(line.key), kAcceptEncoding)) {
            return;
        }
        if (++count == 1) {
            first = ngx::view(line.value);
            return;
        }
        if (count == 2) accept.add(first);
        accept.add(ngx::view(line.value));
    });
    if (count == 0) return {};
    return count == 1 ? decide(first, rule) : accept.choose(rule.offered);
}

bool has_range(const Request& q) noexcept
{
    return q.facts.method == Method::get && q.r.headers_in.range != nullptr;
}

bool names_accept_encoding(std::string_view vary) noexcept
{
    for (std::size_t at = 0; at < vary.size();) {
        const std::size_t end = std::min(vary.find(',', at), vary.size());
        std::string_view name = vary.substr(at, end - at);
        while (!name.empty() && (name.front() == ' ' || name.front() == '\t')) name.remove_prefix(1);
        while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
        if (name == "*" || ngx::equals_ignoring_case(name, kAcceptEncoding)) return true;
        at = end + 1;
    }
    return false;
}

}

std::uint64_t body_number(const LocConf& conf, std::uint16_t status, http::Fields fields,
                          std::uint64_t before)
{
    const EncodeRule* rule = encode_rule(conf);
    if (rule == nullptr || status != NGX_HTTP_OK || forbids_encoding(fields)) return 0;
    for (const http::Field& field : fields) {
        if (!ngx::equals_ignoring_case(field.name, "Content-Type")) continue;
        if (!rule->types.contains(field.value)) return 0;
        return before != 0 ? before : next_body_number();
    }
    return 0;
}

void choose_variant(Request& q, const Stored& stored)
{
    q.variant = {};
    q.coding = Coding::identity;
    q.negotiated = false;
    const EncodeRule* rule = encode_rule(*q.conf);
    const std::uint64_t body = stored.head().number;
    if (rule == nullptr || body == 0 || q.object.progress() != Progress::complete ||
        q.object.body_size() < rule->least) {
        return;
    }
    q.negotiated = true;
    if (has_range(q)) return;  // parts are of the response as it is
    bool best = true;
    for (const Coding coding : wanted(q, *rule)) {
        Pin found = q.zone->find(variant_key_hash(*q.zone, q.selected, body, coding));
        const auto head = found ? read_variant(found.meta(), body, coding) : std::nullopt;
        const bool usable = head && head->state == VariantState::ready;
        const bool given_up =
            !head || (head->state == VariantState::pending && head->pending_until <= ngx_time());
        if (best && given_up) encode_later(q, body, coding);
        best = false;
        if (head && head->state == VariantState::useless) return;
        if (!usable) continue;
        if (head->level < rule->level(coding) && found.uses() >= kHot) encode_later(q, body, coding, &found);
        q.coding = coding;
        q.variant = std::move(found);
        return;
    }
}

std::optional<Coding> client_copy(Request& q, Coding coding, std::optional<std::string_view> etag,
                                  std::optional<std::string_view> modified,
                                  std::optional<std::string_view> date)
{
    const auto has = [&](Coding of) {
        if (of == Coding::identity || !etag) return client_has(q, etag, modified, date);
        return client_has(q, http::coded_etag(*etag, of), modified, date);
    };
    if (has(coding)) return coding;
    const EncodeRule* rule = encode_rule(*q.conf);
    if (rule == nullptr || !etag || q.r.headers_in.if_none_match == nullptr) return std::nullopt;
    // The representation it has may be another one than we would send now: it is as good.
    if (coding != Coding::identity && has(Coding::identity)) return Coding::identity;
    for (const Coding other : wanted(q, *rule)) {
        if (other != coding && has(other)) return other;
    }
    return std::nullopt;
}

void note_coding(ngx_http_request_t& r, Coding coding)
{
    ngx_table_elt_t* etag = r.headers_out.etag;
    if (etag == nullptr || coding == Coding::identity) return;
    const std::string_view plain = ngx::view(etag->value);
    auto* text = static_cast<char*>(ngx_pnalloc(r.pool, plain.size() + http::kLongestCoding));
    if (text == nullptr) throw std::bad_alloc{};
    etag->value = ngx::str({text, http::write_coded_etag(plain, coding, text)});
}

void note_negotiation(ngx_http_request_t& r)
{
    bool said = false;
    ngx::for_each_header(r.headers_out.headers, [&](ngx_table_elt_t& line) {
        if (line.hash != 0 && line.key.len == 4 && ngx::equals_ignoring_case(ngx::view(line.key), "Vary"))
            said = said || names_accept_encoding(ngx::view(line.value));
    });
    if (!said) ngx::push_header(r.headers_out.headers, "Vary", kAcceptEncoding);
}

void drop_variants(Zone& zone, const KeyHash& response, std::uint64_t body) noexcept
{
    if (body == 0) return;
    for (const Coding coding : {Coding::br, Coding::gzip, Coding::zstd})
        zone.remove(variant_key_hash(zone, response, body, coding));
}

void encode_arrived(Request& q)
{
    const EncodeRule* rule = encode_rule(*q.conf);
    if (rule == nullptr || !q.object || q.object.body_size() < rule->least) return;
    const auto stored = Stored::from_zone(q.object.meta());
    if (!stored || stored->head().number == 0) return;
    const http::Choice choice = wanted(q, *rule);
    if (!choice.empty()) encode_later(q, stored->head().number, choice.front());
}

void explain_tags(ngx_http_request_t& r)
{
    ngx::for_each_header(r.headers_in.headers, [&](ngx_table_elt_t& line) {
        const std::string_view name = ngx::view(line.key);
        if (!ngx::equals_ignoring_case(name, "If-Match") && !ngx::equals_ignoring_case(name, "If-None-Match"))
            return;
        const auto tags = http::with_plain_tags(ngx::view(line.value));
        if (!tags) return;
        const ngx_str_t value = ngx::copy(r.pool, *tags);
        if (value.data == nullptr) throw std::bad_alloc{};
        line.value = value;
    });
}

}
