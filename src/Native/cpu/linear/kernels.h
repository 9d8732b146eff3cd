// The table of kernels that one instruction set provides; linear.cpp splits a call into their pieces.
// Units compiled for an instruction set include this, so it holds declarations only.
#pragma once

#include <cstdint>

#include "cpu/linear/layout.h"
#include "hearth.h"

namespace hearth {

// Lines of weights are asked for this far ahead of their use, across panels, since a thread's panels follow
// each other in memory.
constexpr int kPrefetchBytes = 2048;
// Codes in planes leave one or two rows to the hardware's own prefetching, which is as fast as reading there
// and which early requests disturb; from three rows on it falls behind, and products wait for lines.
constexpr int kPlanePrefetchRows = 3;
constexpr int kPlanePrefetchBytes = 4096;

// tile [R][16] = a tile of R rows of activations * a panel^T, over columns columns.
using TileKernel = void (*)(const uint8_t* panel, const uint8_t* activations, int64_t columns, float* tile);

// The same for tiles of the largest size that lie tile_bytes apart; sums [tiles][R][16]. For types whose
// chunks are expanded, which is then done once for all the tiles.
using BatchKernel = void (*)(const uint8_t* panel, const uint8_t* activations, int64_t tile_bytes, int tiles,
                             int64_t columns, float* sums);

// Loops of nothing but products, to measure the limit; each returns something of its sums.
struct PeakLoops {
    int64_t (*int8)(int64_t rounds);
    int64_t (*float32)(int64_t rounds);
    int64_t int8_products, float32_products;  // multiply-adds of a round
};

// A tile of size rows of prepared activations from rows [rows, columns]; rows rows .. size - 1 become zero.
using PrepareTile = void (*)(const float* input, int64_t stride, int64_t columns, int rows, int size,
                             uint8_t* tile);

// Products with BF16 weights: activations are rounded to bfloat16, which is what such weights met in training
// and meet in llama.cpp.
struct Bfloat16Kernels {
    // Columns in a word of activations: 1, as float32, or 2, as bfloat16.
    int word_columns;

    TileKernel (*find_tile)(int size);

    // Rounds ties to even; NaN stays NaN.
    PrepareTile prepare;
};

struct LinearKernels {
    // Tile sizes R in rising order, ended by 0.
    const int* tile_sizes;

    // size: one of tile_sizes. For BF16 see bfloat16.
    TileKernel (*find_tile)(hearth_type type, int size);

    // Null for types that gain nothing from it.
    BatchKernel (*find_batch)(hearth_type type);

    // Quantized activations (layout.h). Scale of a block: the largest magnitude / 127; a block with a value
    // that is not finite gets the scale NaN.
    PrepareTile quantize;

    Bfloat16Kernels bfloat16;

    PeakLoops peak;
};

extern const LinearKernels kLinearScalar;
#if defined(__x86_64__)
extern const LinearKernels kLinearAvx2;
extern const LinearKernels kLinearAvxVnni;  // for processors that have AVX-VNNI as well
extern const LinearKernels kLinearAvx512;
extern const LinearKernels kLinearAvx512Vbmi;  // for processors that have AVX512-VBMI as well
extern const Bfloat16Kernels kBfloat16Avx512;  // for those that have AVX512-BF16, in either table's place
#elif defined(__aarch64__)
extern const LinearKernels kLinearNeon;
extern const LinearKernels kLinearDotprod;
#endif

}  // namespace hearth
