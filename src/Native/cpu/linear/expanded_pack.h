// Packing of the types whose chunks the kernels expand (layout.h), and single rows back to float32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/formats/codebooks.h"
#include "cpu/linear/layout.h"

namespace hearth {

// Rows of a panel as they lie in the file.
struct PanelRows {
    const uint8_t* data;
    size_t row_bytes;
    int rows;  // at most kPanelRows
};

using PackPanel = void (*)(const PanelRows& source, int64_t columns, uint8_t* panel);

// Null for a type that is not expanded.
PackPanel find_expanded_pack(hearth_type type);

// output [columns]; results are those of the plain dequantization.
void unpack_expanded(hearth_type type, const uint8_t* panel, int64_t columns, int row, float* output);

// One row's numbers, signs and shifts of a packed group.
CodebookGroup read_packed_group(const CodebookShape& shape, const uint8_t* group, int row);

// One row's 256 digits of a packed chunk.
void read_packed_trits(const uint8_t* chunk, int row, uint8_t* digits);

}  // namespace hearth
