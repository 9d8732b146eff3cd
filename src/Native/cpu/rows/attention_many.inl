// Many lines over one KV head, a line in each lane. queries [D, lanes], scores [kTileKeys, lanes], weighted
// [E, lanes].

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace many {
namespace {

// Accumulators of the products: kBlock keys (or value columns) times two vectors of lines fit the registers.
constexpr int kBlock = kWidth == 16 || kWidth == 4 ? 8 : 4;
constexpr int kSpan = 64;  // keys at a time

inline void prepare(const AttentionTile& tile, const AttentionWork& work) {
    const int width = tile.keys.width, lanes = lanes_of(tile);
    for (int l = 0; l < tile.line_count; ++l)
        for (int d = 0; d < width; ++d) work.queries[d * lanes + l] = tile.query[l][d] * query_scale(tile, l);
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

// Rows as float32: where they lie already, else converted into `buffer`, padded(width) apart.
inline void fetch(const KvRows& rows, int64_t index, int count, float* buffer, const float** row) {
    const uint8_t* address[kTileKeys];
    locate(rows, index, count, address);
    const int stride = padded(rows.width);
    if (rows.type == HEARTH_TYPE_F32) {
        for (int i = 0; i < count; ++i) row[i] = reinterpret_cast<const float*>(address[i]);
        return;
    }
    with_source(rows.type, [&](auto source) {
        for (int i = 0; i < count; ++i) {
            row[i] = buffer + i * stride;
            decode<decltype(source)>(address[i], buffer + i * stride, rows.width);
        }
    });
}

inline void extend_span(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                        int64_t key, int count) {
    const int lanes = lanes_of(tile);
    const float* rows[kTileKeys + kBlock];
    fetch(tile.keys, key, count, work.rows, rows);
    for (int k = count; k % kBlock != 0; ++k) rows[k] = rows[count - 1];
    score(rows, count, work.queries, tile.keys.width, lanes, work.scores);
    for (int lane = 0; lane < lanes; lane += kWidth)
        exponentiate<kWidth>(tile, lane, state.largest + lane, state.sum + lane, work.scores + lane, lanes, key,
                             count, work.factors + lane);
    if (!tile.values_in_keys) fetch(tile.values, key, count, work.rows, rows);
    int lane = 0;
    for (; lane + 2 * kWidth <= lanes; lane += 2 * kWidth)
        weigh<2>(rows, count, tile.values.width, work.scores + lane, work.factors + lane, lanes,
                 state.weighted + lane);
    for (; lane < lanes; lane += kWidth)
        weigh<1>(rows, count, tile.values.width, work.scores + lane, work.factors + lane, lanes,
                 state.weighted + lane);
}

inline void extend(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                   int64_t key_begin, int64_t key_end) {
    for (int64_t key = key_begin; key < key_end; key += kSpan)
        extend_span(tile, work, state, key, static_cast<int>(key_end - key < kSpan ? key_end - key : kSpan));
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

inline void finish(const AttentionTile& tile, const AttentionState& state) {
    const int lanes = lanes_of(tile);
    for (int l = 0; l < tile.line_count; ++l) {
        const float factor = final_factor(tile, l, state.largest[l], state.sum[l]);
        for (int e = 0; e < tile.values.width; ++e)
            tile.output[l][e] = state.sum[l] == 0.0f ? 0.0f : state.weighted[e * lanes + l] * factor;
    }
}

}  // namespace
}  // namespace many
}  // namespace hearth::HEARTH_ISA_NAMESPACE
