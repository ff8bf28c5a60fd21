#pragma once

#include <cstdint>
#include <optional>

#include "websocket/batch_window.hpp"
#include "websocket/extension.hpp"
#include "websocket/priority.hpp"

namespace edge::websocket {

/// What one location wants of its connections. Plain values, shared by all of its connections, and kept alive
/// longer than they are.
struct RelaySettings {
    BatchWindow::Limits batch;
    const PriorityRules* priority = nullptr;  ///< null: only control frames and engine.io's own packets

    // Compression towards the client.
    int level = 5;                  ///< 1 to 9
    std::uint8_t memory_level = 8;  ///< 4 to 9
    /// Messages smaller than this go uncompressed: with a shared context, and without.
    std::uint32_t min_with_context = 32;
    std::uint32_t min_without_context = 1024;

    // Limits.
    std::uint64_t max_client_message = 16u << 20;  ///< bytes, decompressed; beyond: 1009. UINT64_MAX: none
    std::uint64_t max_upstream_message = UINT64_MAX;
    std::uint32_t max_ratio = 200;        ///< of decompression, beyond 128 KB of output; 0: none
    std::uint32_t frames_per_second = 0;  ///< of the client, all kinds; 0: no limit. Beyond: 1008
    /// Of bytes for one peer that it has not taken. Beyond, the other one is not read. It can be passed by
    /// what one read holds; decompression of one read by another 512 KB.
    std::uint32_t buffer = 64u << 10;
    /// Messages up to this size are held until they are whole, and sent as one frame when they were
    /// compressed or decompressed. Larger ones pass piece by piece.
    std::uint32_t whole = 64u << 10;
    /// A client that has sent nothing for so long is pinged, and closed if nothing comes for
    /// `ping_timeout_ms` after that; 0: never.
    std::uint32_t ping_after_ms = 0;
    std::uint32_t ping_timeout_ms = 0;
    /// What compression took is counted by it; null: not at all.
    std::uint64_t (*clock_ns)() noexcept = nullptr;
};

/// What was agreed for one connection at the 101.
struct Agreement {
    enum class Mode : std::uint8_t {
        plain,         ///< no extension with either side
        edge_deflate,  ///< the edge compresses for the client; the upstream knows nothing of it
        pass_through,  ///< client and upstream have agreed on permessage-deflate: compressed bytes pass as is
    };
    Mode mode = Mode::plain;
    DeflateParameters parameters;  ///< for edge_deflate
    bool pack = false;             ///< the client has agreed on edge.batch.v1; never with pass_through
};

}
