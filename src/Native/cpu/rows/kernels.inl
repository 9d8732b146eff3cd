// All kernels for the instruction set that the including translation unit has chosen, and their table.

#include "cpu/rows/kernels.h"
#include "cpu/rows/simd.h"

#include "cpu/rows/vector_math.inl"

#include "cpu/rows/arithmetic.inl"
#include "cpu/rows/convert.inl"

#include "cpu/rows/attention.inl"
#include "cpu/rows/norm.inl"

#include "cpu/rows/activation.inl"
#include "cpu/rows/rope.inl"

namespace hearth::HEARTH_ISA_NAMESPACE {
namespace {

constexpr RowKernels table() {
    return {rms_norm,
            layer_norm,
            rope,
            add,
            multiply,
            scale,
            clamp,
            softcap,
            activation,
            xielu,
            softmax,
            weighted_sum,
            encode,
            attention_prepare,
            attention_start,
            attention_extend,
            attention_merge,
            attention_finish};
}

}  // namespace
}  // namespace hearth::HEARTH_ISA_NAMESPACE
