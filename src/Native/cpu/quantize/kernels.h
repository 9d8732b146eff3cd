// Quantizers of one block, once for every instruction set that they are compiled for. All give the same
// bytes.
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

// input, importance: the columns of one block, finite. Writes the block; false where its scale exceeds f16's
// range.
using BlockQuantizer = bool (*)(const float* input, const float* importance, void* block);

// Null for a type that has no blocks.
BlockQuantizer block_quantizer_baseline(hearth_type type);
BlockQuantizer block_quantizer_avx2(hearth_type type);

}  // namespace hearth
