// Float32 to the blocks of GGUF's types, with the least squared error that a search finds.
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

// input: count / columns rows; importance [columns]: weights of the squared error, or null for all alike;
// output: the rows' blocks, one row after another. columns is a multiple of the type's block and divides
// count. Throws HEARTH_INVALID_ARGUMENT for numbers that are not finite or that the type cannot hold.
void quantize(hearth_type type, const float* input, int64_t count, int64_t columns, const float* importance,
              void* output);

}  // namespace hearth
