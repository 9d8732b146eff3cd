// The selective scan, row by row: h = h * exp(dt A) + dt B x, y = C h + D x. A head's columns share their
// decay (Mamba-2, arXiv 2405.21060), or each channel has one for every state (Mamba, arXiv 2312.00752).
#include "cpu/states/kernels.h"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

// kVectors whole vectors of columns from c on or, where kVectors is 0, the `rest` last columns.
template <int kVectors>
inline void scan_columns(const HeadScan& call, int64_t c, int rest) {
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
        const float* const x = call.x.data + t * call.x.stride + c;
        const float* const b = call.b.data + t * call.b.stride;
        const float* const weights = call.c.data + t * call.c.stride;
        const float size = call.sizes.data[t * call.sizes.stride];
        const Floats decay = splat(exponential(size * call.decay)), step = splat(size), skip = splat(call.skip);
        Floats input[kParts], sum[kParts];
        for (int i = 0; i < kParts; ++i) {
            input[i] = step * get(x, i);
            sum[i] = skip * get(x, i);
        }
        for (int32_t n = 0; n < call.state_width; ++n) {
            float* const h = call.state + n * call.state_stride + c;
            const Floats in = splat(b[n]), out = splat(weights[n]);
            for (int i = 0; i < kParts; ++i) {
                const Floats next = fma(get(h, i), decay, in * input[i]);
                put(h, i, next);
                sum[i] = fma(out, next, sum[i]);
            }
        }
        for (int i = 0; i < kParts; ++i) put(call.output + t * call.output_stride + c, i, sum[i]);
    }
}

void head_scan(const HeadScan& call) {
    int64_t c = 0;
    for (; c + 4 * kWidth <= call.channels; c += 4 * kWidth) scan_columns<4>(call, c, 0);
    for (; c + kWidth <= call.channels; c += kWidth) scan_columns<1>(call, c, 0);
    if (c < call.channels) scan_columns<0>(call, c, static_cast<int>(call.channels - c));
}

template <bool kWhole>
inline void scan_channels(const ChannelScan& call, int64_t c, int rest) {
    const auto get = [rest](const float* p) { return kWhole ? load(p) : load_first(p, rest); };
    const Floats skip = call.skip ? get(call.skip + c) : splat(0.0f);
    for (int64_t t = 0; t < call.rows; ++t) {
        const Floats x = get(call.x.data + t * call.x.stride + c);
        const Floats size = get(call.sizes.data + t * call.sizes.stride + c);
        const float* const b = call.b.data + t * call.b.stride;
        const float* const weights = call.c.data + t * call.c.stride;
        const Floats input = size * x;
        Floats sum = skip * x;
        for (int32_t n = 0; n < call.state_width; ++n) {
            float* const h = call.state + n * int64_t{call.channels} + c;
            const Floats decay = exponential(size * get(call.decays + n * call.decay_stride + c));
            const Floats next = fma(get(h), decay, splat(b[n]) * input);
            if (kWhole)
                store(h, next);
            else
                store_first(h, next, rest);
            sum = fma(splat(weights[n]), next, sum);
        }
        float* const output = call.output + t * call.output_stride + c;
        if (kWhole)
            store(output, sum);
        else
            store_first(output, sum, rest);
    }
}

void channel_scan(const ChannelScan& call) {
    int64_t c = 0;
    for (; c + kWidth <= call.channels; c += kWidth) scan_channels<true>(call, c, 0);
    if (c < call.channels) scan_channels<false>(call, c, static_cast<int>(call.channels - c));
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
