// Softmax(scale q k^T + bias) v for a tile of lines, over the keys a piece at a time (online softmax, arXiv
// 1805.02867 and 2205.14135): no score matrix larger than kTileKeys x kMaxLines exists.
//
// Two kernels share the work. Few lines (decode): a vector runs along the head width (attention_few.inl).
// Many lines (prefill, or large groups): a vector holds as many lines, so that no head width leaves a
// remainder and maximum, exponential and sum need no step across lanes (attention_many.inl). L lines, D key
// width, E value width.

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
    if (!rows.pages) {
        for (int i = 0; i < count; ++i)
            address[i] = rows.base + static_cast<size_t>(index + i) * rows.row_bytes;
        return;
    }
    int64_t page = index / rows.page_tokens;
    int32_t slot = static_cast<int32_t>(index % rows.page_tokens);
    for (int i = 0; i < count;) {
        const uint8_t* start = rows.base + static_cast<size_t>(rows.pages[page]) * rows.page_bytes;
        for (; i < count && slot < rows.page_tokens; ++i, ++slot)
            address[i] = start + static_cast<size_t>(slot) * rows.row_bytes;
        ++page;
        slot = 0;
    }
}

// Rows as float32: where they lie already, else converted into `buffer`, padded(width) apart.
inline void fetch(const KvRows& rows, int64_t index, int count, float* buffer, const float** row) {
    const uint8_t* address[kTileKeys];
    locate(rows, index, count, address);
    const int stride = padded(rows.width);
    for (int i = 0; i < count; ++i) {
        if (rows.type == HEARTH_TYPE_F32) {
            row[i] = reinterpret_cast<const float*>(address[i]);
        } else {
            row[i] = buffer + i * stride;
            decode(rows.type, address[i], buffer + i * stride, rows.width);
        }
    }
}

// Softcap and ALiBi of scores against keys that lie `distance` from their lines.
inline Floats adjust(Floats score, float softcap, Floats slope, Floats distance) {
    if (softcap != 0.0f) score = splat(softcap) * hyperbolic_tangent(score * splat(1.0f / softcap));
    return score - slope * absolute(distance);
}

// What a running maximum of -infinity (nothing visible yet) is replaced with, so that -inf - -inf does not
// arise.
inline Floats finite_shift(Floats largest) {
    return select(less(splat(-kInfinity), largest), largest,
                  select(less(largest, splat(0.0f)), splat(0.0f), largest));
}

// The distance of a tile's first key from line l, short enough for the distances of all its keys to fit 32
// bits.
inline int first_distance(const AttentionTile& tile, int l, int64_t key) {
    const int64_t furthest = int64_t{tile.bias_distance} + kTileKeys, distance = key - tile.position[l];
    return static_cast<int>(distance < -furthest ? -furthest : distance > furthest ? furthest : distance);
}

// T5's bias of a key that lies `distance` after line l.
inline float bucket_bias(const AttentionTile& tile, int l, int distance) {
    const int most = tile.bias_distance;
    return tile.bias[l][tile.bias_offset[distance < -most ? -most : distance > most ? most : distance]];
}

// The interval of `tile` keys from `key` on that line l sees, relative to key.
inline int clamp_to_tile(int64_t index, int64_t key, int count) {
    const int64_t relative = index - key;
    return static_cast<int>(relative < 0 ? 0 : relative > count ? count : relative);
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE

#include "cpu/rows/attention_few.inl"
#include "cpu/rows/attention_many.inl"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

void attention_prepare(const AttentionTile& tile, const AttentionWork& work) {
    if (is_few(tile))
        few::prepare(tile, work);
    else
        many::prepare(tile, work);
}

void attention_start(const AttentionTile& tile, const AttentionState& state) {
    for (int l = 0; l < kMaxLines; ++l) {
        state.largest[l] = -kInfinity;
        state.sum[l] = 0.0f;
    }
    const int count =
        is_few(tile) ? tile.line_count * padded(tile.values.width) : lanes_of(tile) * tile.values.width;
    for (int i = 0; i < count; ++i) state.weighted[i] = 0.0f;
}

void attention_extend(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                      int64_t key_begin, int64_t key_end) {
    for (int64_t key = key_begin; key < key_end; key += kTileKeys) {
        const int count = static_cast<int>(key_end - key < kTileKeys ? key_end - key : kTileKeys);
        if (is_few(tile))
            few::extend(tile, work, state, key, count);
        else
            many::extend(tile, work, state, key, count);
    }
}

void attention_merge(const AttentionTile& tile, const AttentionState& into, const AttentionState& from) {
    alignas(64) float keep[kMaxLines], take[kMaxLines];
    for (int l = 0; l < kMaxLines; l += kWidth) {
        const Floats a = load(into.largest + l), b = load(from.largest + l);
        const Floats largest = maximum(a, b);
        const Floats shift = finite_shift(largest);
        const Floats keep_factor = exponential(a - shift), take_factor = exponential(b - shift);
        store(into.largest + l, largest);
        store(into.sum + l, load(into.sum + l) * keep_factor + load(from.sum + l) * take_factor);
        store(keep + l, keep_factor);
        store(take + l, take_factor);
    }
    if (is_few(tile))
        few::merge(tile, into.weighted, from.weighted, keep, take);
    else
        many::merge(tile, into.weighted, from.weighted, keep, take);
}

// Divides by the sums; a sink is one more term of the denominator (arXiv 2309.17453). A line that saw no key
// is zero.
void attention_finish(const AttentionTile& tile, const AttentionState& state) {
    const bool is_narrow = is_few(tile);
    const int lanes = lanes_of(tile), stride = padded(tile.values.width);
    for (int l = 0; l < tile.line_count; ++l) {
        float total = state.sum[l], factor = 1.0f;
        const float largest = state.largest[l], sink = tile.sink[l];
        if (total != 0.0f && sink > -kInfinity) {
            const float shift = largest > sink ? largest : sink;
            factor = exponential(largest - shift);
            total = total * factor + exponential(sink - shift);
        }
        float* output = tile.output[l];
        if (total == 0.0f) {
            for (int e = 0; e < tile.values.width; ++e) output[e] = 0.0f;
            continue;
        }
        factor /= total;
        const float* weighted = state.weighted + (is_narrow ? l * stride : l);
        const int step = is_narrow ? 1 : lanes;
        for (int e = 0; e < tile.values.width; ++e) output[e] = weighted[e * step] * factor;
    }
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
