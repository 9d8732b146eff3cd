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

static constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

// Twice the E2M1 numbers, so that they are whole.
static constexpr int8_t kMxfp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

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
