// A causal convolution over a sequence's rows, channel by channel, and its state: the rows before the first.
#include "cpu/states/kernels.h"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

inline const float* convolution_row(const ConvolutionBlock& call, int64_t row) {
    return row < 0 ? call.state + (row + call.tap_count - 1) * call.state_stride
                   : call.input.data + row * call.input.stride;
}

void convolution(const ConvolutionBlock& call) {
    const int64_t before = call.tap_count - 1;
    for (int64_t t = 0; t < call.rows; ++t) {
        float* const output = call.output + t * call.output_stride;
        int64_t c = 0;
        for (; c + kWidth <= call.channels; c += kWidth) {
            Floats sum = call.bias ? load(call.bias + c) : splat(0.0f);
            for (int64_t k = 0; k <= before; ++k)
                sum = fma(load(call.taps + k * call.tap_stride + c),
                          load(convolution_row(call, t - before + k) + c), sum);
            store(output + c, sum);
        }
        if (const int rest = static_cast<int>(call.channels - c); rest > 0) {
            Floats sum = call.bias ? load_first(call.bias + c, rest) : splat(0.0f);
            for (int64_t k = 0; k <= before; ++k)
                sum = fma(load_first(call.taps + k * call.tap_stride + c, rest),
                          load_first(convolution_row(call, t - before + k) + c, rest), sum);
            store_first(output + c, sum, rest);
        }
        if (call.function != HEARTH_FUNCTION_NONE)
            activation(static_cast<hearth_function>(call.function), output, nullptr, output, call.channels);
    }
    // The last rows are the next state; read before they are written over, since the source lies behind.
    for (int64_t i = 0; i < before; ++i) {
        const float* const from = convolution_row(call, call.rows - before + i);
        float* const to = call.state + i * call.state_stride;
        if (from == to) continue;
        for (int64_t c = 0; c < call.channels; ++c) to[c] = from[c];
    }
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
