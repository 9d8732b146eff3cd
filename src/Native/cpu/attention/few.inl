// A few lines over one KV head: each key and value is read once for up to kMostLines of them, straight from
// the cache's type. Scores are made for a vector of keys, which is turned around for that; values are weighed
// a vector along the head width. The lines are cut into passes of 1, 2, 4 or 8; a pass that its lines do not
// fill is filled with queries of zeros. queries [L, padded(D)], weighted [L, padded(E)], scores of a pass
// [L, kSpan], largest, sum and factors [L].

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace few {
namespace {

constexpr int kMostLines = kFewLines < 1 ? 1 : kFewLines < 8 ? kFewLines : 8;
constexpr int kSpan = kTileKeys;  // keys at a time, those of the other kernel: its maxima are of the same keys

// Addresses of the keys and values of kSpan keys.
struct Span {
    const uint8_t* key[kSpan];
    const uint8_t* value[kSpan];
    int count;
};

// Calls body(Lines{}, first line, number) for each pass.
template <int N>
struct Lines {
    static constexpr int kCount = N;
};
template <int N = kMostLines, typename Body>
inline int for_passes(int line_count, const Body& body, int first = 0, int pass = 0) {
    // A place left empty costs less than another pass.
    while (line_count - first >= (N > 2 ? N - 1 : N)) {
        body(Lines<N>{}, first, pass++);
        first += N;
    }
    if constexpr (N > 1)
        if (first < line_count) return for_passes<N / 2>(line_count, body, first, pass);
    return first;
}

// Lines with those that fill up the passes.
inline int padded_lines(const AttentionTile& tile) {
    return for_passes(tile.line_count, [](auto, int, int) {});
}

inline void prepare(const AttentionTile& tile, const AttentionWork& work) {
    const int width = tile.keys.width, stride = padded(width), lines = padded_lines(tile);
    for (int l = 0; l < tile.line_count; ++l) {
        float* q = work.queries + l * stride;
        const float* query = tile.query[l];
        const float scale = query_scale(tile, l);
        for (int d = 0; d < width; ++d) q[d] = query[d] * scale;
        for (int d = width; d < stride; ++d) q[d] = 0.0f;
    }
    for (int i = tile.line_count * stride; i < lines * stride; ++i) work.queries[i] = 0.0f;
}

inline void locate_span(const AttentionTile& tile, int64_t key, int64_t end, Span& span) {
    span.count = static_cast<int>(end - key < kSpan ? end - key : kSpan);
    locate(tile.keys, key, span.count, span.key);
    if (!tile.values_in_keys) locate(tile.values, key, span.count, span.value);
    // Scores come in whole vectors.
    for (int k = span.count; k % kWidth != 0; ++k) span.key[k] = span.key[span.count - 1];
}

[[gnu::always_inline]] inline void prefetch_rows(const uint8_t* const* row, int begin, int end,
                                                 size_t bytes) {
    for (int k = begin; k < end; ++k) prefetch_row(row[k], bytes);
}

// Rows to ask for while others are at work: so many of them for each one that passes.
struct Ahead {
    const uint8_t* const* row;  // null: none
    int count;
    size_t bytes;

    [[gnu::always_inline]] void prefetch(int begin, int keys) const {
        if (row) prefetch_rows(row, begin, begin + keys < count ? begin + keys : count, bytes);
    }
};

// The scores of Lines lines against kWidth keys: their rows are turned around, so that a lane is a key and each
// product is summed along the head width as the other kernel does it.
template <typename Source, int Lines>
inline void score_keys(const uint8_t* const* address, const float* queries, int width, float* scores) {
    const int stride = padded(width);
    Floats total[Lines];
#pragma GCC unroll 8
    for (int l = 0; l < Lines; ++l) total[l] = splat(0.0f);
    for (int d = 0; d < width; d += kWidth) {
        Floats x[kWidth];
        if (d + kWidth <= width) {
#pragma GCC unroll 16
            for (int k = 0; k < kWidth; ++k) {
                Floats one[1];
                Source::get(address[k], d, one);
                x[k] = one[0];
            }
        } else {
            // Columns beyond the last are zeros, as the queries' are.
#pragma GCC unroll 16
            for (int k = 0; k < kWidth; ++k) x[k] = Source::get_first(address[k], d, width - d);
        }
        transpose(x);
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i)
#pragma GCC unroll 8
            for (int l = 0; l < Lines; ++l)
                total[l] = fma(x[i], splat(queries[l * stride + d + i]), total[l]);
    }
#pragma GCC unroll 8
    for (int l = 0; l < Lines; ++l) store(scores + l * kSpan, total[l]);
}

template <typename Source, int Lines>
inline void score(const AttentionTile& tile, const Span& span, const Ahead& ahead, const float* queries,
                  float* scores) {
    for (int k = 0; k < span.count; k += kWidth) {
        score_keys<Source, Lines>(span.key + k, queries, tile.keys.width, scores + k);
        ahead.prefetch(k, kWidth);
    }
}

// weighted[l] = weighted[l] * factor[l] + sum over keys of p[l, k] * value_k, for the columns that Vectors
// vectors cover; Partial: the last `rest` columns only.
template <typename Source, int Lines, int Vectors, bool Partial>
inline void weigh_columns(const uint8_t* const* address, int count, int column, int rest, const Ahead& ahead,
                          const float* p, const float* factors, float* weighted, int stride) {
    Floats total[Lines][Vectors];
    for (int l = 0; l < Lines; ++l)
        for (int v = 0; v < Vectors; ++v)
            total[l][v] = load(weighted + l * stride + column + v * kWidth) * splat(factors[l]);
    for (int k = 0; k < count; ++k) {
        if (column == 0) ahead.prefetch(k, 1);
        Floats x[Vectors];
        if constexpr (Partial)
            x[0] = Source::get_first(address[k], column, rest);
        else
            Source::get(address[k], column, x);
        for (int l = 0; l < Lines; ++l) {
            const Floats weight = splat(p[l * kSpan + k]);
            for (int v = 0; v < Vectors; ++v) total[l][v] = fma(weight, x[v], total[l][v]);
        }
    }
    for (int l = 0; l < Lines; ++l)
        for (int v = 0; v < Vectors; ++v) store(weighted + l * stride + column + v * kWidth, total[l][v]);
}

template <typename Source, int Lines, int Vectors>
inline void weigh_from(const uint8_t* const* address, int count, int column, int width, const Ahead& ahead,
                       const float* p, const float* factors, float* weighted) {
    const int stride = padded(width);
    for (; column + Vectors * kWidth <= width; column += Vectors * kWidth)
        weigh_columns<Source, Lines, Vectors, false>(address, count, column, 0, ahead, p, factors, weighted,
                                                     stride);
    if constexpr (Vectors > 1)
        weigh_from<Source, Lines, Vectors / 2>(address, count, column, width, ahead, p, factors, weighted);
    else if (column < width)
        weigh_columns<Source, Lines, 1, true>(address, count, column, width - column, ahead, p, factors,
                                              weighted, stride);
}

template <typename Source, int Lines>
inline void weigh(const AttentionTile& tile, const uint8_t* const* address, int count, const Ahead& ahead,
                  const float* p, const float* factors, float* weighted) {
    // As many sums as registers hold beside the values.
    constexpr int kSums = kWidth == 8 ? 8 : 16, kMost = kSums / Lines < 8 ? kSums / Lines : 8;
    weigh_from<Source, Lines, kMost>(address, count, 0, tile.values.width, ahead, p, factors, weighted);
}

template <int N>
inline void extend_pass(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                        int first, int64_t key, const Span& span, const Span* next) {
    const float* queries = work.queries + first * padded(tile.keys.width);
    float* factors = work.factors + first;
    // Keys of the next span are asked for while keys are at work, and values with values: all of them with
    // the keys would leave the memory idle for half of the time.
    Ahead keys{}, values{};
    if (next) {
        keys = {next->key, next->count, tile.keys.row_bytes};
        if (!tile.values_in_keys) values = {next->value, next->count, tile.values.row_bytes};
    }
    with_source(tile.keys.type,
                [&](auto source) { score<decltype(source), N>(tile, span, keys, queries, work.scores); });
    for (int l = 0; l < N; ++l) {
        // What fills up the pass weighs nothing: its scores are zeros.
        factors[l] = 0.0f;
        if (first + l < tile.line_count)
            exponentiate<1>(tile, first + l, state.largest + first + l, state.sum + first + l,
                            work.scores + l * kSpan, kWidth, key, span.count, factors + l);
    }
    float* weighted = state.weighted + first * padded(tile.values.width);
    const uint8_t* const* address = tile.values_in_keys ? span.key : span.value;
    with_source(tile.values.type, [&](auto source) {
        weigh<decltype(source), N>(tile, address, span.count, values, work.scores, factors, weighted);
    });
}

inline void extend(const AttentionTile& tile, const AttentionWork& work, const AttentionState& state,
                   int64_t key_begin, int64_t key_end) {
    Span spans[2];
    if (key_begin < key_end) {
        locate_span(tile, key_begin, key_end, spans[0]);
        prefetch_rows(spans[0].key, 0, spans[0].count, tile.keys.row_bytes);
        if (!tile.values_in_keys) prefetch_rows(spans[0].value, 0, spans[0].count, tile.values.row_bytes);
    }
    int turn = 0;
    for (int64_t key = key_begin; key < key_end; key += kSpan, turn ^= 1) {
        const Span& span = spans[turn];
        Span* next = key + kSpan < key_end ? &spans[turn ^ 1] : nullptr;
        if (next) locate_span(tile, key + kSpan, key_end, *next);
        for_passes(tile.line_count, [&](auto lines, int first, int pass) {
            extend_pass<decltype(lines)::kCount>(tile, work, state, first, key, span,
                                                 pass == 0 ? next : nullptr);
        });
    }
}

inline void merge(const AttentionTile& tile, float* into, const float* from, const float* keep,
                  const float* take) {
    const int stride = padded(tile.values.width);
    for (int l = 0; l < tile.line_count; ++l) {
        const Floats a = splat(keep[l]), b = splat(take[l]);
        for (int at = l * stride; at < (l + 1) * stride; at += kWidth)
            store(into + at, fma(load(from + at), b, load(into + at) * a));
    }
}

inline void finish(const AttentionTile& tile, const AttentionState& state) {
    const int width = tile.values.width;
    for (int l = 0; l < tile.line_count; ++l) {
        const float total = state.sum[l];
        const float* weighted = state.weighted + l * padded(width);
        const Floats factor = splat(final_factor(tile, l, state.largest[l], total));
        const auto result = [&](int e) { return total == 0.0f ? splat(0.0f) : load(weighted + e) * factor; };
        float* output = tile.output[l];
        int e = 0;
        for (; e + kWidth <= width; e += kWidth) store(output + e, result(e));
        if (e < width) store_first(output + e, result(e), width - e);
    }
}

}  // namespace
}  // namespace few
}  // namespace hearth::HEARTH_ISA_NAMESPACE
