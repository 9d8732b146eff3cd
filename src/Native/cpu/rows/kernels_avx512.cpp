#define HEARTH_SIMD_AVX512
#define HEARTH_ISA_NAMESPACE avx512
#include "cpu/rows/kernels.inl"

namespace hearth {

constinit const RowKernels avx512_row_kernels = avx512::table();

}  // namespace hearth
