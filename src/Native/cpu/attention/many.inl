// Many lines over one KV head, a line in each lane. Lines are worked on in strips of two vectors; keys and
// values are made float32 once for all strips. Of a strip of N lanes: queries [D, N], weighted [E, N], scores
// [keys, N]; strips lie one after the other. largest, sum and factors [lanes].

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace many {
namespace {

// Sums of the products: kBlock keys (or value columns) times two vectors of lines fit the registers.
constexpr int kBlock = kWidth == 16 || kWidth == 4 ? 8 : 4;
constexpr int kSpan = kTileKeys;  // keys at a time
constexpr int kStrip = 2 * kWidth;
static_assert(kSpan % kBlock == 0 && kSpan % kWidth == 0 && kMaxLines % kStrip == 0);

// Calls body(Vectors{}, first lane) for each strip.
template <int N>
struct Vectors {
    static constexpr int kCount = N, kLanes = N * kWidth;
};
template <typename Body>
inline void for_strips(const AttentionTile& tile, const Body& body) {
    const int lanes = lanes_of(tile);
    int lane = 0;
    for (; lane + kStrip <= lanes; lane += kStrip) body(Vectors<2>{}, lane);
    if (lane < lanes) body(Vectors<1>{}, lane);
}

// The kWidth lines from `lane` on, those beyond the last being the last again.
inline int line_at(const AttentionTile& tile, int lane) {
    return lane < tile.line_count ? lane : tile.line_count - 1;
}

inline void prepare(const AttentionTile& tile, const AttentionWork& work) {
    const int width = tile.keys.width;
    for_strips(tile, [&](auto vectors, int first) {
        for (int v = 0; v < vectors.kCount; ++v) {
            const int lane = first + v * kWidth;
            alignas(64) float scale[kWidth];
            for (int i = 0; i < kWidth; ++i) scale[i] = query_scale(tile, line_at(tile, lane + i));
            float* q = work.queries + first * width + v * kWidth;
            for (int d = 0; d < width; d += kWidth) {
                const int count = width - d < kWidth ? width - d : kWidth;
                Floats x[kWidth];
                for (int i = 0; i < kWidth; ++i) {
                    const float* row = tile.query[line_at(tile, lane + i)] + d;
                    x[i] = count == kWidth ? load(row) : load_first(row, count);
                }
                transpose(x);
                for (int i = 0; i < count; ++i) store(q + (d + i) * vectors.kLanes, x[i] * load(scale));
            }
        }
    });
}

// Distance of rows in work.rows: not a power of two, or a column would fall into few sets of the cache.
inline int row_stride(int width) {
    return padded(width) + kPad;
}

// `count` rows from index `key` on as float32, row_stride(width) apart. Rows up to `end` follow: those of the
// next span are prefetched.
inline void convert(const KvRows& rows, int64_t key, int count, int64_t end, float* buffer) {
    const uint8_t *address[kSpan], *next[kSpan];
    const int64_t rest = end - key - count;
    const int next_count = static_cast<int>(rest < kSpan ? rest : kSpan);
    locate(rows, key, count, address);
    if (next_count > 0) locate(rows, key + count, next_count, next);
    const int stride = row_stride(rows.width);
    with_source(rows.type, [&](auto source) {
        for (int k = 0; k < count; ++k) {
            if (k < next_count) prefetch_row(next[k], rows.row_bytes);
            decode<decltype(source)>(address[k], buffer + k * stride, rows.width);
        }
    });
}

// Unrolling is asked for, so that the sums never see memory.
template <int Vectors>
inline void score_block(const float* keys, int stride, const float* queries, int width, float* scores) {
    constexpr int kLanes = Vectors * kWidth;
    Floats total[kBlock][Vectors];
#pragma GCC unroll 8
    for (int k = 0; k < kBlock; ++k)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) total[k][v] = splat(0.0f);
    for (int d = 0; d < width; ++d) {
        Floats q[Vectors];
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) q[v] = load(queries + d * kLanes + v * kWidth);
#pragma GCC unroll 8
        for (int k = 0; k < kBlock; ++k) {
            const Floats x = splat(keys[k * stride + d]);
#pragma GCC unroll 2
            for (int v = 0; v < Vectors; ++v) total[k][v] = fma(x, q[v], total[k][v]);
        }
    }
#pragma GCC unroll 8
    for (int k = 0; k < kBlock; ++k)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) store(scores + k * kLanes + v * kWidth, total[k][v]);
}

// weighted[e] = weighted[e] * factor + sum over keys of p[k] * value_k[e], for Columns columns.
template <int Columns, int Vectors>
inline void weigh_block(const float* values, int stride, int count, const float* p, const float* factors,
                        float* weighted) {
    constexpr int kLanes = Vectors * kWidth;
    Floats total[Columns][Vectors];
#pragma GCC unroll 8
    for (int e = 0; e < Columns; ++e)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v)
            total[e][v] = load(weighted + e * kLanes + v * kWidth) * load(factors + v * kWidth);
    for (int k = 0; k < count; ++k) {
        Floats weight[Vectors];
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) weight[v] = load(p + k * kLanes + v * kWidth);
#pragma GCC unroll 8
        for (int e = 0; e < Columns; ++e) {
            const Floats x = splat(values[k * stride + e]);
#pragma GCC unroll 2
            for (int v = 0; v < Vectors; ++v) total[e][v] = fma(x, weight[v], total[e][v]);
        }
    }
#pragma GCC unroll 8
    for (int e = 0; e < Columns; ++e)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) store(weighted + e * kLanes + v * kWidth, total[e][v]);
}

// The keys of a span of `count` from `key` that some line of a strip sees are within begin .. end - 1.
struct Seen {
    int begin, end;
};
inline Seen seen_by(const AttentionTile& tile, int lane, int lanes, int64_t key, int count) {
    if (key >= tile.all_visible_begin && key + count <= tile.all_visible_end) return {0, count};
    Seen seen{count, 0};
    for (int l = lane; l < lane + lanes && l < tile.line_count; ++l) {
        const int begin = clamp_to_tile(tile.visible_begin[l], key, count);
        const int end = clamp_to_tile(tile.visible_end[l], key, count);
        if (begin >= end) continue;
        seen.begin = begin < seen.begin ? begin : seen.begin;
        seen.end = end > seen.end ? end : seen.end;
    }
    return seen;
}

template <int Vectors>
inline void extend_strip(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                         int lane, int64_t key, int count, const float* keys, const float* values) {
    constexpr int kLanes = Vectors * kWidth;
    const Seen seen = seen_by(tile, lane, kLanes, key, count);
    if (seen.begin >= seen.end) return;
    const int key_stride = row_stride(tile.keys.width), width = tile.values.width;
    const int value_stride = tile.values_in_keys ? key_stride : row_stride(width);
    // Blocks start at the span's first key, whatever the strip sees of it, and sums of exponentials, too.
    constexpr int kAligned = kBlock > kWidth ? kBlock : kWidth;
    const int first = seen.begin / kAligned * kAligned;
    for (int k = first; k < seen.end; k += kBlock)
        score_block<Vectors>(keys + k * key_stride, key_stride, work.queries + lane * tile.keys.width,
                             tile.keys.width, work.scores + k * kLanes);
    float* p = work.scores + first * kLanes;
    const int used = seen.end - first;
    for (int v = 0; v < Vectors; ++v) {
        const int at = lane + v * kWidth;
        exponentiate<kWidth>(tile, at, state.largest + at, state.sum + at, p + v * kWidth, kLanes,
                             key + first, used, work.factors + at);
    }
    values += first * value_stride;
    float* weighted = state.weighted + lane * width;
    const float* factors = work.factors + lane;
    int e = 0;
    for (; e + kBlock <= width; e += kBlock)
        weigh_block<kBlock, Vectors>(values + e, value_stride, used, p, factors, weighted + e * kLanes);
    for (; e < width; ++e)
        weigh_block<1, Vectors>(values + e, value_stride, used, p, factors, weighted + e * kLanes);
}

inline void extend(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                   int64_t key_begin, int64_t key_end) {
    float* keys = work.rows;
    float* values = tile.values_in_keys ? keys : keys + kSpan * row_stride(tile.keys.width);
    for (int64_t key = key_begin; key < key_end; key += kSpan) {
        const int count = static_cast<int>(key_end - key < kSpan ? key_end - key : kSpan);
        convert(tile.keys, key, count, key_end, keys);
        if (!tile.values_in_keys) convert(tile.values, key, count, key_end, values);
        for_strips(tile, [&](auto vectors, int lane) {
            extend_strip<decltype(vectors)::kCount>(tile, work, state, lane, key, count, keys, values);
        });
    }
}

inline void merge(const AttentionTile& tile, float* into, const float* from, const float* keep,
                  const float* take) {
    const int width = tile.values.width;
    for_strips(tile, [&](auto vectors, int lane) {
        for (int e = 0; e < width; ++e)
            for (int v = 0; v < vectors.kCount; ++v) {
                const int at = lane * width + e * vectors.kLanes + v * kWidth, l = lane + v * kWidth;
                store(into + at, fma(load(from + at), load(take + l), load(into + at) * load(keep + l)));
            }
    });
}

inline void finish(const AttentionTile& tile, const AttentionState& state) {
    const int width = tile.values.width;
    for_strips(tile, [&](auto vectors, int first) {
        for (int v = 0; v < vectors.kCount; ++v) {
            const int lane = first + v * kWidth;
            alignas(64) float factor[kWidth], is_blank[kWidth];
            for (int i = 0; i < kWidth; ++i) {
                const int l = line_at(tile, lane + i);
                is_blank[i] = state.sum[l] == 0.0f ? 1.0f : 0.0f;
                factor[i] = final_factor(tile, l, state.largest[l], state.sum[l]);
            }
            const float* weighted = state.weighted + first * width + v * kWidth;
            const Mask blank = less(splat(0.0f), load(is_blank));
            for (int e = 0; e < width; e += kWidth) {
                const int count = width - e < kWidth ? width - e : kWidth;
                Floats x[kWidth];
                for (int i = 0; i < kWidth; ++i)
                    x[i] = i < count ? select(blank, splat(0.0f),
                                              load(weighted + (e + i) * vectors.kLanes) * load(factor))
                                     : splat(0.0f);
                transpose(x);
                for (int i = 0; i < kWidth && lane + i < tile.line_count; ++i) {
                    float* output = tile.output[lane + i] + e;
                    if (count == kWidth)
                        store(output, x[i]);
                    else
                        store_first(output, x[i], count);
                }
            }
        }
    });
}

}  // namespace
}  // namespace many
}  // namespace hearth::HEARTH_ISA_NAMESPACE
