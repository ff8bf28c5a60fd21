#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace edge::websocket {

/// How bytes for a client divide into TCP segments and, under TLS, into records: for batches that end where a
/// segment does.
///
/// Units:  bytes. `payload`: what one segment carries (TCP_MAXSEG); 0: not known, nothing is ever whole.
///         `record_overhead`: what TLS adds to a record; 0: no TLS. Too much does little harm, too little
///         makes a segment of the few bytes it lacks.
/// Spec:   RFC 8446 section 5.1: a record holds at most 2^14 bytes.
class Segments {
public:
    Segments() noexcept = default;
    Segments(std::uint32_t payload, std::uint32_t record_overhead) noexcept
        : payload_{payload <= record_overhead ? 0 : payload}, overhead_{record_overhead}
    {
        if (payload_ != 0 && payload_ <= kLargestRecord)
            record_ = (kLargestRecord + overhead_) / payload_ * payload_ - overhead_;
    }

    /// The most to write at a time, so that what follows begins with a segment of its own.
    std::size_t record() const noexcept { return record_; }

    /// How many of so many bytes, from the first on, fill segments to the last.
    std::uint64_t whole(std::uint64_t bytes) const noexcept
    {
        if (payload_ == 0 || bytes + overhead_ < payload_) return 0;
        const std::uint64_t records = bytes / record_ * record_;
        const std::uint64_t last = (bytes - records + overhead_) / payload_ * payload_;
        return records + (last > overhead_ ? last - overhead_ : 0);
    }

private:
    static constexpr std::size_t kLargestRecord = 16384;

    std::uint32_t payload_ = 0;
    std::uint32_t overhead_ = 0;
    std::size_t record_ = kLargestRecord;
};

}
