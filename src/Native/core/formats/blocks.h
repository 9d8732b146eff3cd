// Block layouts of GGUF's tensor types, little-endian, as they lie in a file. d: scale (f16), m: minimum
// (f16), qs: low bits of the codes, qh: their high bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

constexpr int kBlockColumns = 32;   // of Q4_0 ... Q8_0
constexpr int kSuperColumns = 256;  // of the K formats

// Codes j and j + 16 share byte j. value = d * (code - 8)
struct BlockQ4_0 {
    uint16_t d;
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// value = d * code + m
struct BlockQ4_1 {
    uint16_t d, m;
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// Bit j of qh is bit 4 of code j. value = d * (code - 16)
struct BlockQ5_0 {
    uint16_t d;
    uint8_t qh[4];
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// value = d * code + m
struct BlockQ5_1 {
    uint16_t d, m;
    uint8_t qh[4];
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// value = d * code
struct BlockQ8_0 {
    uint16_t d;
    int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// 16 groups of 16; low nibble of a scale byte: scale, high nibble: minimum.
// value = d * scale * code - dmin * minimum
struct BlockQ2_K {
    uint8_t scales[16];
    uint8_t qs[64];
    uint16_t d, dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

// 16 groups of 16 with 6-bit scales; hmask holds bit 2 of the codes. value = d * (scale - 32) * (code - 4)
struct BlockQ3_K {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == 110);

// 8 groups of 32 with 6-bit scales and minimums. value = d * scale * code - dmin * minimum
struct BlockQ4_K {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// As Q4_K with a fifth bit of every code in qh.
struct BlockQ5_K {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// 16 groups of 16 with 8-bit scales. value = d * scale * (code - 32)
struct BlockQ6_K {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == 210);

// Codes are numbers of kIq4Values, paired as in Q4_0. value = d * kIq4Values[code]
struct BlockIQ4_NL {
    uint16_t d;
    uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18);

// 8 groups of 32 with 6-bit scales, low bits in scales_l, high ones in scales_h; codes of a group are paired
// as in Q4_0. value = d * (scale - 32) * kIq4Values[code]
struct BlockIQ4_XS {
    uint16_t d;
    uint16_t scales_h;
    uint8_t scales_l[4];
    uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136);

// Microscaling FP4 (OCP MX 1.0): e is the exponent of a power of two, codes are E2M1 numbers, paired as in
// Q4_0. value = 2^(e - 128) * kMxfp4Values[code]
struct BlockMXFP4 {
    uint8_t e;
    uint8_t qs[16];
};
static_assert(sizeof(BlockMXFP4) == 17);

// NVIDIA's FP4: 4 sub-blocks of 16, each with a scale in unsigned E4M3 and 8 bytes of E2M1 numbers of which j
// and j + 8 share byte j. value = ue4m3(d) / 2 * kMxfp4Values[code]
struct BlockNVFP4 {
    uint8_t d[4];
    uint8_t qs[32];
};
static_assert(sizeof(BlockNVFP4) == 36);

// Bit j % 8 of byte j / 8 is code j. value = d * (2 * code - 1)
struct BlockQ1_0 {
    uint16_t d;
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ1_0) == 18);

// Four adjacent codes a byte, the first lowest. value = d * (code - 1)
struct BlockQ2_0 {
    uint16_t d;
    uint8_t qs[16];
};
static_assert(sizeof(BlockQ2_0) == 18);

struct BlockQ2_0_G128 {
    uint16_t d;
    uint8_t qs[32];
};
static_assert(sizeof(BlockQ2_0_G128) == 34);

// The IQ2, IQ3 and IQ1 formats: a number names an entry of a grid, which is 4 or 8 values at once
// (codebooks.h). "sign number": 7 bits for the signs of 8 values, of which an even count is negative.

// 8 groups of 32 of 8 bytes: 4 grid numbers, 4 sign numbers, a 4-bit scale.
struct BlockIQ2_XXS {
    uint16_t d;
    uint8_t qs[64];
};
static_assert(sizeof(BlockIQ2_XXS) == 66);

// 32 words of a 9-bit grid number and a sign number; 16 groups of 16 with 4-bit scales.
struct BlockIQ2_XS {
    uint16_t d;
    uint16_t qs[32];
    uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_XS) == 74);

// 10-bit grid numbers, high bits in qh; a sign bit for every value.
struct BlockIQ2_S {
    uint16_t d;
    uint8_t qs[32];
    uint8_t signs[32];
    uint8_t qh[8];
    uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_S) == 82);

// 64 grid numbers; 8 words of 4 sign numbers and a 4-bit scale.
struct BlockIQ3_XXS {
    uint16_t d;
    uint8_t qs[64];
    uint8_t scales_and_signs[32];
};
static_assert(sizeof(BlockIQ3_XXS) == 98);

// 9-bit grid numbers, high bits in qh; a sign bit for every value; 8 groups of 32 with 4-bit scales.
struct BlockIQ3_S {
    uint16_t d;
    uint8_t qs[64];
    uint8_t qh[8];
    uint8_t signs[32];
    uint8_t scales[4];
};
static_assert(sizeof(BlockIQ3_S) == 110);

// 11-bit grid numbers; a word of qh a group of 32: four times 3 high bits, a 3-bit scale, the shift's sign.
struct BlockIQ1_S {
    uint16_t d;
    uint8_t qs[32];
    uint16_t qh[8];
};
static_assert(sizeof(BlockIQ1_S) == 50);

// 11-bit grid numbers; a nibble of qh: 3 high bits and the shift's sign; a word of scales: four 3-bit scales
// for 16 columns each, and 4 bits of d.
struct BlockIQ1_M {
    uint8_t qs[32];
    uint8_t qh[16];
    uint8_t scales[8];
};
static_assert(sizeof(BlockIQ1_M) == 56);

// value = d * (digit - 1). Five base-3 digits a byte of qs, four a byte of qh (read_trits):
// columns 32 n + i are digit n of byte i, columns 160 + 16 n + i digit n of byte 32 + i, 240 + 4 n + i of
// qh[i].
struct BlockTQ1_0 {
    uint8_t qs[48];
    uint8_t qh[4];
    uint16_t d;
};
static_assert(sizeof(BlockTQ1_0) == 54);

// 2-bit codes in stripes of 32 columns, as in Q2_K. value = d * (code - 1)
struct BlockTQ2_0 {
    uint8_t qs[64];
    uint16_t d;
};
static_assert(sizeof(BlockTQ2_0) == 66);

static constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

// Twice the E2M1 numbers, so that they are whole.
static constexpr int8_t kMxfp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// A scale of NVFP4 without the bit that it has no use for; its one pattern of "not a number" is zero.
static inline uint8_t read_ue4m3(uint8_t d) {
    return d == 0x7f ? 0 : d & 0x7f;
}

// Digit n of a byte of TQ1_0, the most significant first: the byte is the digits' number * 256 / 243, rounded
// up.
static inline uint8_t read_trit(uint8_t byte, int n) {
    constexpr uint8_t kPowers[5] = {1, 3, 9, 27, 81};
    const auto rest = static_cast<uint8_t>(byte * kPowers[n]);
    return static_cast<uint8_t>((rest * 3) >> 8);
}

// The 256 digits of TQ1_0, 0..2.
static inline void read_trits(const BlockTQ1_0& block, uint8_t* digits) {
    for (int n = 0; n < 5; ++n) {
        for (int i = 0; i < 32; ++i) digits[32 * n + i] = read_trit(block.qs[i], n);
        for (int i = 0; i < 16; ++i) digits[160 + 16 * n + i] = read_trit(block.qs[32 + i], n);
    }
    for (int n = 0; n < 4; ++n)
        for (int i = 0; i < 4; ++i) digits[240 + 4 * n + i] = read_trit(block.qh[i], n);
}

// The 6-bit scale of group 0..7 of IQ4_XS, centred: -32..31.
static inline int8_t read_scale_iq4(const BlockIQ4_XS& block, int group) {
    const int low = (block.scales_l[group / 2] >> (4 * (group % 2))) & 15;
    const int high = (block.scales_h >> (2 * group)) & 3;
    return static_cast<int8_t>((low | (high << 4)) - 32);
}

// The 6-bit scale and minimum of group 0..7 in the 12 bytes of Q4_K and Q5_K.
static inline void read_scale_and_minimum(const uint8_t* scales, int group, uint8_t& scale,
                                          uint8_t& minimum) {
    if (group < 4) {
        scale = scales[group] & 63;
        minimum = scales[group + 4] & 63;
    } else {
        scale = static_cast<uint8_t>((scales[group + 4] & 15) | ((scales[group - 4] >> 6) << 4));
        minimum = static_cast<uint8_t>((scales[group + 4] >> 4) | ((scales[group] >> 6) << 4));
    }
}

// The 6-bit scale of group 0..15 in the 12 bytes of Q3_K, centred: -32..31.
static inline int8_t read_scale_q3(const uint8_t* scales, int group) {
    const int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
    const int high = (scales[8 + group % 4] >> (2 * (group / 4))) & 3;
    return static_cast<int8_t>((low | (high << 4)) - 32);
}

}  // namespace hearth
