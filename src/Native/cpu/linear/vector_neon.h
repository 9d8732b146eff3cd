// The vector layer for every AArch64 processor: products of bytes are summed in 16 bits first.
#pragma once

#include "cpu/linear/vector_arm.h"

namespace hearth {
namespace {

struct Isa : Arm {
    static constexpr int kTileSizes[] = {1, 2, 4, 0};

    // sum += codes0 * quad0 + codes1 * quad1; codes have kBits bits. Two products fit 16 bits always
    // (2 * 128 * 127 < 2^15), four of codes of up to 6 bits (4 * 63 * 127 < 2^15).
    template <int kBits>
    static I dot_pair(I sum, B codes0, const int32_t* quad0, B codes1, const int32_t* quad1) {
        const Weights w0 = weights<kBits>(codes0), w1 = weights<kBits>(codes1);
        const int8x16_t q0 = vreinterpretq_s8_s32(vld1q_dup_s32(quad0));
        const int8x16_t q1 = vreinterpretq_s8_s32(vld1q_dup_s32(quad1));
        return {add_dots<kBits>(sum.a, w0.a, q0, w1.a, q1), add_dots<kBits>(sum.b, w0.b, q0, w1.b, q1)};
    }

  private:
    template <int kBits>
    static int32x4_t add_dots(int32x4_t sum, int8x16_t w0, int8x16_t q0, int8x16_t w1, int8x16_t q1) {
        int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(q0));
        low = vmlal_s8(low, vget_low_s8(w1), vget_low_s8(q1));
        const int16x8_t high = vmlal_high_s8(vmull_high_s8(w0, q0), w1, q1);
        if constexpr (kBits <= 6)
            return vpadalq_s16(sum, vpaddq_s16(low, high));
        else
            return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
    }
};

}  // namespace
}  // namespace hearth
