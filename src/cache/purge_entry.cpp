#include "cache/purge_entry.hpp"

#include <charconv>
#include <limits>
#include <type_traits>

namespace edge::cache {

namespace {

constexpr std::uint8_t kVersion = 1;

enum Flag : std::uint8_t { kAll = 1, kSoft = 2, kSync = 4 };

class Writer {
public:
    template <class Integer>
    void number(Integer value)
    {
        auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
        for (std::size_t i = 0; i < sizeof(Integer); ++i) out_ += static_cast<char>(bits >> (8 * i) & 0xff);
    }
    void text(std::string_view text)
    {
        number(static_cast<std::uint32_t>(text.size()));
        out_ += text;
    }
    std::string take() { return std::move(out_); }
    void reserve(std::size_t bytes) { out_.reserve(bytes); }

private:
    std::string out_;
};

/// Takes a text apart; after the first thing that is not there all is zero or empty, and ok() false.
class Reader {
public:
    explicit Reader(std::string_view bytes) noexcept : rest_{bytes} {}

    template <class Integer>
    Integer number() noexcept
    {
        const std::string_view bytes = take(sizeof(Integer));
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            value |= std::uint64_t{static_cast<std::uint8_t>(bytes[i])} << (8 * i);
        }
        return static_cast<Integer>(value);
    }
    std::string_view text() noexcept { return take(number<std::uint32_t>()); }
    std::size_t left() const noexcept { return rest_.size(); }
    bool ok() const noexcept { return ok_; }

private:
    std::string_view take(std::size_t n) noexcept
    {
        ok_ = ok_ && n <= rest_.size();
        if (!ok_) return {};
        const std::string_view taken = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return taken;
    }
    std::string_view rest_;
    bool ok_ = true;
};

std::size_t encoded_size(const PurgeEntry& entry) noexcept
{
    std::size_t size = 64 + entry.zone.size() + 8 * entry.tags.size();
    for (const std::string& prefix : entry.prefixes) size += 4 + prefix.size();
    return size;
}

}

std::string format_position(LogPosition at)
{
    return std::to_string(at.epoch) + "-" + std::to_string(at.number);
}

std::optional<LogPosition> parse_position(std::string_view text) noexcept
{
    const char* const end = text.data() + text.size();
    LogPosition at;
    const auto epoch = std::from_chars(text.data(), end, at.epoch);
    if (epoch.ec != std::errc{} || epoch.ptr == end || *epoch.ptr != '-') return std::nullopt;
    const auto number = std::from_chars(epoch.ptr + 1, end, at.number);
    if (number.ec != std::errc{} || number.ptr != end) return std::nullopt;
    return at;
}

std::string encode_purge(const PurgeEntry& entry)
{
    const std::size_t size = encoded_size(entry);
    const bool too_large = size > PurgeEntry::kMaxBytes;
    Writer out;
    out.reserve(too_large ? 64 + entry.zone.size() : size);
    out.number(kVersion);
    const bool all = entry.all || too_large;
    out.number(
        static_cast<std::uint8_t>((all ? kAll : 0) | (entry.soft ? kSoft : 0) | (entry.sync ? kSync : 0)));
    out.number(entry.host);
    out.number(entry.ticket);
    out.number(entry.time);
    out.text(entry.zone);
    out.number(static_cast<std::uint32_t>(too_large ? 0 : entry.tags.size()));
    out.number(static_cast<std::uint32_t>(too_large ? 0 : entry.prefixes.size()));
    if (too_large) return out.take();
    for (const std::uint64_t tag : entry.tags) out.number(tag);
    for (const std::string& prefix : entry.prefixes) out.text(prefix);
    return out.take();
}

std::optional<PurgeEntry> parse_purge(std::string_view bytes)
{
    Reader in{bytes};
    if (in.number<std::uint8_t>() != kVersion) return std::nullopt;
    PurgeEntry entry;
    const auto flags = in.number<std::uint8_t>();
    entry.all = (flags & kAll) != 0;
    entry.soft = (flags & kSoft) != 0;
    entry.sync = (flags & kSync) != 0;
    entry.host = in.number<std::uint64_t>();
    entry.ticket = in.number<std::uint64_t>();
    entry.time = in.number<std::int64_t>();
    entry.zone = in.text();
    const auto tags = in.number<std::uint32_t>();
    const auto prefixes = in.number<std::uint32_t>();
    // What can't be there is not asked for: nobody's count takes memory.
    if (!in.ok() || std::uint64_t{tags} * 8 + std::uint64_t{prefixes} * 4 > in.left()) return std::nullopt;
    entry.tags.reserve(tags);
    for (std::uint32_t i = 0; i < tags; ++i) entry.tags.push_back(in.number<std::uint64_t>());
    for (std::uint32_t i = 0; i < prefixes && in.ok(); ++i) entry.prefixes.emplace_back(in.text());
    if (!in.ok() || in.left() != 0 || (flags & ~(kAll | kSoft | kSync)) != 0) return std::nullopt;
    for (const std::uint64_t tag : entry.tags) {
        if (tag == 0) return std::nullopt;  // no tag has this hash, and a table takes it for a free place
    }
    for (const std::string& prefix : entry.prefixes) {
        if (prefix.empty()) return std::nullopt;
    }
    return entry;
}

}
