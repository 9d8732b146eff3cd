#include "cpu/pooling.h"

#include <algorithm>

namespace hearth {

void pool_rows(ConstRows input, const SequenceRows* sequences, const int32_t* output_rows, Rows output,
               ThreadPool& pool) {
    // Columns summed together: their float64 sums stay in the nearest cache while rows stream by.
    constexpr int64_t kColumns = 128;
    const int64_t pieces = (output.width + kColumns - 1) / kColumns;
    for (int64_t o = 0; o < output.rows; ++o) {
        while (output_rows[o] >= sequences->row_begin + sequences->row_count) ++sequences;
        const SequenceRows& sequence = *sequences;
        const float* first = input.data + sequence.row_begin * input.width;
        float* result = output.data + o * output.width;
        pool.parallel_for(pieces, 4, [&](int64_t begin, int64_t end, int) {
            for (int64_t column = begin * kColumns; column < std::min(end * kColumns, output.width);
                 column += kColumns) {
                const int64_t count = std::min(kColumns, output.width - column);
                double sums[kColumns] = {};
                for (int64_t row = 0; row < sequence.row_count; ++row)
                    for (int64_t i = 0; i < count; ++i) sums[i] += first[row * input.width + column + i];
                for (int64_t i = 0; i < count; ++i)
                    result[column + i] = static_cast<float>(sums[i] / sequence.row_count);
            }
        });
    }
}

}  // namespace hearth
