// Facts about GGUF's tensor types that need no arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hearth.h"

namespace hearth {

struct TypeInfo {
    hearth_type type;
    const char* name;
    int32_t block;        // values of a block
    int32_t block_bytes;  // bytes of a block
};

// Null for a type that this engine does not compute with.
const TypeInfo* find_type(int32_t type);

// Throws HEARTH_UNSUPPORTED for an unknown type, naming those that are known.
const TypeInfo& type_info(int32_t type);

// Bytes of rows x columns values; throws HEARTH_INVALID_ARGUMENT where columns is no multiple of the block or
// the product overflows.
size_t matrix_bytes(const TypeInfo& type, int64_t rows, int64_t columns);

// Bytes of so many matrices of rows x columns one after another; throws as matrix_bytes does, and where stack
// is below 1.
size_t stack_bytes(const TypeInfo& type, int64_t stack, int64_t rows, int64_t columns);

}  // namespace hearth
