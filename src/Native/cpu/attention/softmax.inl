// The softmax of both kernels of attention: scores to powers of two against a running maximum. A vector holds
// Lines lines and kWidth / Lines keys of each, either one line or one key: lane i of vector j is line i / kKeys
// of the lines at hand and key j * kKeys + i % kKeys.
//
// Both kernels do the same roundings in the same order, so that a line's result depends on its own keys alone,
// whatever lines stand beside it: products are summed along the head width, weighted values along the keys,
// and exponentials in kWidth sums, key k of a span in sum k % kWidth.

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

// Scores are kept times log2(e), so that exponentials are powers of two.
constexpr float kLog2E = 1.44269504089f;

// Whether scores need more than the scale that prepare() puts into the queries.
inline bool is_adjusted(const AttentionTile& tile) {
    return tile.softcap != 0.0f || tile.biased || tile.bias_offset;
}
inline float query_scale(const AttentionTile& tile, int l) {
    return is_adjusted(tile) ? tile.scale[l] : tile.scale[l] * kLog2E;
}

// What a running maximum of -infinity (nothing visible yet) is replaced with, so that -inf - -inf does not
// arise.
inline Floats finite_shift(Floats largest) {
    return select(less(splat(-kInfinity), largest), largest,
                  select(less(largest, splat(0.0f)), splat(0.0f), largest));
}

// The largest of a vector's lanes, and their sum by halves, in all of them.
inline Floats largest_lane(Floats x) {
    if constexpr (kWidth > 1) x = maximum(swap_lanes<1>(x), x);
    if constexpr (kWidth > 2) x = maximum(swap_lanes<2>(x), x);
    if constexpr (kWidth > 4) x = maximum(swap_lanes<4>(x), x);
    if constexpr (kWidth > 8) x = maximum(swap_lanes<8>(x), x);
    return x;
}
inline Floats sum_of_lanes(Floats x) {
    if constexpr (kWidth > 1) x = x + swap_lanes<1>(x);
    if constexpr (kWidth > 2) x = x + swap_lanes<2>(x);
    if constexpr (kWidth > 4) x = x + swap_lanes<4>(x);
    if constexpr (kWidth > 8) x = x + swap_lanes<8>(x);
    return x;
}

// The distance of a tile's first key from line l, short enough for the distances of all its keys to fit 32
// bits.
inline int first_distance(const AttentionTile& tile, int l, int64_t key) {
    const int64_t furthest = int64_t{tile.bias_distance} + kTileKeys, distance = key - tile.position[l];
    return static_cast<int>(distance < -furthest ? -furthest : distance > furthest ? furthest : distance);
}

// The learned bias of a key that lies `distance` after line l.
inline float bucket_bias(const AttentionTile& tile, int l, int distance) {
    const int most = tile.bias_distance;
    return tile.bias[l][tile.bias_offset[distance < -most ? -most : distance > most ? most : distance]];
}

// The interval of `count` keys from `key` on that a line sees, relative to key.
inline int clamp_to_tile(int64_t index, int64_t key, int count) {
    const int64_t relative = index - key;
    return static_cast<int>(relative < 0 ? 0 : relative > count ? count : relative);
}

// Adds to the scores of `count` keys what is not a product, and hides keys that their lines do not see.
template <int Lines>
inline void adjust(const AttentionTile& tile, int first, float* s, int stride, int64_t key, int count) {
    constexpr int kKeys = kWidth / Lines;
    alignas(64) float begin[kWidth], end[kWidth], distance[kWidth], slope[kWidth];
    int line[kWidth], bias_distance[kWidth];
    for (int i = 0; i < kWidth; ++i) {
        // Lanes beyond the last line compute what it computes.
        const int l = first + i / kKeys < tile.line_count ? first + i / kKeys : tile.line_count - 1;
        const int k = i % kKeys;
        begin[i] = static_cast<float>(clamp_to_tile(tile.visible_begin[l], key, count) - k);
        end[i] = static_cast<float>(clamp_to_tile(tile.visible_end[l], key, count) - k);
        distance[i] = static_cast<float>(key + k - tile.position[l]);
        slope[i] = -tile.slope[l];
        line[i] = l;
        bias_distance[i] = tile.bias_offset ? first_distance(tile, l, key) + k : 0;
    }
    const Floats lower = load(begin), upper = load(end), apart = load(distance), slopes = load(slope);
    const bool adjusted = is_adjusted(tile);
    for (int k = 0; k < count; k += kKeys, s += stride) {
        const Floats index = splat(static_cast<float>(k));
        Floats x = load(s);
        if (adjusted) {
            if (tile.softcap != 0.0f)
                x = splat(tile.softcap) * hyperbolic_tangent(x * splat(1.0f / tile.softcap));
            x = fma(slopes, absolute(apart + index), x);
            if (tile.bias_offset) {
                alignas(64) float bias[kWidth];
                for (int i = 0; i < kWidth; ++i) bias[i] = bucket_bias(tile, line[i], bias_distance[i] + k);
                x = x + load(bias);
            }
            x = x * splat(kLog2E);
        }
        x = select(less(index, lower), splat(-kInfinity), x);
        store(s, select(less(index, upper), x, splat(-kInfinity)));
    }
}

// Turns vectors of scores, `stride` floats apart, into powers of two, and adds them up in sums of their own: of
// one key a vector, those of key k % kWidth.
inline Floats power_sum(float* s, int stride, int count, Floats shift) {
    const auto power = [&](int j) {
        const Floats p = power_of_two(load(s + j * stride) - shift);
        store(s + j * stride, p);
        return p;
    };
    Floats part[kWidth];
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) part[i] = splat(0.0f);
    int j = 0;
    for (; j + kWidth <= count; j += kWidth)
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i) part[i] = part[i] + power(j + i);
    if (j < count) {
        // Copied, so that the sums before it stay in registers.
        Floats rest[kWidth];
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i) rest[i] = part[i];
        for (int i = 0; j + i < count; ++i) rest[i] = rest[i] + power(j + i);
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i) part[i] = rest[i];
    }
#pragma GCC unroll 4
    for (int half = 1; half < kWidth; half *= 2)
#pragma GCC unroll 8
        for (int i = 0; i < kWidth; i += 2 * half) part[i] = part[i] + part[i + half];
    return part[0];
}

// Turns the scores of lines from `first` on against `count` keys into powers of two against the new maximum.
// Vectors of them lie `stride` floats apart. `key` lies a multiple of kWidth behind the span's first, so that
// sums are of the same keys whatever is seen. largest, sum and factors, what the past is worth now: [Lines].
template <int Lines>
inline void exponentiate(const AttentionTile& tile, int first, float* largest, float* sum, float* s,
                         int stride, int64_t key, int count, float* factors) {
    static_assert(Lines == 1 || Lines == kWidth);
    constexpr bool kOneLine = Lines == 1 && kWidth > 1;
    constexpr int kKeys = kWidth / Lines;
    const bool all_visible = key >= tile.all_visible_begin && key + count <= tile.all_visible_end;
    if (!all_visible || count % kKeys != 0 || is_adjusted(tile))
        adjust<Lines>(tile, first, s, stride, key, count);
    const int vectors = (count + kKeys - 1) / kKeys;
    const Floats past = kOneLine ? splat(*largest) : load(largest);
    Floats now = past;
    for (int j = 0; j < vectors; ++j) now = maximum(load(s + j * stride), now);
    if constexpr (kOneLine) now = largest_lane(now);
    const Floats shift = finite_shift(now);
    const Floats factor = power_of_two(past - shift);
    if constexpr (kOneLine) {
        Floats total = splat(0.0f);
        for (int j = 0; j < vectors; ++j) {
            const Floats p = power_of_two(load(s + j * stride) - shift);
            store(s + j * stride, p);
            total = total + p;
        }
        store_first(sum, fma(splat(*sum), factor, sum_of_lanes(total)), 1);
        store_first(largest, now, 1);
        store_first(factors, factor, 1);
    } else {
        store(sum, fma(load(sum), factor, power_sum(s, stride, vectors, shift)));
        store(largest, now);
        store(factors, factor);
    }
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
