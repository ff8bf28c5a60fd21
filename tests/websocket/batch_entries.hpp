#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// edge.batch.v1 as a client reads it, sharing nothing with the code under test.
namespace edge::websocket::test {

struct BatchEntry {
    bool binary = false;
    std::string payload;
    friend bool operator==(const BatchEntry&, const BatchEntry&) = default;
};

/// The entries of a binary message; nullopt: it is none.
inline std::optional<std::vector<BatchEntry>> read_batch(std::string_view message)
{
    std::vector<BatchEntry> entries;
    while (!message.empty()) {
        std::uint64_t head = 0;
        for (int shift = 0;; shift += 7) {
            if (message.empty() || shift > 56) return std::nullopt;
            const auto byte = static_cast<unsigned char>(message.front());
            message.remove_prefix(1);
            head |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) break;
        }
        const std::uint64_t size = (head & 2) != 0 ? message.size() : head >> 2;
        if (size > message.size()) return std::nullopt;
        entries.push_back({(head & 1) != 0, std::string{message.substr(0, size)}});
        message.remove_prefix(size);
    }
    return entries;
}

}
