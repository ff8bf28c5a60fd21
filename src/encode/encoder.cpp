#include "encode/encoder.hpp"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

namespace edge::encode {

namespace {

/// A slow level works on so much between two looks at `go_on`.
constexpr std::size_t kStep = 64 * 1024;

/// Feeds the body to `step(in, last)`, which takes bytes off the front of `in`, a piece of it, and writes
/// what it has to `out`; it returns false when the library fails. With `last` it is called until `ended()`.
template <class Step, class Ended>
Outcome feed(const Request& request, const Blocks& out, Step&& step, Ended&& ended)
{
    for (std::span<const std::byte> piece : request.body) {
        while (!piece.empty()) {
            std::span<const std::byte> in = piece.first(std::min(piece.size(), kStep));
            piece = piece.subspan(in.size());
            while (!in.empty()) {
                if (!request.go_on()) return Outcome::stopped;
                if (!step(in, false)) return Outcome::failed;
                if (out.size() >= request.limit) return Outcome::too_large;
            }
        }
    }
    std::span<const std::byte> none;
    while (!ended()) {
        if (!request.go_on()) return Outcome::stopped;
        if (!step(none, true)) return Outcome::failed;
        if (out.size() >= request.limit) return Outcome::too_large;
    }
    return Outcome::done;
}

Outcome encode_gzip(const Request& request, Blocks& out)
{
    z_stream stream{};
    // 31: a window of 32 KB, in gzip's format. The time in its header is 0, so that equal bodies stay equal.
    if (deflateInit2(&stream, request.level, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return Outcome::failed;
    const std::unique_ptr<z_stream, decltype(&deflateEnd)> end{&stream, deflateEnd};
    bool over = false;
    const auto step = [&](std::span<const std::byte>& in, bool last) {
        const std::span<std::byte> room = out.room();
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
        stream.avail_in = static_cast<uInt>(in.size());
        stream.next_out = reinterpret_cast<Bytef*>(room.data());
        stream.avail_out = static_cast<uInt>(room.size());
        const int rc = deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
        out.advance(room.size() - stream.avail_out);
        in = in.subspan(in.size() - stream.avail_in);
        over = rc == Z_STREAM_END;
        return rc == Z_OK || over || (last && rc == Z_BUF_ERROR);
    };
    return feed(request, out, step, [&] { return over; });
}

Outcome encode_br(const Request& request, Blocks& out)
{
    const std::unique_ptr<BrotliEncoderState, decltype(&BrotliEncoderDestroyInstance)> state{
        BrotliEncoderCreateInstance(nullptr, nullptr, nullptr), BrotliEncoderDestroyInstance};
    if (!state) return Outcome::failed;
    BrotliEncoderSetParameter(state.get(), BROTLI_PARAM_QUALITY, static_cast<std::uint32_t>(request.level));
    BrotliEncoderSetParameter(state.get(), BROTLI_PARAM_SIZE_HINT,
                              static_cast<std::uint32_t>(std::min<std::uint64_t>(request.size, 1U << 30)));
    const auto step = [&](std::span<const std::byte>& in, bool last) {
        const std::span<std::byte> room = out.room();
        std::size_t left = in.size(), free = room.size();
        const auto* from = reinterpret_cast<const std::uint8_t*>(in.data());
        auto* to = reinterpret_cast<std::uint8_t*>(room.data());
        const BROTLI_BOOL good = BrotliEncoderCompressStream(
            state.get(), last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS, &left, &from, &free, &to,
            nullptr);
        out.advance(room.size() - free);
        in = in.subspan(in.size() - left);
        return good == BROTLI_TRUE;
    };
    return feed(request, out, step, [&] { return BrotliEncoderIsFinished(state.get()) == BROTLI_TRUE; });
}

Outcome encode_zstd(const Request& request, Blocks& out)
{
    const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context{ZSTD_createCCtx(), ZSTD_freeCCtx};
    if (!context) return Outcome::failed;
    const auto set = [&](ZSTD_cParameter parameter, int value) {
        return ZSTD_isError(ZSTD_CCtx_setParameter(context.get(), parameter, value)) == 0;
    };
    if (!set(ZSTD_c_compressionLevel, request.level)) return Outcome::failed;
    // RFC 9659: no client has to decode a window of more than 8 MB.
    constexpr int kMostWindow = 23;
    if (request.size >> kMostWindow != 0 && !set(ZSTD_c_windowLog, kMostWindow)) return Outcome::failed;
    if (ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context.get(), request.size)) != 0) return Outcome::failed;
    bool over = false;
    const auto step = [&](std::span<const std::byte>& in, bool last) {
        const std::span<std::byte> room = out.room();
        ZSTD_inBuffer from{in.data(), in.size(), 0};
        ZSTD_outBuffer to{room.data(), room.size(), 0};
        const std::size_t left =
            ZSTD_compressStream2(context.get(), &to, &from, last ? ZSTD_e_end : ZSTD_e_continue);
        out.advance(to.pos);
        in = in.subspan(from.pos);
        over = last && left == 0;
        return ZSTD_isError(left) == 0;
    };
    return feed(request, out, step, [&] { return over; });
}

}

Outcome encode(const Request& request, Blocks& out)
{
    switch (request.coding) {
        case Coding::br:
            return encode_br(request, out);
        case Coding::gzip:
            return encode_gzip(request, out);
        case Coding::zstd:
            return encode_zstd(request, out);
        case Coding::identity:
            break;
    }
    return Outcome::failed;
}

}
