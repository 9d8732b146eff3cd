// rms_norm: y = x / sqrt(mean(x^2) + epsilon) * weight (arXiv 1910.07467).
// layer_norm: y = (x - mean) / sqrt(variance + epsilon) * weight + bias (arXiv 1607.06450), the variance from
// a second pass over the differences, since E[x^2] - E[x]^2 cancels where the mean is large.

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

// Sum over f(x) of all x; four chains hide the latency of additions.
template <typename F>
inline float sum_of(const float* x, int64_t width, F f) {
    Floats total[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
    int64_t i = 0;
    for (; i + 4 * kWidth <= width; i += 4 * kWidth)
        for (int k = 0; k < 4; ++k) total[k] = total[k] + f(load(x + i + k * kWidth));
    for (; i + kWidth <= width; i += kWidth) total[0] = total[0] + f(load(x + i));
    float result = sum((total[0] + total[1]) + (total[2] + total[3]));
    for (; i < width; ++i) {
        float lanes[kWidth];
        store(lanes, f(splat(x[i])));
        result += lanes[0];
    }
    return result;
}

// y = (x - mean) * factor * weight + bias
inline void normalize(const float* x, float mean, float factor, const float* weight, const float* bias,
                      float* y, int64_t width) {
    const Floats m = splat(mean), f = splat(factor);
    int64_t i = 0;
    for (; i + kWidth <= width; i += kWidth) {
        Floats v = (load(x + i) - m) * f;
        if (weight) v = v * load(weight + i);
        if (bias) v = v + load(bias + i);
        store(y + i, v);
    }
    for (; i < width; ++i) {
        float v = (x[i] - mean) * factor;
        if (weight) v *= weight[i];
        if (bias) v += bias[i];
        y[i] = v;
    }
}

void rms_norm(const float* input, const float* weight, float* output, int64_t groups, int64_t width,
              float epsilon) {
    for (int64_t g = 0; g < groups; ++g) {
        const float* x = input + g * width;
        const float squares = sum_of(x, width, [](Floats v) { return v * v; });
        const float factor = 1.0f / sqrtf(squares / static_cast<float>(width) + epsilon);
        normalize(x, 0.0f, factor, weight, nullptr, output + g * width, width);
    }
}

void layer_norm(const float* input, const float* weight, const float* bias, float* output, int64_t groups,
                int64_t width, float epsilon) {
    for (int64_t g = 0; g < groups; ++g) {
        const float* x = input + g * width;
        const float mean = sum_of(x, width, [](Floats v) { return v; }) / static_cast<float>(width);
        const Floats m = splat(mean);
        const float squares = sum_of(x, width, [m](Floats v) { return (v - m) * (v - m); });
        const float factor = 1.0f / sqrtf(squares / static_cast<float>(width) + epsilon);
        normalize(x, mean, factor, weight, bias, output + g * width, width);
    }
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
