#define HEARTH_SIMD_NEON
#define HEARTH_ISA_NAMESPACE neon
#include "cpu/rows/kernels.inl"

namespace hearth {

constinit const RowKernels neon_row_kernels = neon::table();

}  // namespace hearth
