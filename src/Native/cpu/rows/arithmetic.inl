// Element by element: add, multiply, scale, clamp, softcap; and sums of weighted rows.

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

template <typename F>
inline void map(const float* input, float* output, int64_t count, F f) {
    int64_t i = 0;
    for (; i + kWidth <= count; i += kWidth) store(output + i, f(load(input + i)));
    const int rest = static_cast<int>(count - i);
    if (rest > 0) store_first(output + i, f(load_first(input + i, rest)), rest);
}

template <typename F>
inline void map(const float* left, const float* right, float* output, int64_t count, F f) {
    int64_t i = 0;
    for (; i + kWidth <= count; i += kWidth) store(output + i, f(load(left + i), load(right + i)));
    const int rest = static_cast<int>(count - i);
    if (rest > 0) store_first(output + i, f(load_first(left + i, rest), load_first(right + i, rest)), rest);
}

void add(const float* left, const float* right, float* output, int64_t count) {
    map(left, right, output, count, [](Floats a, Floats b) { return a + b; });
}

void multiply(const float* left, const float* right, float* output, int64_t count) {
    map(left, right, output, count, [](Floats a, Floats b) { return a * b; });
}

void scale(const float* input, float factor, float offset, float* output, int64_t count) {
    const Floats f = splat(factor), o = splat(offset);
    map(input, output, count, [=](Floats x) { return fma(x, f, o); });
}

// A NaN stays one: minimum and maximum return their second operand then.
void clamp(const float* input, float least, float most, float* output, int64_t count) {
    const Floats low = splat(least), high = splat(most);
    map(input, output, count, [=](Floats x) { return minimum(high, maximum(low, x)); });
}

void weighted_sum(const float* rows, int64_t stride, const float* weights, int64_t row_count, float* output,
                  int64_t count) {
    const auto sum_from = [=](int64_t i, auto read) {
        Floats total = read(rows + i) * splat(weights[0]);
        for (int64_t r = 1; r < row_count; ++r)
            total = fma(read(rows + r * stride + i), splat(weights[r]), total);
        return total;
    };
    int64_t i = 0;
    for (; i + kWidth <= count; i += kWidth)
        store(output + i, sum_from(i, [](const float* p) { return load(p); }));
    const int rest = static_cast<int>(count - i);
    if (rest > 0)
        store_first(output + i, sum_from(i, [rest](const float* p) { return load_first(p, rest); }), rest);
}

void softcap(const float* input, float factor, float* output, int64_t count) {
    const Floats cap = splat(factor), inverse = splat(1.0f / factor);
    map(input, output, count, [=](Floats x) { return cap * hyperbolic_tangent(x * inverse); });
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
