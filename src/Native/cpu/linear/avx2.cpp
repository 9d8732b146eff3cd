#include "cpu/linear/vector_avx2.h"
// The kernels use the vector layer.
#include "cpu/linear/kernel_template.h"

namespace hearth {

const LinearKernels kLinearAvx2 = {Isa::kTileSizes, find_tile, quantize};

}  // namespace hearth
