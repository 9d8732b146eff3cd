// A few lines over one KV head: each key and value is read once for all of them, a vector along the head
// width. queries [L, padded(D)], scores [L, kTileKeys], weighted [L, padded(E)].

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace few {
namespace {

// As many lines at a time as registers hold.
constexpr int kLines = kWidth == 8 ? 2 : 4;
constexpr int kVectors = kWidth == 8 ? 4 : 4;

inline void prepare(const AttentionTile& tile, const AttentionWork& work) {
    const int width = tile.keys.width, stride = padded(width);
    for (int l = 0; l < tile.line_count; ++l) {
        float* q = work.queries + l * stride;
        for (int d = 0; d < width; ++d) q[d] = tile.query[l][d] * tile.scale[l];
        for (int d = width; d < stride; ++d) q[d] = 0.0f;
    }
}

// scores[l, k] = q_l . key_k for Lines lines and Keys keys.
template <typename Source, int Lines, int Keys>
inline void dot(const uint8_t* const* address, const float* queries, int width, float* scores) {
    using Element = typename Source::Element;
    const int stride = padded(width);
    Floats total[Lines][Keys];
    for (auto& line : total)
        for (Floats& t : line) t = splat(0.0f);
    const Element* key[Keys];
    for (int k = 0; k < Keys; ++k) key[k] = reinterpret_cast<const Element*>(address[k]);
    int d = 0;
    for (; d + kWidth <= width; d += kWidth) {
        Floats q[Lines];
        for (int l = 0; l < Lines; ++l) q[l] = load(queries + l * stride + d);
        for (int k = 0; k < Keys; ++k) {
            const Floats x = Source::get(key[k] + d);
            for (int l = 0; l < Lines; ++l) total[l][k] = fma(x, q[l], total[l][k]);
        }
    }
    if (d < width) {
        for (int k = 0; k < Keys; ++k) {
            const Floats x = Source::get_first(key[k] + d, width - d);
            for (int l = 0; l < Lines; ++l) total[l][k] = fma(x, load(queries + l * stride + d), total[l][k]);
        }
    }
    for (int l = 0; l < Lines; ++l)
        for (int k = 0; k < Keys; k += 4)
            sum4(total[l][k], total[l][k + 1], total[l][k + 2], total[l][k + 3], scores + l * kTileKeys + k);
}

template <typename Source, int Lines>
inline void score_lines(const uint8_t* const* address, int count, const float* queries, int width,
                        float* scores) {
    constexpr int kKeys = Lines == 1 ? 8 : 4;
    int k = 0;
    for (; k + kKeys <= count; k += kKeys) dot<Source, Lines, kKeys>(address + k, queries, width, scores + k);
    // The addresses after the last repeat it, so the rest may be scored four at a time too.
    for (; k < count; k += 4) dot<Source, Lines, 4>(address + k, queries, width, scores + k);
}

template <typename Source>
inline void score(const AttentionTile& tile, const AttentionWork& work, const uint8_t* const* address,
                  int count) {
    const int width = tile.keys.width, stride = padded(width);
    int l = 0;
    for (; l + kLines <= tile.line_count; l += kLines)
        score_lines<Source, kLines>(address, count, work.queries + l * stride, width,
                                    work.scores + l * kTileKeys);
    for (; l < tile.line_count; ++l)
        score_lines<Source, 1>(address, count, work.queries + l * stride, width, work.scores + l * kTileKeys);
}

// weighted[l] = weighted[l] * factor[l] + sum over keys of p[l, k] * value_k, for the columns that one group
// of vectors covers; Partial: the last vector holds `rest` columns only.
template <typename Source, int Lines, int Vectors, bool Partial>
inline void weigh_columns(const uint8_t* const* address, int count, int column, int rest, const float* p,
                          const float* factors, float* weighted, int stride) {
    using Element = typename Source::Element;
    Floats total[Lines][Vectors];
    for (int l = 0; l < Lines; ++l)
        for (int v = 0; v < Vectors; ++v)
            total[l][v] = load(weighted + l * stride + column + v * kWidth) * splat(factors[l]);
    for (int k = 0; k < count; ++k) {
        const Element* value = reinterpret_cast<const Element*>(address[k]) + column;
        Floats x[Vectors];
        for (int v = 0; v < Vectors; ++v)
            x[v] = Partial && v == Vectors - 1 ? Source::get_first(value + v * kWidth, rest)
                                               : Source::get(value + v * kWidth);
        for (int l = 0; l < Lines; ++l) {
            const Floats weight = splat(p[l * kTileKeys + k]);
            for (int v = 0; v < Vectors; ++v) total[l][v] = fma(weight, x[v], total[l][v]);
        }
    }
    for (int l = 0; l < Lines; ++l)
        for (int v = 0; v < Vectors; ++v) store(weighted + l * stride + column + v * kWidth, total[l][v]);
}

template <typename Source, int Lines>
inline void weigh_lines(const uint8_t* const* address, int count, int width, const float* p,
                        const float* factors, float* weighted) {
    const int stride = padded(width);
    int column = 0;
    for (; column + kVectors * kWidth <= width; column += kVectors * kWidth)
        weigh_columns<Source, Lines, kVectors, false>(address, count, column, 0, p, factors, weighted,
                                                      stride);
    for (; column + kWidth <= width; column += kWidth)
        weigh_columns<Source, Lines, 1, false>(address, count, column, 0, p, factors, weighted, stride);
    if (column < width)
        weigh_columns<Source, Lines, 1, true>(address, count, column, width - column, p, factors, weighted,
                                              stride);
}

template <typename Source>
inline void weigh(const AttentionTile& tile, const AttentionWork& work, float* weighted,
                  const uint8_t* const* address, int count) {
    const int width = tile.values.width, stride = padded(width);
    int l = 0;
    for (; l + kLines <= tile.line_count; l += kLines)
        weigh_lines<Source, kLines>(address, count, width, work.scores + l * kTileKeys, work.factors + l,
                                    weighted + l * stride);
    for (; l < tile.line_count; ++l)
        weigh_lines<Source, 1>(address, count, width, work.scores + l * kTileKeys, work.factors + l,
                               weighted + l * stride);
}

// Turns one line's scores into exponentials against the new maximum; work.factors: what the past is worth
// now.
inline void exponentiate(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                         int l, int64_t key, int count) {
    float* s = work.scores + l * kTileKeys;
    const int begin = clamp_to_tile(tile.visible_begin[l], key, count);
    const int end = clamp_to_tile(tile.visible_end[l], key, count);
    const int padded_count = (count + kWidth - 1) / kWidth * kWidth;
    if (tile.softcap != 0.0f || tile.biased) {
        alignas(64) float distance[kTileKeys];
        for (int k = 0; k < padded_count; ++k) distance[k] = static_cast<float>(key + k - tile.position[l]);
        for (int k = 0; k < padded_count; k += kWidth)
            store(s + k, adjust(load(s + k), tile.softcap, splat(tile.slope[l]), load(distance + k)));
    }
    if (tile.bias_offset) {
        const int distance = first_distance(tile, l, key);
        for (int k = 0; k < count; ++k) s[k] += bucket_bias(tile, l, distance + k);
    }
    for (int k = 0; k < begin; ++k) s[k] = -kInfinity;
    for (int k = end > begin ? end : begin; k < padded_count; ++k) s[k] = -kInfinity;

    Floats top = splat(state.largest[l]);
    for (int k = 0; k < padded_count; k += kWidth) top = maximum(load(s + k), top);
    const float past = state.largest[l], now = largest(top);
    const float shift = now == -kInfinity ? 0.0f : now;
    Floats total = splat(0.0f);
    for (int k = 0; k < padded_count; k += kWidth) {
        const Floats p = exponential(load(s + k) - splat(shift));
        store(s + k, p);
        total = total + p;
    }
    const float factor = exponential(past - shift);
    state.largest[l] = now;
    state.sum[l] = state.sum[l] * factor + sum(total);
    work.factors[l] = factor;
}

// Addresses of rows as the typed kernels read them: block types are made float32 in work.rows first.
inline hearth_type resolve(const KvRows& rows, const AttentionWork& work, int64_t key, int count,
                           const uint8_t** address) {
    if (rows.type != HEARTH_TYPE_Q8_0 && rows.type != HEARTH_TYPE_Q4_0) {
        locate(rows, key, count, address);
        return rows.type;
    }
    const float* converted[kTileKeys];
    fetch(rows, key, count, work.rows, converted);
    for (int k = 0; k < count; ++k) address[k] = reinterpret_cast<const uint8_t*>(converted[k]);
    return HEARTH_TYPE_F32;
}

inline void extend(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                   int64_t key, int count) {
    const uint8_t* address[kTileKeys + 3];
    const hearth_type key_type = resolve(tile.keys, work, key, count, address);
    for (int k = count; k < count + 3; ++k) address[k] = address[count - 1];
    if (key_type == HEARTH_TYPE_F32)
        score<SourceF32>(tile, work, address, count);
    else if (key_type == HEARTH_TYPE_F16)
        score<SourceF16>(tile, work, address, count);
    else
        score<SourceBF16>(tile, work, address, count);

    for (int l = 0; l < tile.line_count; ++l) exponentiate(tile, work, state, l, key, count);

    const hearth_type value_type =
        tile.values_in_keys ? key_type : resolve(tile.values, work, key, count, address);
    if (value_type == HEARTH_TYPE_F32)
        weigh<SourceF32>(tile, work, state.weighted, address, count);
    else if (value_type == HEARTH_TYPE_F16)
        weigh<SourceF16>(tile, work, state.weighted, address, count);
    else
        weigh<SourceBF16>(tile, work, state.weighted, address, count);
}

inline void merge(const AttentionTile& tile, float* into, const float* from, const float* keep,
                  const float* take) {
    const int stride = padded(tile.values.width);
    for (int l = 0; l < tile.line_count; ++l)
        for (int e = 0; e < stride; e += kWidth) {
            float* x = into + l * stride + e;
            store(x, load(x) * splat(keep[l]) + load(from + l * stride + e) * splat(take[l]));
        }
}

}  // namespace
}  // namespace few
}  // namespace hearth::HEARTH_ISA_NAMESPACE
