#include "cache/checksum_avx2.hpp"

#if defined(EDGE_CHECKSUM_AVX2)

// C's headers only: what of the C++ library were compiled here for AVX2 could end up in place of its like
// elsewhere.
#include <immintrin.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define XXH_INLINE_ALL
#define XXH_VECTOR 2  // XXH_AVX2
#include <xxhash.h>

namespace edge::cache {

uint64_t checksum_avx2(const char* bytes, size_t size) noexcept
{
    return XXH3_64bits(bytes, size);
}

}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
