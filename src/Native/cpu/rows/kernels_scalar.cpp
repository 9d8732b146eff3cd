#define HEARTH_SIMD_SCALAR
#define HEARTH_ISA_NAMESPACE scalar
#include "cpu/rows/kernels.inl"

namespace hearth {

constinit const RowKernels scalar_row_kernels = scalar::table();

}  // namespace hearth
