#include "cpu/linear/vector_scalar.h"
// The kernels use the vector layer.
#include "cpu/linear/kernel_template.h"

namespace hearth {

const LinearKernels kLinearScalar = {Isa::kTileSizes, find_tile, quantize};

}  // namespace hearth
