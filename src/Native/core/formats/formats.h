// Plain dequantization of every tensor type: the reference that kernels are tested against.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hearth.h"

namespace hearth {

// data: whole blocks holding count weights; output [count].
void dequantize(hearth_type type, const void* data, float* output, int64_t count);

}  // namespace hearth
