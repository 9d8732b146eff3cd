// All kernels for the instruction set that the including translation unit has chosen, and their table.

#include "cpu/rows/kernels.h"
#include "cpu/rows/simd.h"

#include "cpu/rows/vector_math.inl"

#include "cpu/rows/arithmetic.inl"
#include "cpu/rows/convert.inl"

#include "cpu/attention/attention.inl"
#include "cpu/rows/norm.inl"

#include "cpu/rows/activation.inl"
#include "cpu/rows/rope.inl"

#include "cpu/states/convolution.inl"
#include "cpu/states/delta.inl"
#include "cpu/states/scan.inl"
#include "cpu/states/wkv.inl"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

constexpr RowKernels table() {
    return {.rms_norm = rms_norm,
            .layer_norm = layer_norm,
            .rope = rope,
            .add = add,
            .multiply = multiply,
            .scale = scale,
            .clamp = clamp,
            .softcap = softcap,
            .activation = activation,
            .xielu = xielu,
            .softmax = softmax,
            .log_softmax = log_softmax,
            .weighted_sum = weighted_sum,
            .encode = encode,
            .attention_prepare = attention_prepare,
            .attention_start = attention_start,
            .attention_extend = attention_extend,
            .attention_merge = attention_merge,
            .attention_finish = attention_finish,
            .convolution = convolution,
            .head_scan = head_scan,
            .channel_scan = channel_scan,
            .delta = delta,
            .wkv = wkv};
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
