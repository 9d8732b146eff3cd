// What the tests of the row-wise operations and of attention share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "cpu/isa.h"

namespace hearth_test {

inline std::vector<hearth_isa> isas_here() {
    std::vector<hearth_isa> found;
    for (int i = 0; i <= hearth::kLastIsa; ++i)
        if (hearth::available_isas() & (1u << i)) found.push_back(static_cast<hearth_isa>(i));
    return found;
}

// Normally distributed, the same numbers for the same seed.
inline std::vector<float> normal_floats(size_t count, uint32_t seed, float deviation = 1.0f) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> distribution(0.0f, deviation);
    std::vector<float> x(count);
    for (float& v : x) v = distribution(generator);
    return x;
}

// Largest |actual - expected| relative to max(|expected|, floor); infinite where either is not finite.
inline double largest_error(const float* actual, const std::vector<double>& expected, double floor) {
    double largest = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        const double error = std::abs(actual[i] - expected[i]) / std::max(std::abs(expected[i]), floor);
        if (!(error <= largest)) largest = std::isfinite(error) ? error : INFINITY;
    }
    return largest;
}

// Mean squared error over mean square.
inline double normalized_error(const float* actual, const std::vector<double>& expected) {
    double error = 0, size = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    return error / size;
}

inline double half_value(uint16_t h) {
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    const double sign = h & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

inline double bfloat_value(uint16_t h) {
    const int exponent = (h >> 7) & 255, fraction = h & 127;
    const double sign = h & 0x8000 ? -1.0 : 1.0;
    if (exponent == 255) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? std::ldexp(128 + fraction, exponent - 134) : std::ldexp(fraction, -133));
}

// One value of a row in one of the cache's types, read as GGUF defines it.
inline double cached_value(hearth_type type, const uint8_t* row, int index) {
    const auto u16 = [](const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); };
    switch (type) {
        case HEARTH_TYPE_F32: {
            float x;
            std::memcpy(&x, row + 4 * index, 4);
            return x;
        }
        case HEARTH_TYPE_F16:
            return half_value(u16(row + 2 * index));
        case HEARTH_TYPE_BF16:
            return bfloat_value(u16(row + 2 * index));
        case HEARTH_TYPE_Q8_0: {
            const uint8_t* block = row + index / 32 * 34;
            return half_value(u16(block)) * static_cast<int8_t>(block[2 + index % 32]);
        }
        case HEARTH_TYPE_Q4_0: {
            const uint8_t* block = row + index / 32 * 18;
            const int code = index % 32 < 16 ? block[2 + index % 16] & 15 : block[2 + index % 16] >> 4;
            return half_value(u16(block)) * (code - 8);
        }
        default:
            return NAN;
    }
}

}  // namespace hearth_test
