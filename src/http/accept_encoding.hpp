#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// What codings a client takes (RFC 9110 section 12.5.3). Pure, no allocation.
namespace edge::http {

/// A content coding that can be made here (RFC 9110 section 8.4.1, RFC 7932, RFC 8878).
enum class Coding : std::uint8_t { identity, br, gzip, zstd };
inline constexpr std::size_t kCodings = 4;

/// As in Content-Encoding.
constexpr std::string_view coding_name(Coding coding) noexcept
{
    constexpr std::string_view kNames[kCodings] = {"identity", "br", "gzip", "zstd"};
    return kNames[static_cast<std::size_t>(coding)];
}

/// The codings worth sending, best first; a small vector.
class Choice {
public:
    void add(Coding coding) noexcept { codings_[size_++] = coding; }
    const Coding* begin() const noexcept { return codings_.data(); }
    const Coding* end() const noexcept { return codings_.data() + size_; }
    Coding front() const noexcept { return codings_[0]; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

private:
    std::array<Coding, kCodings> codings_{};
    std::size_t size_ = 0;
};

/// The Accept-Encoding lines of one request, added one after the other. Without a line only identity is
/// taken: anything would be acceptable, but who does not ask may not be able to decode it.
///
/// Weights are thousandths, 0: not acceptable. A coding named more than once has the lowest of its weights; a
/// member that is none is passed over, one whose weight is none refuses its coding.
class AcceptEncoding {
public:
    AcceptEncoding() noexcept = default;

    void add(std::string_view value) noexcept;

    /// Of `coding`. Identity that nobody speaks of is acceptable, and comes last.
    std::uint16_t weight(Coding coding) const noexcept;
    /// Those of `offered`, in its order, that the client takes at least as gladly as identity, by weight.
    /// Empty: identity is to be sent, also where the client refuses that: RFC 9110 section 12.1 lets a server
    /// disregard the field, and 415 and 406 help nobody here.
    Choice choose(std::span<const Coding> offered) const noexcept;

private:
    static constexpr std::uint16_t kUnsaid = 0xffff;
    static constexpr std::uint16_t kLeast = 1;
    std::array<std::uint16_t, kCodings> weights_{kUnsaid, kUnsaid, kUnsaid, kUnsaid};
    std::uint16_t any_ = kUnsaid;
};

}
