#include <algorithm>

#include "cpu/attention.h"
#include "cpu/rows/kernels.h"

namespace hearth {

void cache_write_rows(hearth_isa isa, const CacheWriteCall& call, int64_t first_row, int64_t row_count) {
    const RowKernels& kernels = row_kernels(isa);
    const KvLayer& layer = *call.layer;
    const size_t key_bytes = cache_row_bytes(layer.key_type, layer.key_width);
    const size_t value_bytes =
        layer.value_width > 0 ? cache_row_bytes(layer.value_type, layer.value_width) : 0;
    for (int32_t s = 0; s < call.sequence_count; ++s) {
        const SequenceRows& sequence = call.sequences[s];
        const int64_t begin = std::max<int64_t>(first_row, sequence.row_begin);
        const int64_t end = std::min(first_row + row_count, int64_t{sequence.row_begin} + sequence.row_count);
        for (int64_t row = begin; row < end; ++row) {
            const int64_t position = sequence.past + row - sequence.row_begin;
            const size_t page = static_cast<size_t>(sequence.pages[position / layer.page_tokens]);
            const size_t slot = static_cast<size_t>(position % layer.page_tokens);
            const float* keys = call.keys + row * call.key_stride;
            const float* values = value_bytes > 0 ? call.values + row * call.value_stride : nullptr;
            for (int32_t head = 0; head < layer.kv_heads; ++head) {
                const size_t place =
                    static_cast<size_t>(head) * static_cast<size_t>(layer.page_tokens) + slot;
                kernels.encode(layer.key_type, keys + int64_t{head} * layer.key_width,
                               layer.keys + page * layer.key_page_bytes + place * key_bytes, layer.key_width);
                if (value_bytes == 0) continue;
                kernels.encode(layer.value_type, values + int64_t{head} * layer.value_width,
                               layer.values + page * layer.value_page_bytes + place * value_bytes,
                               layer.value_width);
            }
        }
    }
}

void cache_write(hearth_isa isa, const CacheWriteCall& call, ThreadPool& pool) {
    constexpr int64_t kPieceFloats = 8192;
    const KvLayer& layer = *call.layer;
    const int64_t row_floats =
        std::max<int64_t>(1, int64_t{layer.kv_heads} * (layer.key_width + layer.value_width));
    int64_t rows = 0;
    for (int32_t s = 0; s < call.sequence_count; ++s)
        rows = std::max(rows, int64_t{call.sequences[s].row_begin} + call.sequences[s].row_count);
    pool.parallel_for(
        rows, std::max<int64_t>(1, kPieceFloats / row_floats),
        [&](int64_t begin, int64_t end, int) { cache_write_rows(isa, call, begin, end - begin); });
}

}  // namespace hearth
