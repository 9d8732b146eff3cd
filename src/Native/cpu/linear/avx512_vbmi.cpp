#include "cpu/linear/vector_avx512.h"
// The expansion uses the vector layer.
#include "cpu/linear/expand_vbmi.h"

namespace hearth {
namespace {

using Expand = ExpandWith<RegisterEntries>;

}  // namespace
}  // namespace hearth

// The kernels use both.
#include "cpu/linear/kernel_template.h"
#include "cpu/linear/peak.h"

namespace hearth {

const LinearKernels kLinearAvx512Vbmi = {Isa::kTileSizes, find_tile, find_batch,
                                         quantize,        kBfloat16, kPeakLoops};

}  // namespace hearth
