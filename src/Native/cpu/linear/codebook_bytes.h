// The grids as the kernels look them up.
#pragma once

#include "hearth.h"

namespace hearth {

// [entries] words of 8 or 4 bytes of value + 64, uint64_t or uint32_t; values of a shifted codebook are those
// above their levels. Null for a type without a grid. Valid for ever.
const void* codebook_bytes(hearth_type type);

// 2^-n by which a type's scales are smaller than what the packed header holds.
float scale_unit(hearth_type type);

}  // namespace hearth
