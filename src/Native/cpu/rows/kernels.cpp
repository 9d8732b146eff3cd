#include "cpu/rows/kernels.h"

namespace hearth {

const RowKernels& row_kernels(hearth_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
        case HEARTH_ISA_AVX512:
            return avx512_row_kernels;
        case HEARTH_ISA_AVX2:
            return avx2_row_kernels;
#elif defined(__aarch64__)
        case HEARTH_ISA_NEON:
        case HEARTH_ISA_DOTPROD:
            return neon_row_kernels;
#endif
        default:
            return scalar_row_kernels;
    }
}

}  // namespace hearth
