#pragma once

#include <zlib.h>

#include <optional>
#include <string>
#include <string_view>

/// The other side's permessage-deflate for tests, on plain zlib, sharing nothing with the code under test.
/// Its inflate window is exactly what was agreed, so that references too far back are noticed.
namespace edge::websocket::test {

class PeerDeflate {
public:
    PeerDeflate(int window_bits, bool context_takeover, int level = 6) : context_{context_takeover}
    {
        deflateInit2(&stream_, level, Z_DEFLATED, -(window_bits < 9 ? 9 : window_bits), 8,
                     Z_DEFAULT_STRATEGY);
    }
    ~PeerDeflate() { deflateEnd(&stream_); }
    PeerDeflate(const PeerDeflate&) = delete;
    PeerDeflate& operator=(const PeerDeflate&) = delete;

    std::string compress(std::string_view message)
    {
        if (!context_) deflateReset(&stream_);
        std::string out(message.size() + message.size() / 100 + 100, '\0');
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
        stream_.avail_in = static_cast<uInt>(message.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        deflate(&stream_, Z_SYNC_FLUSH);
        out.resize(out.size() - stream_.avail_out);
        if (out.empty()) return std::string(1, '\0');
        out.resize(out.size() - 4);
        return out;
    }

private:
    z_stream stream_{};
    bool context_;
};

class PeerInflate {
public:
    PeerInflate(int window_bits, bool context_takeover) : context_{context_takeover}
    {
        inflateInit2(&stream_, -window_bits);
    }
    ~PeerInflate() { inflateEnd(&stream_); }
    PeerInflate(const PeerInflate&) = delete;
    PeerInflate& operator=(const PeerInflate&) = delete;

    std::optional<std::string> decompress(std::string_view payload)
    {
        if (!context_) inflateReset(&stream_);
        std::string in{payload}, out;
        in.append("\x00\x00\xFF\xFF", 4);
        stream_.next_in = reinterpret_cast<Bytef*>(in.data());
        stream_.avail_in = static_cast<uInt>(in.size());
        char room[4096];
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(room);
            stream_.avail_out = sizeof room;
            const int rc = inflate(&stream_, Z_SYNC_FLUSH);
            if (rc != Z_OK && rc != Z_BUF_ERROR) return std::nullopt;
            out.append(room, sizeof room - stream_.avail_out);
        } while (stream_.avail_out == 0);
        if (stream_.avail_in != 0) return std::nullopt;
        return out;
    }

private:
    z_stream stream_{};
    bool context_;
};

}
