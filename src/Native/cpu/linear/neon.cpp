#include "cpu/linear/vector_neon.h"
// The expansion uses the vector layer.
#include "cpu/linear/expand_neon.h"
// The kernels use both.
#include "cpu/linear/kernel_template.h"
#include "cpu/linear/peak.h"

namespace hearth {

const LinearKernels kLinearNeon = {Isa::kTileSizes, find_tile, find_batch, quantize, kBfloat16, kPeakLoops};

}  // namespace hearth
