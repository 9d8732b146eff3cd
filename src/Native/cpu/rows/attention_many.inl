// Many lines over one KV head, a line in each lane. queries [D, lanes], scores [kTileKeys, lanes], weighted
// [E, lanes].

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace many {
namespace {

// Accumulators of the products: kBlock keys (or value columns) times two vectors of lines fit the registers.
constexpr int kBlock = kWidth == 16 || kWidth == 4 ? 8 : 4;

inline void prepare(const AttentionTile& tile, const AttentionWork& work) {
    const int width = tile.keys.width, lanes = lanes_of(tile);
    for (int l = 0; l < tile.line_count; ++l)
        for (int d = 0; d < width; ++d) work.queries[d * lanes + l] = tile.query[l][d] * tile.scale[l];
    for (int l = tile.line_count; l < lanes; ++l)
        for (int d = 0; d < width; ++d) work.queries[d * lanes + l] = 0.0f;
}

template <int Keys, int Vectors>
inline void score_block(const float* const* rows, const float* queries, int width, int lanes, float* scores) {
    const float* key[Keys];
    for (int k = 0; k < Keys; ++k) key[k] = rows[k];
    Floats total[Keys][Vectors];
    for (auto& row : total)
        for (Floats& t : row) t = splat(0.0f);
    for (int d = 0; d < width; ++d) {
        Floats q[Vectors];
        for (int v = 0; v < Vectors; ++v) q[v] = load(queries + d * lanes + v * kWidth);
        for (int k = 0; k < Keys; ++k) {
            const Floats x = splat(key[k][d]);
            for (int v = 0; v < Vectors; ++v) total[k][v] = fma(x, q[v], total[k][v]);
        }
    }
    for (int k = 0; k < Keys; ++k)
        for (int v = 0; v < Vectors; ++v) store(scores + k * lanes + v * kWidth, total[k][v]);
}

// rows holds addresses up to the next multiple of kBlock.
inline void score(const float* const* rows, int count, const float* queries, int width, int lanes,
                  float* scores) {
    for (int k = 0; k < count; k += kBlock) {
        int lane = 0;
        for (; lane + 2 * kWidth <= lanes; lane += 2 * kWidth)
            score_block<kBlock, 2>(rows + k, queries + lane, width, lanes, scores + k * lanes + lane);
        for (; lane < lanes; lane += kWidth)
            score_block<kBlock, 1>(rows + k, queries + lane, width, lanes, scores + k * lanes + lane);
    }
}

// The key intervals, positions and slopes of kWidth lines, relative to a tile's first key.
struct LaneMask {
    Floats begin, end, position, slope;
    bool is_whole;  // every line sees every key of the tile
};

inline LaneMask mask_of(const AttentionTile& tile, int lane, int64_t key, int count) {
    float begin[kWidth], end[kWidth], position[kWidth], slope[kWidth];
    bool is_whole = true;
    for (int i = 0; i < kWidth; ++i) {
        // Lanes beyond the last line compute what it computes.
        const int l = lane + i < tile.line_count ? lane + i : tile.line_count - 1;
        const int first = clamp_to_tile(tile.visible_begin[l], key, count);
        const int last = clamp_to_tile(tile.visible_end[l], key, count);
        is_whole = is_whole && first == 0 && last == count;
        begin[i] = static_cast<float>(first);
        end[i] = static_cast<float>(last);
        position[i] = static_cast<float>(tile.position[l] - key);
        slope[i] = tile.slope[l];
    }
    return {load(begin), load(end), load(position), load(slope), is_whole};
}

// T5's biases of kWidth lines, on top of a softcap that comes before them.
inline void add_bucket_biases(const AttentionTile& tile, float* s, int lanes, int lane, int64_t key,
                              int count) {
    int line[kWidth], distance[kWidth];
    for (int i = 0; i < kWidth; ++i) {
        line[i] = lane + i < tile.line_count ? lane + i : tile.line_count - 1;
        distance[i] = first_distance(tile, line[i], key);
    }
    alignas(64) float bias[kWidth];
    for (int k = 0; k < count; ++k) {
        for (int i = 0; i < kWidth; ++i) bias[i] = bucket_bias(tile, line[i], distance[i] + k);
        Floats x = load(s + k * lanes);
        if (tile.softcap != 0.0f) x = adjust(x, tile.softcap, splat(0.0f), splat(0.0f));
        store(s + k * lanes, x + load(bias));
    }
}

// Scores of kWidth lines (column `s` of the score matrix) to exponentials against the new maximum.
inline void exponentiate(const AttentionTile& tile, const AttentionState& state, float* s, int lanes,
                         int lane, int64_t key, int count, float* factors) {
    const LaneMask mask = mask_of(tile, lane, key, count);
    if (tile.bias_offset) add_bucket_biases(tile, s, lanes, lane, key, count);
    const float softcap = tile.bias_offset ? 0.0f : tile.softcap;
    const bool adjusted = softcap != 0.0f || tile.biased;
    const Floats past = load(state.largest + lane);
    Floats now = past;
    if (adjusted || !mask.is_whole) {
        for (int k = 0; k < count; ++k) {
            const Floats index = splat(static_cast<float>(k));
            Floats x = load(s + k * lanes);
            if (adjusted) x = adjust(x, softcap, mask.slope, index - mask.position);
            x = select(less(index, mask.begin), splat(-kInfinity), x);
            x = select(less(index, mask.end), x, splat(-kInfinity));
            store(s + k * lanes, x);
            now = maximum(x, now);
        }
    } else {
        for (int k = 0; k < count; ++k) now = maximum(load(s + k * lanes), now);
    }
    const Floats shift = finite_shift(now);
    Floats total = splat(0.0f);
    for (int k = 0; k < count; ++k) {
        const Floats p = exponential(load(s + k * lanes) - shift);
        store(s + k * lanes, p);
        total = total + p;
    }
    const Floats factor = exponential(past - shift);
    store(state.largest + lane, now);
    store(state.sum + lane, fma(load(state.sum + lane), factor, total));
    store(factors + lane, factor);
}

// weighted[e] = weighted[e] * factor + sum over keys of p[k] * value_k[e], for Columns columns.
template <int Columns, int Vectors>
inline void weigh_block(const float* const* rows, int count, int column, const float* p, const float* factors,
                        int lanes, float* weighted) {
    Floats total[Columns][Vectors];
    for (int e = 0; e < Columns; ++e)
        for (int v = 0; v < Vectors; ++v)
            total[e][v] = load(weighted + (column + e) * lanes + v * kWidth) * load(factors + v * kWidth);
    for (int k = 0; k < count; ++k) {
        const float* value = rows[k] + column;
        Floats weight[Vectors];
        for (int v = 0; v < Vectors; ++v) weight[v] = load(p + k * lanes + v * kWidth);
        for (int e = 0; e < Columns; ++e) {
            const Floats x = splat(value[e]);
            for (int v = 0; v < Vectors; ++v) total[e][v] = fma(x, weight[v], total[e][v]);
        }
    }
    for (int e = 0; e < Columns; ++e)
        for (int v = 0; v < Vectors; ++v) store(weighted + (column + e) * lanes + v * kWidth, total[e][v]);
}

template <int Vectors>
inline void weigh(const float* const* rows, int count, int width, const float* p, const float* factors,
                  int lanes, float* weighted) {
    int column = 0;
    for (; column + kBlock <= width; column += kBlock)
        weigh_block<kBlock, Vectors>(rows, count, column, p, factors, lanes, weighted);
    for (; column < width; ++column)
        weigh_block<1, Vectors>(rows, count, column, p, factors, lanes, weighted);
}

inline void extend(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                   int64_t key, int count) {
    const int lanes = lanes_of(tile);
    const float* rows[kTileKeys + kBlock];
    fetch(tile.keys, key, count, work.rows, rows);
    for (int k = count; k % kBlock != 0; ++k) rows[k] = rows[count - 1];
    score(rows, count, work.queries, tile.keys.width, lanes, work.scores);
    for (int lane = 0; lane < lanes; lane += kWidth)
        exponentiate(tile, state, work.scores + lane, lanes, lane, key, count, work.factors);
    if (!tile.values_in_keys) fetch(tile.values, key, count, work.rows, rows);
    int lane = 0;
    for (; lane + 2 * kWidth <= lanes; lane += 2 * kWidth)
        weigh<2>(rows, count, tile.values.width, work.scores + lane, work.factors + lane, lanes,
                 state.weighted + lane);
    for (; lane < lanes; lane += kWidth)
        weigh<1>(rows, count, tile.values.width, work.scores + lane, work.factors + lane, lanes,
                 state.weighted + lane);
}

inline void merge(const AttentionTile& tile, float* into, const float* from, const float* keep,
                  const float* take) {
    const int lanes = lanes_of(tile);
    for (int e = 0; e < tile.values.width; ++e)
        for (int lane = 0; lane < lanes; lane += kWidth) {
            float* x = into + e * lanes + lane;
            store(x, load(x) * load(keep + lane) + load(from + e * lanes + lane) * load(take + lane));
        }
}

}  // namespace
}  // namespace many
}  // namespace hearth::HEARTH_ISA_NAMESPACE
