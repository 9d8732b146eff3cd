// Softmax(scale q k^T + bias) v for a tile of lines, over the keys a piece at a time (online softmax, arXiv
// 1805.02867 and 2205.14135): no score matrix larger than kTileKeys x kStripLines exists.
//
// Two kernels share the work. Few lines (decode): a vector holds as many keys, or runs along the head width
// (attention_few.inl). Many lines (prefill, or large groups): a vector holds as many lines, so that no head
// width leaves a remainder and maximum, exponential and sum need no step across lanes (attention_many.inl).
// Both give the same bits. L lines, D key width, E value width.

#include "cpu/attention/softmax.inl"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

// With fewer lines than this a vector of lines would be mostly empty.
constexpr int kFewLines = kWidth / 2;

constexpr int kPad = 16;  // floats: every instruction set's kWidth divides it

inline bool is_few(const AttentionTile& tile) {
    return tile.line_count <= kFewLines;
}
inline int padded(int n) {
    return (n + kPad - 1) / kPad * kPad;
}
inline int lanes_of(const AttentionTile& tile) {
    return (tile.line_count + kWidth - 1) / kWidth * kWidth;
}

// Addresses of rows index .. index + count - 1.
inline void locate(const KvRows& rows, int64_t index, int count, const uint8_t** address) {
    const size_t bytes = rows.row_bytes;
    if (!rows.pages) {
        const uint8_t* first = rows.base + static_cast<size_t>(index) * bytes;
        for (int i = 0; i < count; ++i) address[i] = first + static_cast<size_t>(i) * bytes;
        return;
    }
    int64_t page = index / rows.page_tokens;
    int slot = static_cast<int>(index % rows.page_tokens);
    for (int i = 0; i < count; ++page, slot = 0) {
        const uint8_t* first = rows.base + static_cast<size_t>(rows.pages[page]) * rows.page_bytes;
        const int left = rows.page_tokens - slot, rest = count - i, end = slot + (left < rest ? left : rest);
        for (; slot < end; ++i, ++slot) address[i] = first + static_cast<size_t>(slot) * bytes;
    }
}

// Pages lie anywhere, so the processor cannot guess which rows come next. To the second cache: the first is
// full of what is at work. GCC 12 leaves out calls of functions that only prefetch, hence always_inline.
[[gnu::always_inline]] inline void prefetch_row(const uint8_t* row, size_t bytes) {
    for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(row + b, 0, 2);
}

// What a line's weighted sum is multiplied with in the end. A sink is one more term of the denominator (arXiv
// 2309.17453).
inline float final_factor(const AttentionTile& tile, int l, float largest, float total) {
    const float sink = tile.sink[l] * kLog2E;
    if (total == 0.0f || !(sink > -kInfinity)) return 1.0f / total;
    const float shift = largest > sink ? largest : sink;
    const float factor = power_of_two(largest - shift);
    return factor / (total * factor + power_of_two(sink - shift));
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE

#include "cpu/attention/few.inl"
#include "cpu/attention/many.inl"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

void attention_prepare(const AttentionTile& tile, const AttentionWork& work) {
    if (is_few(tile))
        few::prepare(tile, work);
    else
        many::prepare(tile, work);
}

void attention_start(const AttentionTile& tile, const AttentionState& state) {
    for (int l = 0; l < lanes_of(tile); ++l) {
        state.largest[l] = -kInfinity;
        state.sum[l] = 0.0f;
    }
    const int count = is_few(tile) ? few::padded_lines(tile) * padded(tile.values.width)
                                   : lanes_of(tile) * tile.values.width;
    for (int i = 0; i < count; ++i) state.weighted[i] = 0.0f;
}

void attention_extend(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                      int64_t key_begin, int64_t key_end) {
    if (is_few(tile))
        few::extend(tile, work, state, key_begin, key_end);
    else
        many::extend(tile, work, state, key_begin, key_end);
}

void attention_merge(const AttentionTile& tile, const AttentionState& into, const AttentionState& from) {
    alignas(64) float keep[kMaxLines], take[kMaxLines];
    for (int l = 0; l < lanes_of(tile); l += kWidth) {
        const Floats a = load(into.largest + l), b = load(from.largest + l);
        const Floats largest = maximum(a, b);
        const Floats shift = finite_shift(largest);
        const Floats keep_factor = power_of_two(a - shift), take_factor = power_of_two(b - shift);
        store(into.largest + l, largest);
        store(into.sum + l, fma(load(from.sum + l), take_factor, load(into.sum + l) * keep_factor));
        store(keep + l, keep_factor);
        store(take + l, take_factor);
    }
    if (is_few(tile))
        few::merge(tile, into.weighted, from.weighted, keep, take);
    else
        many::merge(tile, into.weighted, from.weighted, keep, take);
}

// Divides by the sums. A line that saw no key is zero.
void attention_finish(const AttentionTile& tile, const AttentionState& state) {
    if (is_few(tile))
        few::finish(tile, state);
    else
        many::finish(tile, state);
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
