// Rotary position embedding (RoFormer, arXiv 2104.09864, eq. 34): pair (a, b) becomes (a cos - b sin, a sin +
// b cos).

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

// Pair i is (x[i], x[i + pairs]).
inline void rotate_halves(const float* x, const float* table, float* y, int64_t width, int32_t head_width,
                          int32_t pairs) {
    int32_t i = 0;
    for (; i + kWidth <= pairs; i += kWidth) {
        Floats cosine, sine;
        deinterleave(load(table + 2 * i), load(table + 2 * i + kWidth), cosine, sine);
        for (int64_t head = 0; head < width; head += head_width) {
            const Floats a = load(x + head + i), b = load(x + head + i + pairs);
            store(y + head + i, a * cosine - b * sine);
            store(y + head + i + pairs, a * sine + b * cosine);
        }
    }
    for (; i < pairs; ++i) {
        const float cosine = table[2 * i], sine = table[2 * i + 1];
        for (int64_t head = 0; head < width; head += head_width) {
            const float a = x[head + i], b = x[head + i + pairs];
            y[head + i] = a * cosine - b * sine;
            y[head + i + pairs] = a * sine + b * cosine;
        }
    }
}

// Pair i is (x[2i], x[2i + 1]).
inline void rotate_interleaved(const float* x, const float* table, float* y, int64_t width,
                               int32_t head_width, int32_t pairs) {
    int32_t i = 0;
    for (; i + kWidth <= pairs; i += kWidth) {
        Floats cosine, sine;
        deinterleave(load(table + 2 * i), load(table + 2 * i + kWidth), cosine, sine);
        for (int64_t head = 0; head < width; head += head_width) {
            Floats a, b, first_half, second_half;
            deinterleave(load(x + head + 2 * i), load(x + head + 2 * i + kWidth), a, b);
            interleave(a * cosine - b * sine, a * sine + b * cosine, first_half, second_half);
            store(y + head + 2 * i, first_half);
            store(y + head + 2 * i + kWidth, second_half);
        }
    }
    for (; i < pairs; ++i) {
        const float cosine = table[2 * i], sine = table[2 * i + 1];
        for (int64_t head = 0; head < width; head += head_width) {
            const float a = x[head + 2 * i], b = x[head + 2 * i + 1];
            y[head + 2 * i] = a * cosine - b * sine;
            y[head + 2 * i + 1] = a * sine + b * cosine;
        }
    }
}

void rope(const RopeRows& call) {
    const int32_t pairs = call.dimensions / 2;
    for (int64_t row = 0; row < call.rows; ++row) {
        const float* x = call.input + row * call.width;
        const float* table = call.table + row * call.dimensions;
        float* y = call.output + row * call.width;
        if (y != x)
            for (int64_t head = 0; head < call.width; head += call.head_width) {
                for (int32_t i = 0; i < call.offset; ++i) y[head + i] = x[head + i];
                for (int32_t i = call.offset + call.dimensions; i < call.head_width; ++i)
                    y[head + i] = x[head + i];
            }
        // Heads stay head_width apart when counted from their first rotated value.
        const int64_t width = call.width - call.offset;
        if (call.layout == HEARTH_ROPE_HALVES)
            rotate_halves(x + call.offset, table, y + call.offset, width, call.head_width, pairs);
        else
            rotate_interleaved(x + call.offset, table, y + call.offset, width, call.head_width, pairs);
    }
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
