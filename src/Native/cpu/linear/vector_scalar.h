// The vector layer for any processor: the compiler's generic vectors, which it cuts into what the processor
// family always has.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/formats/half.h"
#include "cpu/linear/layout.h"

namespace hearth {
namespace {

struct Isa {
    static constexpr int kLanes = 16;
    static constexpr int kTileSizes[] = {1, 4, 0};

    typedef float F __attribute__((vector_size(64)));
    typedef int32_t I __attribute__((vector_size(64)));
    typedef uint32_t B __attribute__((vector_size(64)));  // byte j of a word: column j of the quad

    static F zero() { return F{}; }
    static F splat(float x) { return x - F{}; }
    static F load(const float* p) {
        F result;
        std::memcpy(&result, p, sizeof result);
        return result;
    }
    static void store(float* p, F a) { std::memcpy(p, &a, sizeof a); }

    // convert(i) for every lane; a loop the compiler need not unroll.
    template <typename Convert>
    static F gather(Convert convert) {
        float lanes[16];
        for (int i = 0; i < 16; ++i) lanes[i] = convert(i);
        return load(lanes);
    }
    static F load_half(const uint8_t* p) {
        uint16_t h[16];
        std::memcpy(h, p, sizeof h);
        return gather([&](int i) { return float_from_half(h[i]); });
    }
    // Words of two bfloat16, and one of them as float32.
    static I load_pairs(const uint8_t* p) { return reinterpret_cast<I>(load_codes(p)); }
    static F first(I pairs) { return reinterpret_cast<F>(pairs << 16); }
    static F second(I pairs) { return reinterpret_cast<F>(pairs & -65536); }
    static F load_i8(const uint8_t* p) {
        return gather([&](int i) { return static_cast<float>(static_cast<int8_t>(p[i])); });
    }
    static F load_low_nibbles(const uint8_t* p) {
        return gather([&](int i) { return static_cast<float>(p[i] & 15); });
    }
    static F load_high_nibbles(const uint8_t* p) {
        return gather([&](int i) { return static_cast<float>(p[i] >> 4); });
    }

    // 2 s + 1 for the nibbles s at a shift of 0 or 4.
    static F load_odd(const uint8_t* p, int shift) {
        return gather([&](int i) { return static_cast<float>(2 * ((p[i] >> shift) & 15) + 1); });
    }

    // A float of 8 bits, E4M3 without a sign, shrunk by 2^-8: half precision has its mantissa and exponent.
    static F load_float8(const uint8_t* p) {
        return gather([&](int i) { return float_from_half(static_cast<uint16_t>(p[i] << 7)); });
    }

    // 2^(e - 128), as a product of two powers so that the smallest, which are subnormal, come out too.
    static F load_exponent(const uint8_t* p) {
        return gather([&](int i) {
            const uint32_t half = p[i] / 2u, rest = p[i] - half;
            return float_from_bits((half + 63) << 23) * float_from_bits((rest + 63) << 23);
        });
    }

    static int32_t pair(int first, int second) {
        return static_cast<int32_t>((static_cast<uint32_t>(first) & 0xffffu) | static_cast<uint32_t>(second)
                                                                                   << 16);
    }
    // Bytes widened to pairs of 16 bits, two a lane.
    template <typename Byte>
    static I widen_pairs(const uint8_t* p) {
        I result;
        for (int i = 0; i < 16; ++i)
            result[i] = static_cast<int32_t>((static_cast<uint32_t>(static_cast<Byte>(p[2 * i])) & 0xffffu) |
                                             static_cast<uint32_t>(static_cast<Byte>(p[2 * i + 1])) << 16);
        return result;
    }
    static I load_u8_pairs(const uint8_t* p) { return widen_pairs<uint8_t>(p); }
    static I load_i8_pairs(const uint8_t* p) { return widen_pairs<int8_t>(p); }
    // Of each 16 bits, those of a under kFirst and those of b, shifted up (down where negative), under
    // kSecond.
    template <int kShift, int kFirst, int kSecond>
    static I join_bits(I a, I b) {
        const B bits = reinterpret_cast<B>(b);
        return reinterpret_cast<I>(
            (reinterpret_cast<B>(a) & (kFirst * 0x10001u)) |
            ((kShift > 0 ? bits << (kShift > 0 ? kShift : 0) : bits >> (kShift < 0 ? -kShift : 0)) &
             (kSecond * 0x10001u)));
    }
    static I splat_word(const int32_t* p) { return *p - I{}; }
    static I set_bits(I a, int bits) { return a | bits; }
    // The 16 bits above the lowest kShift of a and of b.
    template <int kShift>
    static I pair_up(I a, I b) {
        return ((a >> kShift) & 0xffff) | ((b >> kShift) << 16);
    }
    // sum += both 16-bit halves of a lane * those of b.
    static I dot_words(I sum, I a, I b) {
        return sum + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
    }

    static F multiply(F a, F b) { return a * b; }
    static F fma(F a, F b, F c) { return a * b + c; }
    static F negative_fma(F a, F b, F c) { return c - a * b; }

    static I add(I a, I b) { return a + b; }
    static F to_float(I a) { return __builtin_convertvector(a, F); }

    static B load_codes(const uint8_t* p) {
        B result;
        std::memcpy(&result, p, sizeof result);
        return result;
    }
    // Bits moved up by kShift (down where negative), then masked.
    template <int kShift, int kMask>
    static B take_bits(B a) {
        constexpr uint32_t kBytes = kMask * 0x01010101u;
        if constexpr (kShift >= 0)
            return (a << kShift) & kBytes;
        else
            return (a >> -kShift) & kBytes;
    }
    template <int kShift, int kMask>
    static B merge_bits(B low, B a) {
        return low | take_bits<kShift, kMask>(a);
    }

    // table [16] at every 4-bit code.
    static B look_up(B codes, const uint8_t* table) {
        uint8_t bytes[64];
        std::memcpy(bytes, &codes, sizeof bytes);
        for (uint8_t& byte : bytes) byte = table[byte & 15];
        return load_codes(bytes);
    }

    // The sum that a group's accumulator starts with so that codes count from 1 << kShift.
    template <int kBits, int kShift>
    static I start(const int32_t* sum) {
        if constexpr (kShift < 0)
            return I{};
        else
            return *sum * (1 << kShift) - I{};
    }
    static I dot(I sum, B codes, const int32_t* quad) {
        int8_t a[4];
        std::memcpy(a, quad, sizeof a);
        return sum + reinterpret_cast<I>(codes & 255) * a[0] +
               reinterpret_cast<I>((codes >> 8) & 255) * a[1] +
               reinterpret_cast<I>((codes >> 16) & 255) * a[2] + reinterpret_cast<I>(codes >> 24) * a[3];
    }
    // sum += codes0 * quad0 + codes1 * quad1; codes have kBits bits.
    template <int kBits>
    static I dot_pair(I sum, B codes0, const int32_t* quad0, B codes1, const int32_t* quad1) {
        return dot(dot(sum, codes0, quad0), codes1, quad1);
    }
    static void prefetch(const uint8_t*) {}

    // Rounds x * inverse to the codes of one or two groups and sums each half of a group.
    template <int kGroups>
    static void round_codes(const float* x, float inverse, int8_t* codes, int32_t* sums) {
        for (int i = 0; i < 2 * kGroups; ++i) sums[i] = 0;
        for (int i = 0; i < kGroupColumns * kGroups; ++i) {
            // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even.
            const float rounded = (x[i] * inverse + 12582912.0f) - 12582912.0f;
            const int code = static_cast<int>(rounded);
            codes[i] = static_cast<int8_t>(code);
            sums[i / 16] += code;
        }
    }
    // The bits of the largest magnitude; NaN counts as larger than infinity.
    template <int kGroups>
    static uint32_t largest_magnitude(const float* x) {
        uint32_t largest = 0;
        for (int i = 0; i < kGroupColumns * kGroups; ++i) {
            const uint32_t bits = bits_from_float(x[i]) & 0x7fffffffu;
            largest = bits > largest ? bits : largest;
        }
        return largest;
    }
};

}  // namespace
}  // namespace hearth
