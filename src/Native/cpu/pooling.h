// Sequences summed up in one row each.
#pragma once

#include "cpu/attention.h"
#include "cpu/operations.h"

namespace hearth {

// Output row o is the mean of the input rows of the sequence that row output_rows[o] belongs to. output_rows
// [output.rows] rise; sequences lie one after another and cover the input's rows.
void pool_rows(ConstRows input, const SequenceRows* sequences, const int32_t* output_rows, Rows output,
               ThreadPool& pool);

}  // namespace hearth
