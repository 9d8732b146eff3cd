// The gated delta rule, row by row (arXiv 2412.06464, equation 10): S = diag(exp g) S, S = S + k (beta (v -
// k^T S)), y = scale q^T S. Columns of S do not depend on each other.
#include "cpu/states/kernels.h"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

template <int kVectors>
inline void delta_columns(const DeltaBlock& call, int64_t c, int rest) {
    constexpr int kParts = kVectors == 0 ? 1 : kVectors;
    const auto get = [rest](const float* p, int i) {
        return kVectors == 0 ? load_first(p, rest) : load(p + i * kWidth);
    };
    const auto put = [rest](float* p, int i, Floats x) {
        if (kVectors == 0)
            store_first(p, x, rest);
        else
            store(p + i * kWidth, x);
    };
    for (int64_t t = 0; t < call.rows; ++t) {
        const float* const key = call.keys.data + t * call.keys.stride;
        const float* const query = call.queries.data + t * call.queries.stride;
        const float* const decay = call.decays.data + t * call.decays.stride;
        if (call.decays_by_key) {
            int32_t k = 0;
            for (; k + kWidth <= call.key_width; k += kWidth) store(call.factors + k, exponential(load(decay + k)));
            for (; k < call.key_width; ++k) call.factors[k] = exponential(decay[k]);
        } else {
            const float factor = exponential(decay[0]);
            for (int32_t k = 0; k < call.key_width; ++k) call.factors[k] = factor;
        }
        Floats known[kParts], sum[kParts];
        for (int i = 0; i < kParts; ++i) known[i] = sum[i] = splat(0.0f);
        for (int32_t k = 0; k < call.key_width; ++k) {
            const float* const s = call.state + k * call.state_stride + c;
            const Floats weight = splat(call.factors[k] * key[k]);
            for (int i = 0; i < kParts; ++i) known[i] = fma(weight, get(s, i), known[i]);
        }
        const Floats beta = splat(call.betas.data[t * call.betas.stride]);
        const float* const value = call.values.data + t * call.values.stride + c;
        Floats change[kParts];
        for (int i = 0; i < kParts; ++i) change[i] = beta * (get(value, i) - known[i]);
        for (int32_t k = 0; k < call.key_width; ++k) {
            float* const s = call.state + k * call.state_stride + c;
            const Floats factor = splat(call.factors[k]), add = splat(key[k]), read = splat(query[k]);
            for (int i = 0; i < kParts; ++i) {
                const Floats next = fma(add, change[i], factor * get(s, i));
                put(s, i, next);
                sum[i] = fma(read, next, sum[i]);
            }
        }
        const Floats scale = splat(call.scale);
        for (int i = 0; i < kParts; ++i) put(call.output + t * call.output_stride + c, i, scale * sum[i]);
    }
}

void delta(const DeltaBlock& call) {
    int64_t c = 0;
    for (; c + 4 * kWidth <= call.channels; c += 4 * kWidth) delta_columns<4>(call, c, 0);
    for (; c + kWidth <= call.channels; c += kWidth) delta_columns<1>(call, c, 0);
    if (c < call.channels) delta_columns<0>(call, c, static_cast<int>(call.channels - c));
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
