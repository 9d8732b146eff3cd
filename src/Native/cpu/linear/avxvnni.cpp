#include "cpu/linear/vector_avx2.h"
// The expansion uses the vector layer.
#include "cpu/linear/expand_avx2.h"
// The kernels use both.
#include "cpu/linear/kernel_template.h"
#include "cpu/linear/peak.h"

namespace hearth {

const LinearKernels kLinearAvxVnni = {Isa::kTileSizes, find_tile, find_batch,
                                      quantize,        kBfloat16, kPeakLoops};

}  // namespace hearth
