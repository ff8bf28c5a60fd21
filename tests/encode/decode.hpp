#pragma once

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <optional>
#include <string>

#include "encode/encoder.hpp"

/// The other way round, by the libraries' own decoders.
namespace edge::encode {

inline std::string text_of(const Blocks& blocks)
{
    std::string text;
    for (auto bytes = blocks.from(0); !bytes.empty(); bytes = blocks.from(text.size()))
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return text;
}

/// std::nullopt: `coded` is not one whole body in this coding, or not of this size.
inline std::optional<std::string> decode(Coding coding, const std::string& coded, std::size_t size)
{
    std::string text(size, '\0');
    std::size_t got = size;
    if (coding == Coding::br) {
        if (BrotliDecoderDecompress(coded.size(), reinterpret_cast<const std::uint8_t*>(coded.data()), &got,
                                    reinterpret_cast<std::uint8_t*>(text.data())) !=
            BROTLI_DECODER_RESULT_SUCCESS)
            return std::nullopt;
    } else if (coding == Coding::zstd) {
        got = ZSTD_decompress(text.data(), text.size(), coded.data(), coded.size());
        if (ZSTD_isError(got)) return std::nullopt;
    } else {
        z_stream stream{};
        if (inflateInit2(&stream, 31) != Z_OK) return std::nullopt;
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(coded.data()));
        stream.avail_in = static_cast<uInt>(coded.size());
        stream.next_out = reinterpret_cast<Bytef*>(text.data());
        stream.avail_out = static_cast<uInt>(text.size());
        const int rc = inflate(&stream, Z_FINISH);
        got = stream.total_out;
        const bool whole = rc == Z_STREAM_END && stream.avail_in == 0;
        inflateEnd(&stream);
        if (!whole) return std::nullopt;
    }
    if (got != size) return std::nullopt;
    return text;
}

}
