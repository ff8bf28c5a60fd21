#include "image/protocol.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace edge::image {

namespace {

constexpr std::uint32_t kMagic = 0x52474445;  // "EDGR"

// Each struct's members in the order of the wire; read and written by the same list.
template <class Fields, class T>
void each(Fields& f, T& m) requires std::is_same_v<std::remove_const_t<T>, Hello>
{
    f(m.pid);
}

template <class Fields, class T>
void each_of_job(Fields& f, T& j)
{
    f(j.target), f(j.quality.jpeg), f(j.quality.webp), f(j.quality.avif), f(j.quality.webp_effort);
    f(j.quality.avif_effort), f(j.quality.webp_lossless);
    f(j.width), f(j.height), f(j.dpr), f(j.fit), f(j.gravity), f(j.enlarge), f(j.page), f(j.has_page);
    f(j.animate), f(j.has_background), f(j.background), f(j.keep_copyright), f(j.progressive);
    f(j.allow_truncated), f(j.prefer_original), f(j.range), f(j.range_low), f(j.range_high);
    f(j.limits.source_bytes), f(j.limits.pixels_in), f(j.limits.pixels_out), f(j.limits.frames);
    f(j.limits.time_ms);
}

template <class Fields, class T>
void each(Fields& f, T& m) requires std::is_same_v<std::remove_const_t<T>, Submit>
{
    f(m.id), f(m.key), f(m.priority), f(m.deadline_ms);
    each_of_job(f, m.job);
}

template <class Fields, class T>
void each(Fields& f, T& m) requires std::is_same_v<std::remove_const_t<T>, Cancel>
{
    f(m.id);
}

template <class Fields, class T>
void each(Fields& f, T& m) requires std::is_same_v<std::remove_const_t<T>, Done>
{
    f(m.id), f(m.original), f(m.shared), f(m.format), f(m.source_format), f(m.width), f(m.height),
        f(m.frames);
    f(m.source_width), f(m.source_height), f(m.bytes), f(m.queue_us), f(m.render_us);
}

template <class Fields, class T>
void each(Fields& f, T& m) requires std::is_same_v<std::remove_const_t<T>, Refused>
{
    f(m.id), f(m.reason), f(m.queue_us), f(m.render_us);
}

template <class Fields, class T>
void each(Fields&, T&) requires std::is_same_v<std::remove_const_t<T>, Discard>
{}

template <class Fields, class T>
void each(Fields&, T&) requires std::is_same_v<std::remove_const_t<T>, StatsRequest>
{}

template <class Fields, class T>
void each(Fields& f, T& m) requires std::is_same_v<std::remove_const_t<T>, Stats>
{
    f(m.queued_interactive), f(m.queued_prewarm), f(m.running), f(m.processes), f(m.started), f(m.recycled);
    f(m.crashed), f(m.killed), f(m.rendered), f(m.refused), f(m.coalesced), f(m.memory);
}

template <class T>
inline constexpr bool is_bytes = false;
template <std::size_t N>
inline constexpr bool is_bytes<std::array<std::uint8_t, N>> = true;

// Takes values out of a datagram; after the first that is not there or not one, all fail.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) noexcept : rest_{bytes} {}

    template <class T>
    void operator()(T& value) noexcept
    {
        if constexpr (std::is_same_v<T, bool>) {
            std::uint8_t byte = 0;
            take(&byte, 1);
            if (byte > 1) failed_ = true;
            value = byte == 1;
        } else if constexpr (std::is_enum_v<T>) {
            std::underlying_type_t<T> number{};
            take(&number, sizeof number);
            if (!in_range(T{number})) failed_ = true;
            if (!failed_) value = T{number};
        } else {
            static_assert(std::is_arithmetic_v<T> || is_bytes<T>);
            take(&value, sizeof value);
        }
    }
    bool complete() const noexcept { return !failed_ && rest_.empty(); }
    bool failed() const noexcept { return failed_; }

private:
    static bool in_range(Format v) noexcept { return v <= Format::compatible; }
    static bool in_range(Fit v) noexcept { return v <= Fit::fill; }
    static bool in_range(Gravity v) noexcept { return v <= Gravity::attention; }
    static bool in_range(Range v) noexcept { return v <= Range::fixed; }
    static bool in_range(Priority v) noexcept { return v <= Priority::prewarm; }
    static bool in_range(Reason v) noexcept { return v >= Reason::not_an_image && v <= Reason::unavailable; }

    void take(void* to, std::size_t size) noexcept
    {
        if (failed_ || rest_.size() < size) {
            failed_ = true;
            return;
        }
        std::memcpy(to, rest_.data(), size);
        rest_ = rest_.subspan(size);
    }

    std::span<const std::byte> rest_;
    bool failed_ = false;
};

template <std::size_t I = 0>
std::optional<Message> read(std::uint16_t kind, Reader& reader) noexcept
{
    if constexpr (I < std::variant_size_v<Message>) {
        if (kind != I) return read<I + 1>(kind, reader);
        std::variant_alternative_t<I, Message> message;
        each(reader, message);
        if (!reader.complete()) return std::nullopt;
        return message;
    } else
        return std::nullopt;
}

bool is_quality(std::uint8_t value) noexcept
{
    return value >= 1 && value <= 100;
}

}

class MessageWriter {
public:
    template <class T>
    void operator()(const T& value) noexcept
    {
        static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T> || is_bytes<T>);
        std::memcpy(out_.bytes_.data() + out_.size_, &value, sizeof value);
        out_.size_ += sizeof value;
    }
    const EncodedMessage& result() const noexcept { return out_; }

private:
    EncodedMessage out_;
};

EncodedMessage encode(const Message& message) noexcept
{
    MessageWriter writer;
    writer(kMagic);
    writer(kProtocolVersion);
    writer(static_cast<std::uint16_t>(message.index()));
    std::visit([&writer](const auto& m) { each(writer, m); }, message);
    return writer.result();
}

std::optional<Message> decode(std::span<const std::byte> bytes) noexcept
{
    Reader reader{bytes};
    std::uint32_t magic = 0;
    std::uint16_t version = 0;
    std::uint16_t kind = 0;
    reader(magic), reader(version), reader(kind);
    if (reader.failed() || magic != kMagic || version != kProtocolVersion) return std::nullopt;
    auto message = read(kind, reader);
    if (message) {
        const auto* submit = std::get_if<Submit>(&*message);
        if (submit != nullptr && !is_valid(submit->job)) return std::nullopt;
    }
    return message;
}

bool has_descriptor(const Message& message) noexcept
{
    if (const auto* done = std::get_if<Done>(&message)) return !done->original;
    return std::holds_alternative<Submit>(message) || std::holds_alternative<Discard>(message);
}

bool is_valid(const Job& job) noexcept
{
    const Quality& q = job.quality;
    const Limits& l = job.limits;
    return is_target(job.target) && is_quality(q.jpeg) && is_quality(q.webp) && is_quality(q.avif) &&
           q.webp_effort <= 6 && (q.avif_effort <= 9 || q.avif_effort == kEffortBySize) && job.dpr >= 25 &&
           job.dpr <= 400 && std::isfinite(job.range_low) && std::isfinite(job.range_high) &&
           job.range_low < job.range_high && l.source_bytes > 0 && l.pixels_in > 0 && l.pixels_out > 0 &&
           l.frames > 0 && l.time_ms > 0;
}

bool same_job(const Job& a, const Job& b) noexcept
{
    MessageWriter left;
    MessageWriter right;
    each_of_job(left, a);
    each_of_job(right, b);
    return std::ranges::equal(left.result().bytes(), right.result().bytes());
}

}
