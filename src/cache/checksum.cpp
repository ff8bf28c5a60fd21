#include "cache/checksum.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cache/checksum_avx2.hpp"

namespace edge::cache {

std::uint64_t checksum(std::string_view bytes) noexcept
{
#if defined(EDGE_CHECKSUM_AVX2)
    static const bool wide = __builtin_cpu_supports("avx2") != 0;
    if (wide) return checksum_avx2(bytes.data(), bytes.size());
#endif
    return XXH3_64bits(bytes.data(), bytes.size());
}

}
