// What every tensor type is, and its plain dequantization: the reference that kernels are tested against.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hearth.h"

namespace hearth {

struct TypeInfo {
    const char* name;       // as GGUF spells it
    int32_t block_columns;  // weights of a block; 1 for the floating-point types
    int32_t block_bytes;
};

// Null for a type that the engine does not compute with.
const TypeInfo* find_type(int32_t type);

// Bytes of a row of columns weights. Returns false where the type is unknown, columns is negative or no
// multiple of its block, or the size does not fit.
bool row_bytes(int32_t type, int64_t columns, size_t& bytes);

// data: whole blocks holding count weights; output [count].
void dequantize(hearth_type type, const void* data, float* output, int64_t count);

}  // namespace hearth
