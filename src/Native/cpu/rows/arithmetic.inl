// Element by element: add, multiply, scale, softcap.

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

void scale(const float* input, float factor, float* output, int64_t count) {
    const Floats f = splat(factor);
    map(input, output, count, [f](Floats x) { return x * f; });
}

void softcap(const float* input, float factor, float* output, int64_t count) {
    const Floats cap = splat(factor), inverse = splat(1.0f / factor);
    map(input, output, count, [=](Floats x) { return cap * hyperbolic_tangent(x * inverse); });
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
