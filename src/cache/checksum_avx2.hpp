#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && !defined(__AVX2__)
#define EDGE_CHECKSUM_AVX2

namespace edge::cache {

/// Of checksum(), for processors that have AVX2.
uint64_t checksum_avx2(const char* bytes, size_t size) noexcept;

}

#endif
