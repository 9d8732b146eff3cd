#include "cpu/linear/tiles.h"

#include <cstring>

#include "core/isa.h"
#include "cpu/linear/layout.h"

namespace hearth {

const LinearKernels& linear_kernels(hearth_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case HEARTH_ISA_AVX2:
            return has_avx_vnni() ? kLinearAvxVnni : kLinearAvx2;
        case HEARTH_ISA_AVX512:
            return has_vbmi() ? kLinearAvx512Vbmi : kLinearAvx512;
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

int64_t tile_row_bytes(Preparation preparation, int64_t columns) {
    const int64_t words =
        preparation == Preparation::Quantized ? columns / kGroupColumns * kGroupWords : columns;
    return words * static_cast<int64_t>(sizeof(float));
}

float round_to_bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        bits = (bits | 0x00400000u) & 0xffff0000u;
    else
        bits = (bits + 0x7fffu + ((bits >> 16) & 1)) & 0xffff0000u;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace hearth
