// The vector layer with NEON, but for its products: two registers hold a vector of a panel.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "cpu/linear/layout.h"

namespace hearth {
namespace {

struct Arm {
    static constexpr int kLanes = 8;

    struct F {
        float32x4_t a, b;
    };
    struct I {
        int32x4_t a, b;
    };
    struct B {
        uint8x16_t a, b;
    };

    static F zero() { return splat(0.0f); }
    static F splat(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x)}; }
    static F load(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4)}; }
    static void store(float* p, F x) {
        vst1q_f32(p, x.a);
        vst1q_f32(p + 4, x.b);
    }
    static uint16x8_t load_16(const uint8_t* p) { return vreinterpretq_u16_u8(vld1q_u8(p)); }
    static F load_half(const uint8_t* p) {
        const float16x8_t half = vreinterpretq_f16_u16(load_16(p));
        return {vcvt_f32_f16(vget_low_f16(half)), vcvt_high_f32_f16(half)};
    }
    // Words of two bfloat16, and one of them as float32.
    static I load_pairs(const uint8_t* p) {
        return {vreinterpretq_s32_u8(vld1q_u8(p)), vreinterpretq_s32_u8(vld1q_u8(p + 16))};
    }
    static F first(I pairs) {
        return {vreinterpretq_f32_s32(vshlq_n_s32(pairs.a, 16)),
                vreinterpretq_f32_s32(vshlq_n_s32(pairs.b, 16))};
    }
    static F second(I pairs) {
        const int32x4_t mask = vdupq_n_s32(-65536);
        return {vreinterpretq_f32_s32(vandq_s32(pairs.a, mask)),
                vreinterpretq_f32_s32(vandq_s32(pairs.b, mask))};
    }
    static F from_u8(uint8x8_t bytes) {
        const uint16x8_t wide = vmovl_u8(bytes);
        return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))), vcvtq_f32_u32(vmovl_high_u16(wide))};
    }
    static F load_i8(const uint8_t* p) {
        const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(vld1_u8(p)));
        return to_float({vmovl_s16(vget_low_s16(wide)), vmovl_high_s16(wide)});
    }
    static F load_low_nibbles(const uint8_t* p) { return from_u8(vand_u8(vld1_u8(p), vdup_n_u8(15))); }
    static F load_high_nibbles(const uint8_t* p) { return from_u8(vshr_n_u8(vld1_u8(p), 4)); }

    // 2 s + 1 for the nibbles s at a shift of 0 or 4.
    static F load_odd(const uint8_t* p, int shift) {
        const uint8x8_t down = vshl_u8(vld1_u8(p), vdup_n_s8(static_cast<int8_t>(-shift)));
        const uint8x8_t twice = vshl_n_u8(vand_u8(down, vdup_n_u8(15)), 1);
        return from_u8(vorr_u8(twice, vdup_n_u8(1)));
    }

    // A float of 8 bits, E4M3 without a sign, shrunk by 2^-8: half precision has its mantissa and exponent.
    static F load_float8(const uint8_t* p) {
        const float16x8_t half = vreinterpretq_f16_u16(vshll_n_u8(vld1_u8(p), 7));
        return {vcvt_f32_f16(vget_low_f16(half)), vcvt_high_f32_f16(half)};
    }

    // 2^(e - 128), as a product of two powers so that the smallest, which are subnormal, come out too.
    static float32x4_t power(uint32x4_t e) {
        const uint32x4_t half = vshrq_n_u32(e, 1), bias = vdupq_n_u32(127 - 64);
        const uint32x4_t a = vshlq_n_u32(vaddq_u32(half, bias), 23);
        const uint32x4_t b = vshlq_n_u32(vaddq_u32(vsubq_u32(e, half), bias), 23);
        return vmulq_f32(vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b));
    }
    static F load_exponent(const uint8_t* p) {
        const uint16x8_t wide = vmovl_u8(vld1_u8(p));
        return {power(vmovl_u16(vget_low_u16(wide))), power(vmovl_high_u16(wide))};
    }

    // Bytes widened to pairs of 16 bits, two a lane.
    static I load_i8_pairs(const uint8_t* p) {
        const int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(p));
        return {vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(bytes))),
                vreinterpretq_s32_s16(vmovl_high_s8(bytes))};
    }
    static I load_u8_pairs(const uint8_t* p) {
        const uint8x16_t bytes = vld1q_u8(p);
        return {vreinterpretq_s32_u16(vmovl_u8(vget_low_u8(bytes))),
                vreinterpretq_s32_u16(vmovl_high_u8(bytes))};
    }
    template <int kShift, int kFirst, int kSecond>
    static int32x4_t join_bits(int32x4_t a, int32x4_t b) {
        const uint16x8_t bits = vreinterpretq_u16_s32(b), second = vdupq_n_u16(kSecond);
        const uint16x8_t shifted = vshlq_u16(bits, vdupq_n_s16(kShift));
        const uint16x8_t first = vandq_u16(vreinterpretq_u16_s32(a), vdupq_n_u16(kFirst));
        return vreinterpretq_s32_u16(vbslq_u16(second, shifted, first));
    }
    // Of each 16 bits, those of a under kFirst and those of b, shifted up (down where negative), under
    // kSecond.
    template <int kShift, int kFirst, int kSecond>
    static I join_bits(I a, I b) {
        return {join_bits<kShift, kFirst, kSecond>(a.a, b.a), join_bits<kShift, kFirst, kSecond>(a.b, b.b)};
    }
    static I splat_word(const int32_t* p) { return {vld1q_dup_s32(p), vld1q_dup_s32(p)}; }
    static I set_bits(I x, int bits) {
        return {vorrq_s32(x.a, vdupq_n_s32(bits)), vorrq_s32(x.b, vdupq_n_s32(bits))};
    }
    // The 16 bits above the lowest kShift of x and of y.
    template <int kShift>
    static I pair_up(I x, I y) {
        return {vsliq_n_s32(vshrq_n_s32(x.a, kShift), vshrq_n_s32(y.a, kShift), 16),
                vsliq_n_s32(vshrq_n_s32(x.b, kShift), vshrq_n_s32(y.b, kShift), 16)};
    }
    static int32x4_t dot_words(int32x4_t sum, int32x4_t x, int32x4_t y) {
        const int16x8_t a = vreinterpretq_s16_s32(x), b = vreinterpretq_s16_s32(y);
        return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)));
    }
    // sum += both 16-bit halves of a lane * those of y.
    static I dot_words(I sum, I x, I y) { return {dot_words(sum.a, x.a, y.a), dot_words(sum.b, x.b, y.b)}; }

    static F multiply(F x, F y) { return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b)}; }
    static F fma(F x, F y, F z) { return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b)}; }
    static F negative_fma(F x, F y, F z) { return {vfmsq_f32(z.a, x.a, y.a), vfmsq_f32(z.b, x.b, y.b)}; }

    static I add(I x, I y) { return {vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b)}; }
    static F to_float(I x) { return {vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b)}; }

    static B load_codes(const uint8_t* p) { return {vld1q_u8(p), vld1q_u8(p + 16)}; }
    template <int kShift>
    static uint8x16_t shift(uint8x16_t x) {
        if constexpr (kShift > 0)
            return vshlq_n_u8(x, kShift);
        else if constexpr (kShift < 0)
            return vshrq_n_u8(x, -kShift);
        else
            return x;
    }
    template <int kShift, int kMask>
    static uint8x16_t take(uint8x16_t x) {
        constexpr int kLeft = kShift < 0 ? 255 >> -kShift : 255 << kShift & 255;  // by the shift alone
        if constexpr ((kLeft & ~kMask) == 0)
            return shift<kShift>(x);
        else
            return vandq_u8(shift<kShift>(x), vdupq_n_u8(kMask));
    }
    // Bits moved up by kShift (down where negative), then masked.
    template <int kShift, int kMask>
    static B take_bits(B x) {
        return {take<kShift, kMask>(x.a), take<kShift, kMask>(x.b)};
    }
    template <int kShift, int kMask>
    static B merge_bits(B low, B x) {
        const uint8x16_t mask = vdupq_n_u8(kMask);
        return {vbslq_u8(mask, shift<kShift>(x.a), low.a), vbslq_u8(mask, shift<kShift>(x.b), low.b)};
    }

    // table [16] at every 4-bit code.
    static B look_up(B codes, const uint8_t* table) {
        const uint8x16_t values = vld1q_u8(table);
        return {vqtbl1q_u8(values, codes.a), vqtbl1q_u8(values, codes.b)};
    }

    // The sum that a group's accumulator starts with so that codes count from 1 << kShift. Codes of 8 bits
    // are centred by weights().
    template <int kBits, int kShift>
    static I start(const int32_t* sum) {
        static_assert(kBits < 8 || kShift == 7);
        if constexpr (kShift < 0 || kBits == 8) return {vdupq_n_s32(0), vdupq_n_s32(0)};
        const int32x4_t shifted = vshlq_n_s32(vld1q_dup_s32(sum), kShift < 0 ? 0 : kShift);
        return {shifted, shifted};
    }
    // Codes as the signed bytes that products take: below 8 bits they are that already.
    struct Weights {
        int8x16_t a, b;
    };
    template <int kBits>
    static Weights weights(B codes) {
        if constexpr (kBits == 8) {
            const uint8x16_t centre = vdupq_n_u8(128);
            codes = {veorq_u8(codes.a, centre), veorq_u8(codes.b, centre)};
        }
        return {vreinterpretq_s8_u8(codes.a), vreinterpretq_s8_u8(codes.b)};
    }

    // GCC 12 leaves out calls of functions that only prefetch, hence always_inline.
    [[gnu::always_inline]] static void prefetch(const uint8_t* p) { __builtin_prefetch(p); }

    // Rounds x * inverse to the codes of one or two groups and sums each half of a group.
    template <int kGroups>
    static void round_codes(const float* x, float inverse, int8_t* codes, int32_t* sums) {
        for (int half = 0; half < 2 * kGroups; ++half) {
            int32x4_t rounded[4];
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i)
                rounded[i] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 16 * half + 4 * i), inverse));
            const int16x8_t low = vqmovn_high_s32(vqmovn_s32(rounded[0]), rounded[1]);
            const int16x8_t high = vqmovn_high_s32(vqmovn_s32(rounded[2]), rounded[3]);
            vst1q_s8(codes + 16 * half, vqmovn_high_s16(vqmovn_s16(low), high));
            sums[half] = vaddlvq_s16(vaddq_s16(low, high));
        }
    }
    // The bits of the largest magnitude; NaN counts as larger than infinity.
    template <int kGroups>
    static uint32_t largest_magnitude(const float* x) {
        uint32x4_t largest = vdupq_n_u32(0);
        for (int i = 0; i < kGroupColumns * kGroups; i += 4)
            largest = vmaxq_u32(largest, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
        return vmaxvq_u32(largest);
    }
};

}  // namespace
}  // namespace hearth
