#include <immintrin.h>

#include <cstdint>

namespace hearth_benchmarks {

// Sixteen independent accumulators: more than latency times throughput on known processors. In assembly, so
// that the compiler neither merges equal products nor spills.
int32_t run_int8_avx512(int64_t macs) {
    __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2), sum = _mm512_setzero_si512();
    for (int64_t i = 0; i < macs / (16 * 64); ++i)
        asm volatile(
            "vpdpbusd %1, %2, %0\n vpdpbusd %1, %2, %%zmm16\n vpdpbusd %1, %2, %%zmm17\n"
            "vpdpbusd %1, %2, %%zmm18\n vpdpbusd %1, %2, %%zmm19\n vpdpbusd %1, %2, %%zmm20\n"
            "vpdpbusd %1, %2, %%zmm21\n vpdpbusd %1, %2, %%zmm22\n vpdpbusd %1, %2, %%zmm23\n"
            "vpdpbusd %1, %2, %%zmm24\n vpdpbusd %1, %2, %%zmm25\n vpdpbusd %1, %2, %%zmm26\n"
            "vpdpbusd %1, %2, %%zmm27\n vpdpbusd %1, %2, %%zmm28\n vpdpbusd %1, %2, %%zmm29\n"
            "vpdpbusd %1, %2, %%zmm30\n"
            : "+v"(sum)
            : "v"(a), "v"(b)
            : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
              "xmm26", "xmm27", "xmm28", "xmm29", "xmm30");
    return _mm512_cvtsi512_si32(sum);
}

}  // namespace hearth_benchmarks
