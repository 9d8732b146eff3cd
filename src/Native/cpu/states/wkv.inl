// RWKV's recurrences, row by row: S = diag(exp w) S + b (a^T S) + k v^T, y = scale r^T S (RWKV-7, arXiv
// 2503.14456; without a and b gated linear attention, 2312.06635), or y = scale r^T (S + diag(u) k v^T) of
// the S before (RWKV-6, 2404.05892). Columns of S do not depend on each other.
#include "cpu/states/kernels.h"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

template <int kVectors>
inline void wkv_columns(const WkvBlock& call, int64_t c, int rest) {
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
        const auto row = [t](const StateRows& rows) { return rows.data + t * rows.stride; };
        const float *const read = row(call.receptances), *const key = row(call.keys);
        const float *const decay = row(call.decays), *const value = row(call.values) + c;
        int32_t k = 0;
        for (; k + kWidth <= call.key_width; k += kWidth)
            store(call.factors + k, exponential(load(decay + k)));
        for (; k < call.key_width; ++k) call.factors[k] = exponential(decay[k]);

        Floats added[kParts], removed[kParts], sum[kParts];
        for (int i = 0; i < kParts; ++i) {
            added[i] = get(value, i);
            removed[i] = sum[i] = splat(0.0f);
        }
        if (call.removals.data) {
            const float* const look = row(call.removals);
            for (k = 0; k < call.key_width; ++k) {
                const float* const s = call.state + k * call.state_stride + c;
                const Floats weight = splat(look[k]);
                for (int i = 0; i < kParts; ++i) removed[i] = fma(weight, get(s, i), removed[i]);
            }
        }
        if (call.bonus) {
            float bonus = 0;
            for (k = 0; k < call.key_width; ++k) bonus += read[k] * call.bonus[k] * key[k];
            for (int i = 0; i < kParts; ++i) sum[i] = splat(bonus) * added[i];
        }
        const float* const replace = call.removals.data ? row(call.replacements) : nullptr;
        for (k = 0; k < call.key_width; ++k) {
            float* const s = call.state + k * call.state_stride + c;
            const Floats factor = splat(call.factors[k]), add = splat(key[k]), out = splat(read[k]);
            const Floats back = splat(replace ? replace[k] : 0.0f);
            for (int i = 0; i < kParts; ++i) {
                const Floats before = get(s, i);
                Floats next = fma(add, added[i], factor * before);
                if (replace) next = fma(back, removed[i], next);
                put(s, i, next);
                sum[i] = fma(out, call.bonus ? before : next, sum[i]);
            }
        }
        const Floats scale = splat(call.scale);
        for (int i = 0; i < kParts; ++i) put(call.output + t * call.output_stride + c, i, scale * sum[i]);
    }
}

void wkv(const WkvBlock& call) {
    int64_t c = 0;
    for (; c + 4 * kWidth <= call.channels; c += 4 * kWidth) wkv_columns<4>(call, c, 0);
    for (; c + kWidth <= call.channels; c += kWidth) wkv_columns<1>(call, c, 0);
    if (c < call.channels) wkv_columns<0>(call, c, static_cast<int>(call.channels - c));
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
