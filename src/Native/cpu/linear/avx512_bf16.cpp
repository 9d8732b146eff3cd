// Products of BF16 weights by vdpbf16ps: two columns, their sum and the one so far in one instruction, at the
// rate of float32's products of one. The instructions for bfloat16 take subnormal numbers for zero, and give
// zero for them: what is below 2^-126 is lost, as activations, weights and products.
#include "cpu/linear/kernels.h"
#include "cpu/linear/layout.h"
#include "cpu/linear/vector_avx512.h"

namespace hearth {
namespace {

template <int R>
void tile(const uint8_t* panel, const uint8_t* activations, int64_t columns, float* output) {
    const auto* inputs = reinterpret_cast<const int32_t*>(activations);
    Isa::F sums[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sums[r] = Isa::zero();
    for (int64_t k = 0; k < column_pairs(columns); ++k, panel += kPairBytes, inputs += R) {
        Isa::prefetch(panel + kPrefetchBytes);
        const auto weights = reinterpret_cast<__m512bh>(Isa::load_pairs(panel));
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
            sums[r] =
                _mm512_dpbf16_ps(sums[r], weights, reinterpret_cast<__m512bh>(_mm512_set1_epi32(inputs[r])));
    }
    for (int r = 0; r < R; ++r) Isa::store(output + r * kPanelRows, sums[r]);
}

template <int kIndex = 0>
TileKernel find_tile(int size) {
    constexpr int R = Isa::kTileSizes[kIndex];
    if constexpr (R == 0)
        return nullptr;
    else
        return size == R ? tile<R> : find_tile<kIndex + 1>(size);
}

// The lanes of 16 values from first that lie before end.
__mmask16 lanes(int64_t first, int64_t end) {
    const int64_t count = end - first;
    if (count >= 16) return 0xffff;
    return static_cast<__mmask16>(count <= 0 ? 0 : (1 << count) - 1);
}

// 32 values from row + first, those beyond columns zero, as 16 pairs.
__m512i round_pairs(const float* row, int64_t first, int64_t columns) {
    const __m512 low = _mm512_maskz_loadu_ps(lanes(first, columns), row + first);
    const __m512 high = _mm512_maskz_loadu_ps(lanes(first + 16, columns), row + first + 16);
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

// For 16 pairs all rows of the tile together, so that what is being written stays in the nearest cache.
void prepare(const float* input, int64_t stride, int64_t columns, int rows, int size, uint8_t* output) {
    auto* words = reinterpret_cast<uint32_t*>(output);
    const int64_t pairs = column_pairs(columns);
    for (int64_t first = 0; first < pairs; first += 16, words += 16 * size) {
        const int count = static_cast<int>(pairs - first < 16 ? pairs - first : 16);
        for (int r = 0; r < size; ++r) {
            alignas(64) uint32_t row[16] = {};
            if (r < rows) _mm512_store_si512(row, round_pairs(input + r * stride, 2 * first, columns));
            for (int k = 0; k < count; ++k) words[k * size + r] = row[k];
        }
    }
}

}  // namespace

const Bfloat16Kernels kBfloat16Avx512 = {2, find_tile, prepare};

}  // namespace hearth
