#include <immintrin.h>

#include <cstdint>

namespace hearth_benchmarks {

// Sixteen independent accumulators: more than latency times throughput on known processors.
int32_t run_int8_avx512(int64_t macs) {
    __m512i sums[16] = {};
    __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
    for (int64_t i = 0; i < macs / (16 * 64); ++i) {
        asm volatile("" : "+v"(a), "+v"(b));  // keeps the products of one pass from serving the next
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) sums[j] = _mm512_dpbusd_epi32(sums[j], a, b);
    }
    __m512i total = sums[0];
    for (int j = 1; j < 16; ++j) total = _mm512_add_epi32(total, sums[j]);
    return _mm512_reduce_add_epi32(total);
}

}  // namespace hearth_benchmarks
