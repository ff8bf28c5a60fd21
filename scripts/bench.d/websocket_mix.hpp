#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

/// What the WebSocket benchmark's app sends, of 200 messages: 197 JSON events of 80 to 400 bytes (half of
/// them under 192), 2 JSON documents with polygons of 4 to 20 KB, 1 binary of 2 to 8 KB.
struct Message {
    unsigned char opcode;
    std::string payload;
};

class Mix {
public:
    Message next()
    {
        const int at = seq_++ % 200;
        if (at == 60 || at == 150) return {1, polygons()};
        if (at == 110) return {2, noise()};
        return {1, event()};
    }

private:
    int between(int least, int most) { return std::uniform_int_distribution<int>{least, most}(random_); }
    std::string event()
    {
        static constexpr std::array<const char*, 6> stages{
            "queued", "decoding", "segmenting", "tracing outlines", "measuring", "writing results"};
        const char* stage = stages[static_cast<std::size_t>(between(0, 5))];
        time_ += between(0, 40);
        std::string text = "42[\"progress\",{\"seq\":" + std::to_string(seq_) +
                           ",\"job\":" + std::to_string(between(1, 8)) + ",\"stage\":\"" + stage +
                           "\",\"percent\":" + std::to_string(between(0, 100)) +
                           ",\"at\":" + std::to_string(time_);
        if (between(0, 2) != 0)
            text += ",\"image\":{\"name\":\"field-" + std::to_string(between(1, 40)) + "-" +
                    std::to_string(between(100, 999)) +
                    ".tif\",\"width\":1388,\"height\":1040,\"queue\":" + std::to_string(between(0, 30)) + "}";
        if (between(0, 1) == 0)
            text +=
                ",\"message\":\"" + std::string{stage} + " in tile " + std::to_string(between(1, 64)) +
                " of 64; " + std::to_string(between(2, 90)) +
                " objects so far, none of them across its edge; outlines closed within 2 px, background " +
                std::to_string(between(100, 4000)) + " of 65535; threshold by Otsu, holes filled\"";
        return text + "}]";
    }
    std::string polygons()
    {
        const auto size = static_cast<std::size_t>(between(4000, 20000));
        std::string text = "42[\"polygons\",{\"seq\":" + std::to_string(seq_) +
                           ",\"job\":" + std::to_string(between(1, 8)) + ",\"polygons\":[";
        while (text.size() < size) {
            int x = between(20, 1360), y = between(20, 1020);
            text += "[";
            for (int i = 0; i < 24; ++i) {
                x += between(-6, 6);
                y += between(-6, 6);
                text += "[" + std::to_string(x) + "," + std::to_string(y) + "],";
            }
            text.back() = ']';
            text += ",";
        }
        text.back() = ']';
        return text + "}]";
    }
    std::string noise()
    {
        std::string bytes(static_cast<std::size_t>(between(2000, 8000)), '\0');
        for (char& byte : bytes) byte = static_cast<char>(random_());
        return bytes;
    }

    std::mt19937 random_{20240711};
    int seq_ = 0;
    long time_ = 1720000000000;
};

/// The same for every connection and every run, each beginning elsewhere.
inline const std::vector<Message>& pool()
{
    static const std::vector<Message> messages = [] {
        Mix mix;
        std::vector<Message> all;
        for (int i = 0; i < 8000; ++i) all.push_back(mix.next());
        return all;
    }();
    return messages;
}

inline std::string frame_head(unsigned char opcode, std::size_t size)
{
    std::string head{static_cast<char>(0x80 | opcode)};
    const int wide = size < 126 ? 0 : size < 65536 ? 2 : 8;
    head += static_cast<char>(wide == 0 ? size : wide == 2 ? 126 : 127);
    for (int i = wide - 1; i >= 0; --i) head += static_cast<char>(size >> (8 * i));
    return head;
}

inline std::uint32_t hash_of(std::string_view bytes)
{
    std::uint64_t hash = 0xcbf29ce484222325U;
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes.data() + i, 8);
        hash = (hash ^ word) * 0x100000001b3U;
        hash ^= hash >> 29;
    }
    for (; i < bytes.size(); ++i) hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3U;
    return static_cast<std::uint32_t>(hash ^ hash >> 32);
}
