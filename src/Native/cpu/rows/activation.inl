// Activation functions, alone or times a gate: silu x / (1 + e^-x), gelu x Phi(x) (arXiv 1606.08415), its
// tanh and its sigmoid approximation, relu, relu^2, sigmoid, tanh, softplus log(1 + e^x), e^x, xielu (arXiv
// 2411.13010).

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

inline Floats silu(Floats x) {
    return x / (splat(1.0f) + exponential(splat(0.0f) - x));
}
inline Floats gelu(Floats x) {
    return x * normal_distribution(x);
}
inline Floats gelu_tanh(Floats x) {
    // 0.5 (1 + tanh u) = 1 / (1 + e^-2u), which keeps the small values of the left tail.
    const Floats u = x * splat(0.7978845608f) * fma(x * x, splat(0.044715f), splat(1.0f));
    return x / (splat(1.0f) + exponential(u * splat(-2.0f)));
}
inline Floats rounded_to_half(Floats x) {
    uint16_t halves[kWidth];
    store_f16(halves, x);
    return load_f16(halves);
}
// maximum returns its second operand where one is NaN.
inline Floats relu(Floats x) {
    return maximum(splat(0.0f), x);
}

inline Floats sigmoid(Floats x) {
    return splat(1.0f) / (splat(1.0f) + exponential(splat(0.0f) - x));
}
inline Floats gelu_sigmoid(Floats x) {
    return x / (splat(1.0f) + exponential(x * splat(-1.702f)));
}
inline Floats softplus(Floats x) {
    return relu(x) + logarithm_of_one_more(exponential(splat(0.0f) - absolute(x)));
}

template <typename F>
inline void activate(const float* input, const float* gate, float* output, int64_t count, F f) {
    if (gate)
        map(input, gate, output, count, [f](Floats x, Floats g) { return f(x) * g; });
    else
        map(input, output, count, f);
}

void activation(hearth_function function, const float* input, const float* gate, float* output,
                int64_t count) {
    switch (function) {
        case HEARTH_FUNCTION_NONE:
            return activate(input, gate, output, count, [](Floats x) { return x; });
        case HEARTH_FUNCTION_SILU:
            return activate(input, gate, output, count, [](Floats x) { return silu(x); });
        case HEARTH_FUNCTION_GELU:
            return activate(input, gate, output, count, [](Floats x) { return gelu(x); });
        case HEARTH_FUNCTION_GELU_TANH:
            return activate(input, gate, output, count, [](Floats x) { return gelu_tanh(x); });
        case HEARTH_FUNCTION_RELU:
            return activate(input, gate, output, count, [](Floats x) { return relu(x); });
        case HEARTH_FUNCTION_RELU_SQUARED:
            return activate(input, gate, output, count, [](Floats x) { return relu(x) * relu(x); });
        case HEARTH_FUNCTION_SIGMOID:
            return activate(input, gate, output, count, [](Floats x) { return sigmoid(x); });
        case HEARTH_FUNCTION_GELU_SIGMOID:
            return activate(input, gate, output, count, [](Floats x) { return gelu_sigmoid(x); });
        case HEARTH_FUNCTION_TANH:
            return activate(input, gate, output, count, [](Floats x) { return hyperbolic_tangent(x); });
        case HEARTH_FUNCTION_GELU_TANH_HALF:
            return activate(input, gate, output, count,
                            [](Floats x) { return rounded_to_half(gelu_tanh(rounded_to_half(x))); });
        case HEARTH_FUNCTION_SOFTPLUS:
            return activate(input, gate, output, count, [](Floats x) { return softplus(x); });
        case HEARTH_FUNCTION_EXP:
            return activate(input, gate, output, count, [](Floats x) { return exponential(x); });
        case HEARTH_FUNCTION_XIELU:
            return;  // has parameters: the function below
    }
}

void xielu(const hearth_activation_parameters& parameters, const float* input, const float* gate,
           float* output, int64_t count) {
    const Floats negative = splat(parameters.negative_alpha), positive = splat(parameters.positive_alpha);
    const Floats beta = splat(parameters.beta), epsilon = splat(parameters.epsilon);
    activate(input, gate, output, count, [=](Floats x) {
        const Floats below = exponential_less_one(minimum(epsilon, x)) - x;
        return fma(beta, x, select(less(splat(0.0f), x), positive * x * x, negative * below));
    });
}

inline float largest_of(const float* x, int64_t count) {
    Floats most = splat(-kInfinity);
    int64_t i = 0;
    for (; i + kWidth <= count; i += kWidth) most = maximum(most, load(x + i));
    float top = largest(most);
    for (; i < count; ++i) top = x[i] > top ? x[i] : top;
    return top;
}

// x - largest - ln of the sum of e^(x - largest); x may be y.
void log_softmax(const float* x, float* y, int64_t count) {
    const float top = largest_of(x, count);
    const Floats shift = splat(top);
    const float total = sum_of(x, count, [shift](Floats v) { return exponential(v - shift); });
    const Floats down = splat(logf(total));
    map(x, y, count, [shift, down](Floats v) { return (v - shift) - down; });
}

// e^(x - largest) over their sum; x may be y.
void softmax(const float* x, float* y, int64_t count) {
    const Floats shift = splat(largest_of(x, count));
    map(x, y, count, [shift](Floats v) { return exponential(v - shift); });
    const float factor = 1.0f / sum_of(y, count, [](Floats v) { return v; });
    scale(y, factor, 0.0f, y, count);
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
