#include "http/cache_status.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <system_error>

#include "http/token.hpp"

namespace edge::http {
namespace {

// A structured-field token: an HTTP token, ':' or '/' after a letter or an asterisk (RFC 9651 section 3.3.4).
bool is_sf_token(std::string_view text)
{
    if (text.empty() || (!is_alpha(text.front()) && text.front() != '*')) return false;
    for (const char c : text)
        if (!is_tchar(c) && c != ':' && c != '/') return false;
    return true;
}

class Writer {
public:
    explicit Writer(std::span<char> out) : out_{out} {}

    void text(std::string_view text)
    {
        if (text.size() > out_.size() - size_) {
            full_ = true;
            return;
        }
        std::copy(text.begin(), text.end(), out_.begin() + static_cast<std::ptrdiff_t>(size_));
        size_ += text.size();
    }
    /// A constant, whose length the compiler knows.
    template <std::size_t N>
    void put(const char (&constant)[N])
    {
        if (N - 1 > out_.size() - size_) {
            full_ = true;
            return;
        }
        std::memcpy(out_.data() + size_, constant, N - 1);
        size_ += N - 1;
    }

    void number(std::int64_t value)
    {
        const auto result = std::to_chars(out_.data() + size_, out_.data() + out_.size(), value);
        if (result.ec == std::errc{})
            size_ = static_cast<std::size_t>(result.ptr - out_.data());
        else
            full_ = true;
    }

    void string(std::string_view value)
    {
        put("\"");
        for (char c : value) {
            if (c == '"' || c == '\\') put("\\");
            const char printable = c < 0x20 || c > 0x7e ? '?' : c;
            text({&printable, 1});
        }
        put("\"");
    }

    void token_or_string(std::string_view value)
    {
        if (is_sf_token(value))
            text(value);
        else
            string(value);
    }

    // Takes back what `write` wrote if it did not all fit.
    template <class Write>
    void if_it_fits(Write&& write)
    {
        if (full_) return;
        const std::size_t before = size_;
        write();
        if (!full_) return;
        full_ = false;
        size_ = before;
    }

    std::string_view result() const
    {
        return full_ ? std::string_view{} : std::string_view{out_.data(), size_};
    }

private:
    std::span<char> out_;
    std::size_t size_ = 0;
    bool full_ = false;
};

// RFC 9651 section 3.3.1: an Integer has 15 digits at most.
constexpr std::int64_t kLargestInteger = 999'999'999'999'999;

}

std::string_view write_cache_status(const CacheStatus& status, std::string_view existing,
                                    std::span<char> out) noexcept
{
    Writer writer{out};
    writer.text(existing);
    if (!existing.empty()) writer.put(", ");
    writer.token_or_string(status.cache);
    if (status.hit) {
        writer.put("; hit");
    } else if (!status.forward.empty()) {
        writer.put("; fwd=");
        writer.text(status.forward);
        if (status.forward_status != 0) {
            writer.put("; fwd-status=");
            writer.number(status.forward_status);
        }
        if (status.stored) writer.put("; stored");
        if (status.collapsed) writer.put("; collapsed");
    }
    if (status.ttl) {
        writer.put("; ttl=");
        writer.number(std::clamp(*status.ttl, -kLargestInteger, kLargestInteger));
    }
    if (!status.key.empty())
        writer.if_it_fits([&] {
            writer.put("; key=");
            writer.string(status.key);
        });
    if (!status.detail.empty())
        writer.if_it_fits([&] {
            writer.put("; detail=");
            writer.token_or_string(status.detail);
        });
    return writer.result();
}

std::size_t cache_status_bound(const CacheStatus& status, std::string_view existing) noexcept
{
    constexpr std::size_t kParameterNames = 128;  // names, separators, quotes and numbers
    return existing.size() + kParameterNames + status.forward.size() +
           2 * (status.cache.size() + status.key.size() + status.detail.size());
}

}
