// The vector layer with NEON and its dot product, which takes one quad of a register of four.
#pragma once

#include "cpu/linear/vector_arm.h"

namespace hearth {
namespace {

struct Isa : Arm {
    static constexpr int kTileSizes[] = {1, 2, 3, 4, 6, 8, 0};

    // sum += codes0 * quad0 + codes1 * quad1; codes have kBits bits.
    template <int kBits>
    static I dot_pair(I sum, B codes0, const int32_t* quad0, B codes1, const int32_t* quad1) {
        const Weights w0 = weights<kBits>(codes0), w1 = weights<kBits>(codes1);
        const int8x16_t q0 = vreinterpretq_s8_s32(vld1q_dup_s32(quad0));
        const int8x16_t q1 = vreinterpretq_s8_s32(vld1q_dup_s32(quad1));
        return {vdotq_s32(vdotq_s32(sum.a, w0.a, q0), w1.a, q1),
                vdotq_s32(vdotq_s32(sum.b, w0.b, q0), w1.b, q1)};
    }

    // sums [R] += two quads of weights * their activations; activations: a group's quads [8][R]. Word i of
    // them is lane i % 4 of its register i / 4.
    static constexpr bool kDotsRows = true;
    template <int kBits, int R, int kQuad0, int kQuad1>
    static void dot_rows(I* sums, B codes0, B codes1, const int32_t* activations) {
        // Quads are read anew for the other half of the panel: there are too few registers to keep them.
        if constexpr (R > 3) __asm__ volatile("" : "+r"(activations));
        add_quad<kQuad0 * R, R, 0>(sums, weights<kBits>(codes0), activations);
        add_quad<kQuad1 * R, R, 0>(sums, weights<kBits>(codes1), activations);
    }

  private:
    template <int kWord, int R, int kRow>
    static void add_quad(I* sums, Weights w, const int32_t* activations) {
        constexpr int kLane = (kWord + kRow) % 4;
        const int8x16_t quads = vreinterpretq_s8_s32(vld1q_s32(activations + (kWord + kRow - kLane)));
        sums[kRow] = {vdotq_laneq_s32(sums[kRow].a, w.a, quads, kLane),
                      vdotq_laneq_s32(sums[kRow].b, w.b, quads, kLane)};
        if constexpr (kRow + 1 < R) add_quad<kWord, R, kRow + 1>(sums, w, activations);
    }
};

}  // namespace
}  // namespace hearth
