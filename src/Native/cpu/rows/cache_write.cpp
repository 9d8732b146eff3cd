#include "core/error.h"
#include "core/formats/blocks.h"
#include "cpu/attention.h"
#include "cpu/rows/kernels.h"

namespace hearth {

size_t cache_row_bytes(hearth_type type, int32_t width) {
    const size_t count = static_cast<size_t>(width);
    switch (type) {
        case HEARTH_TYPE_F32:
            return count * sizeof(float);
        case HEARTH_TYPE_F16:
        case HEARTH_TYPE_BF16:
            return count * sizeof(uint16_t);
        case HEARTH_TYPE_Q8_0:
        case HEARTH_TYPE_Q4_0:
            if (count % kBlockColumns != 0)
                fail(HEARTH_UNSUPPORTED,
                     "a cache of type %d holds blocks of %d values: expected a head width that is a multiple "
                     "of it, got %d",
                     static_cast<int>(type), kBlockColumns, width);
            return count / kBlockColumns * (type == HEARTH_TYPE_Q8_0 ? sizeof(BlockQ8_0) : sizeof(BlockQ4_0));
        default:
            fail(HEARTH_UNSUPPORTED, "a cache holds F32, F16, BF16, Q8_0 or Q4_0, not type %d",
                 static_cast<int>(type));
    }
}

void cache_write(hearth_isa isa, const CacheWriteCall& call, ThreadPool& pool) {
    const RowKernels& kernels = row_kernels(isa);
    const KvLayer& layer = *call.layer;
    const size_t key_bytes = cache_row_bytes(layer.key_type, layer.key_width);
    const size_t value_bytes =
        layer.value_width > 0 ? cache_row_bytes(layer.value_type, layer.value_width) : 0;
    constexpr int64_t kPieceFloats = 8192;
    const int64_t row_floats = int64_t{layer.kv_heads} * (layer.key_width + layer.value_width);
    const int64_t grain = row_floats >= kPieceFloats ? 1 : kPieceFloats / (row_floats > 0 ? row_floats : 1);
    for (int32_t s = 0; s < call.sequence_count; ++s) {
        const SequenceRows& sequence = call.sequences[s];
        pool.parallel_for(sequence.row_count, grain, [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) {
                const int64_t position = sequence.past + i;
                const size_t page = static_cast<size_t>(sequence.pages[position / layer.page_tokens]);
                const size_t slot = static_cast<size_t>(position % layer.page_tokens);
                const float* keys = call.keys + (sequence.row_begin + i) * call.key_stride;
                const float* values =
                    value_bytes > 0 ? call.values + (sequence.row_begin + i) * call.value_stride : nullptr;
                for (int32_t head = 0; head < layer.kv_heads; ++head) {
                    const size_t row =
                        static_cast<size_t>(head) * static_cast<size_t>(layer.page_tokens) + slot;
                    kernels.encode(layer.key_type, keys + int64_t{head} * layer.key_width,
                                   layer.keys + page * layer.key_page_bytes + row * key_bytes,
                                   layer.key_width);
                    if (value_bytes == 0) continue;
                    kernels.encode(layer.value_type, values + int64_t{head} * layer.value_width,
                                   layer.values + page * layer.value_page_bytes + row * value_bytes,
                                   layer.value_width);
                }
            }
        });
    }
}

}  // namespace hearth
