// Plain dequantization of GGUF's blocks: the reference that kernels are tested against.
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

// data: whole blocks holding count weights; output [count].
void dequantize(hearth_type type, const void* data, float* output, int64_t count);

}  // namespace hearth
