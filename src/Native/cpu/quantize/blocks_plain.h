// Blocks of 32 with one f16 scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL; and MXFP4 with its power of two.
#pragma once

#include "core/formats/blocks.h"
#include "cpu/quantize/search.h"

namespace hearth {
namespace {

constexpr int kPlain = kBlockColumns;

HEARTH_INLINE void store_low_bits(const uint8_t* codes, uint8_t* qs) {
    for (int j = 0; j < 16; ++j) qs[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] << 4));
}

HEARTH_INLINE void store_fifth_bits(const uint8_t* codes, uint8_t* qh) {
    for (int j = 0; j < 4; ++j) qh[j] = 0;
    for (int j = 0; j < kPlain; ++j)
        qh[j / 8] = static_cast<uint8_t>(qh[j / 8] | ((codes[j] >> 4) << (j % 8)));
}

// Nearest codes, shifted to begin at zero.
template <class Codes>
HEARTH_INLINE void write_codes(const float* x, float scale, float shift, int count, uint8_t* codes) {
    const Floats inverse = splat(inverse_of(scale));
    float whole[kLanes];
    for (int i = 0; i < count; i += kLanes) {
        store(whole, Codes::nearest(load(x + i) * inverse) + splat(shift));
        for (int j = 0; j < kLanes; ++j) codes[i + j] = static_cast<uint8_t>(static_cast<int>(whole[j]));
    }
}

template <int kMost>
HEARTH_INLINE void write_affine_codes(const float* x, float scale, float offset, int count, uint8_t* codes) {
    const Floats inverse = splat(inverse_of(scale));
    float whole[kLanes];
    for (int i = 0; i < count; i += kLanes) {
        store(whole, round_within((load(x + i) - splat(offset)) * inverse, 0, kMost));
        for (int j = 0; j < kLanes; ++j) codes[i + j] = static_cast<uint8_t>(static_cast<int>(whole[j]));
    }
}

// The best f16 scale of either sign.
template <class Codes, int kRounds>
HEARTH_INLINE HalfScale plain_scale(const Normalized<kPlain>& block, Spans spans, bool both_signs) {
    ScaleFit best = search_scale<kPlain, Codes, kRounds>(block.x, block.w, block.largest, spans, 1);
    if (both_signs) {
        const ScaleFit other =
            search_scale<kPlain, Codes, kRounds>(block.x, block.w, block.largest, spans, -1);
        best = other.gain > best.gain ? other : best;
    }
    return best_half<kPlain, Codes>(best.scale, block);
}

template <class Block, class Codes, int kShift>
bool quantize_centred(const float* input, const float* importance, Spans spans, Block& out) {
    Normalized<kPlain> block;
    normalize(input, importance, block);
    const HalfScale d = plain_scale<Codes, 1>(block, spans, true);
    if (!block.in_range || !d.finite) return false;
    uint8_t codes[kPlain];
    write_codes<Codes>(block.x, d.value, kShift, kPlain, codes);
    out.d = d.bits;
    store_low_bits(codes, out.qs);
    if constexpr (requires { out.qh; }) store_fifth_bits(codes, out.qh);
    return true;
}

bool quantize_block(const float* input, const float* importance, BlockQ4_0& out) {
    return quantize_centred<BlockQ4_0, UniformCodes<-8, 7>, 8>(input, importance, {5.6f, 8.7f}, out);
}

bool quantize_block(const float* input, const float* importance, BlockQ5_0& out) {
    return quantize_centred<BlockQ5_0, UniformCodes<-16, 15>, 16>(input, importance, {12.5f, 16.7f}, out);
}

bool quantize_block(const float* input, const float* importance, BlockQ8_0& out) {
    using Codes = UniformCodes<-127, 127>;  // -128 is not used: kernels negate codes
    Normalized<kPlain> block;
    normalize(input, importance, block);
    const HalfScale d = plain_scale<Codes, 2>(block, {116.0f, 127.4f}, false);
    if (!block.in_range || !d.finite) return false;
    uint8_t codes[kPlain];
    write_codes<Codes>(block.x, d.value, 128, kPlain, codes);
    out.d = d.bits;
    for (int j = 0; j < kPlain; ++j) out.qs[j] = static_cast<int8_t>(codes[j] - 128);
    return true;
}

// The best pair among the neighbours of both.
template <int kMost>
HEARTH_INLINE void improve_halves(const Normalized<kPlain>& block, HalfScale& d, HalfScale& m) {
    HalfScale scales[kLanes], offsets[kLanes];
    Floats scale, offset;
    for (int i = 0; i < kLanes; ++i) {
        scales[i] = neighbour(d, kScaleChanges[i], block.down);
        offsets[i] = neighbour(m, kMinimumChanges[i], block.down);
        scale[i] = scales[i].value;
        offset[i] = offsets[i].value;
    }
    const int lane = lane_of_largest(-affine_errors<kPlain, kMost>(block.x, block.w, scale, offset));
    d = scales[lane];
    m = offsets[lane];
}

template <class Block, int kMost>
bool quantize_affine(const float* input, const float* importance, Steps steps, Block& out) {
    Normalized<kPlain> block;
    normalize(input, importance, block);
    const AffineFit fit = search_affine<kPlain, kMost, false>(block.x, block.w, steps);
    HalfScale d = half_scale(fit.scale, block), m = half_scale(fit.offset, block);
    // A grid may reach beyond the weights, and so beyond f16, where the weights do not.
    constexpr float kLargestHalf = 65504;
    if (!m.finite && block.largest * block.up <= kLargestHalf)
        m = read_half(fit.offset < 0 ? 0xfbff : 0x7bff, block.down);
    if (!block.in_range || !d.finite || !m.finite) return false;
    // What f16 cannot say of a constant's offset, code 1 can.
    if (d.bits == 0) d = half_scale(block.x[0] - m.value, block);
    improve_halves<kMost>(block, d, m);
    uint8_t codes[kPlain];
    write_affine_codes<kMost>(block.x, d.value, m.value, kPlain, codes);
    out.d = d.bits;
    out.m = m.bits;
    store_low_bits(codes, out.qs);
    if constexpr (requires { out.qh; }) store_fifth_bits(codes, out.qh);
    return true;
}

bool quantize_block(const float* input, const float* importance, BlockQ4_1& out) {
    return quantize_affine<BlockQ4_1, 15>(input, importance, {-2.5f, 0.8f}, out);
}

bool quantize_block(const float* input, const float* importance, BlockQ5_1& out) {
    return quantize_affine<BlockQ5_1, 31>(input, importance, {-4.0f, 0.8f}, out);
}

// The index of each value among kIq4Values.
HEARTH_INLINE void write_iq4_codes(const float* x, float scale, int count, uint8_t* codes) {
    write_codes<Iq4Codes>(x, scale, 127, count, codes);
    for (int i = 0; i < count; ++i) {
        uint8_t index = 0;
        while (kIq4Values[index] + 127 != codes[i]) ++index;
        codes[i] = index;
    }
}

bool quantize_block(const float* input, const float* importance, BlockIQ4_NL& out) {
    Normalized<kPlain> block;
    normalize(input, importance, block);
    const HalfScale d = plain_scale<Iq4Codes, 2>(block, {88.0f, 138.0f}, true);
    if (!block.in_range || !d.finite) return false;
    uint8_t codes[kPlain];
    write_iq4_codes(block.x, d.value, kPlain, codes);
    out.d = d.bits;
    store_low_bits(codes, out.qs);
    return true;
}

// The codes of the nearest E2M1 numbers (doubled, as kMxfp4Values) to v; bit 3 is the sign.
HEARTH_INLINE uint8_t nearest_mxfp4(float v) {
    const float size = magnitude(v);
    uint8_t code = 0;
    for (int i = 0; i < 7; ++i)
        code = static_cast<uint8_t>(
            code + (size > 0.5f * static_cast<float>(kMxfp4Values[i] + kMxfp4Values[i + 1])));
    return static_cast<uint8_t>(v < 0 ? code | 8 : code);
}

bool quantize_block(const float* input, const float* importance, BlockMXFP4& out) {
    const float largest = largest_magnitude<kPlain>(input);
    const int exponent = exponent_of(largest);
    // Normalized in two steps, since one power of two may not be a float.
    const float first = power_of_two(-exponent / 2), second = power_of_two(-exponent + exponent / 2);
    uint8_t best[kPlain] = {};
    int best_scale = -1;
    float least = 0;
    // The largest magnitude is 1 to 2 times a power of two and the largest code 12, so one of these scales is
    // best.
    for (int step = -4; step <= -1; ++step) {
        const int e = exponent + step + 128;
        if (e < 0 || e > 254) continue;
        const float inverse = power_of_two(-step), scale = power_of_two(step);
        uint8_t codes[kPlain];
        float error = 0;
        for (int j = 0; j < kPlain; ++j) {
            const float x = input[j] * first * second;
            codes[j] = nearest_mxfp4(x * inverse);
            const float rest = x - scale * static_cast<float>(kMxfp4Values[codes[j]]);
            error += importance[j] * rest * rest;
        }
        if (best_scale >= 0 && error >= least) continue;
        least = error;
        best_scale = e;
        __builtin_memcpy(best, codes, sizeof best);
    }
    out.e = static_cast<uint8_t>(best_scale < 0 ? 0 : best_scale);
    store_low_bits(best, out.qs);
    return true;
}

}  // namespace
}  // namespace hearth
