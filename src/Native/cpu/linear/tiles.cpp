#include "cpu/linear/tiles.h"

#include <algorithm>

#include "cpu/isa.h"
#include "cpu/linear/layout.h"

namespace hearth {

#if defined(__x86_64__)
static const LinearKernels& avx512_kernels() {
    static const LinearKernels kernels = [] {
        LinearKernels chosen = has_vbmi() ? kLinearAvx512Vbmi : kLinearAvx512;
        if (has_bf16()) chosen.bfloat16 = kBfloat16Avx512;
        return chosen;
    }();
    return kernels;
}
#endif

const LinearKernels& linear_kernels(hearth_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case HEARTH_ISA_AVX2:
            return has_avx_vnni() ? kLinearAvxVnni : kLinearAvx2;
        case HEARTH_ISA_AVX512:
            return avx512_kernels();
#elif defined(__aarch64__)
        case HEARTH_ISA_NEON:
            return kLinearNeon;
        case HEARTH_ISA_DOTPROD:
            return kLinearDotprod;
#endif
        default:
            return kLinearScalar;
    }
}

TileKernel find_tile(const LinearKernels& kernels, hearth_type type, int size) {
    return type == HEARTH_TYPE_BF16 ? kernels.bfloat16.find_tile(size) : kernels.find_tile(type, size);
}

int64_t piece_tiles(int64_t tile_bytes, int64_t count, int64_t cuts) {
    const int64_t held = std::max<int64_t>(1, kPieceTileBytes / tile_bytes);
    return std::min(held, divide_up(count, std::clamp<int64_t>(cuts, 1, count)));
}

Tiles::Tiles(int64_t rows, const int* sizes) : rows(rows) {
    int index = 0;
    while (sizes[index + 1] != 0) ++index;
    largest = sizes[index];
    count = divide_up(rows, largest);
    const int64_t rest = rows - (count - 1) * largest;
    index = 0;
    while (sizes[index] < rest) ++index;
    last = sizes[index];
}

Preparation preparation_of(hearth_type type) {
    if (type == HEARTH_TYPE_BF16) return Preparation::Bfloat16;
    return layout_of(type).quantized() ? Preparation::Quantized : Preparation::Exact;
}

PrepareTile find_prepare(const LinearKernels& kernels, Preparation preparation) {
    return preparation == Preparation::Quantized ? kernels.quantize : kernels.bfloat16.prepare;
}

int64_t tile_row_bytes(const LinearKernels& kernels, Preparation preparation, int64_t columns) {
    int64_t words = columns;
    if (preparation == Preparation::Quantized) words = columns / kGroupColumns * kGroupWords;
    if (preparation == Preparation::Bfloat16) words = divide_up(columns, kernels.bfloat16.word_columns);
    return words * static_cast<int64_t>(sizeof(float));
}

}  // namespace hearth
