#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "image/protocol.hpp"

namespace edge::image::test {

/// A message of each kind, no member with its default value where another is allowed.
inline std::vector<Message> messages()
{
    Submit submit;
    submit.id = 0x1122334455667788;
    for (std::size_t i = 0; i < submit.key.size(); ++i) submit.key[i] = static_cast<std::uint8_t>(i * 7 + 1);
    submit.priority = Priority::prewarm;
    submit.deadline_ms = 99'000'000'001;
    Job& job = submit.job;
    job.target = Format::avif;
    job.quality = {
        .jpeg = 1, .webp = 100, .avif = 33, .webp_effort = 6, .avif_effort = 9, .webp_lossless = true};
    job.width = 300;
    job.height = 4'000'000'000;
    job.dpr = 250;
    job.fit = Fit::fill;
    job.gravity = Gravity::attention;
    job.enlarge = true;
    job.page = 65535;
    job.has_page = true;
    job.animate = false;
    job.has_background = true;
    job.background = {1, 2, 3};
    job.keep_copyright = true;
    job.progressive = false;
    job.allow_truncated = true;
    job.prefer_original = true;
    job.range = Range::fixed;
    job.range_low = -1.5F;
    job.range_high = 4095;
    job.limits = {.source_bytes = 1, .pixels_in = 1ULL << 40, .pixels_out = 3, .frames = 4, .time_ms = 5};
    Done done{.id = 7,
              .original = false,
              .shared = true,
              .format = Format::webp,
              .source_format = Format::heic,
              .width = 300,
              .height = 200,
              .frames = 12,
              .source_width = 6028,
              .source_height = 3391,
              .bytes = 1ULL << 33,
              .queue_us = 1500,
              .render_us = 106000};
    Stats stats{.queued_interactive = 1,
                .queued_prewarm = 2,
                .running = 3,
                .processes = 4,
                .started = 5,
                .recycled = 6,
                .crashed = 7,
                .killed = 8,
                .rendered = 9,
                .refused = 10,
                .coalesced = 11,
                .memory = 12};
    return {Hello{.pid = 4242},
            submit,
            Cancel{.id = 9},
            done,
            Refused{.id = 3, .reason = Reason::unavailable, .queue_us = 1, .render_us = 2},
            StatsRequest{},
            stats};
}

inline bool same_bytes(const Message& a, const Message& b)
{
    const auto left = encode(a);
    const auto right = encode(b);
    return left.bytes().size() == right.bytes().size() &&
           std::memcmp(left.bytes().data(), right.bytes().data(), left.bytes().size()) == 0;
}

}
