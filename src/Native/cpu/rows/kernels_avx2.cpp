#define HEARTH_SIMD_AVX2
#define HEARTH_ISA_NAMESPACE avx2
#include "cpu/rows/kernels.inl"

namespace hearth {

constinit const RowKernels avx2_row_kernels = avx2::table();

}  // namespace hearth
