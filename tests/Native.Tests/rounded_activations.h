// What a kernel is given of its activations, in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/types.h"
#include "cpu/linear/layout.h"
#include "hearth.h"

namespace hearth_tests {

inline double bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
    std::memcpy(&value, &bits, sizeof value);
    return static_cast<double>(value);
}

// What the activations [rows, columns] are for a weight of this type: as they are for F32 and F16, rounded to
// bfloat16 for BF16, else to 8 bits with a scale for 64 of a row.
inline std::vector<double> rounded(const std::vector<float>& input, hearth_type type, int64_t columns) {
    std::vector<double> result(input.begin(), input.end());
    if (type == HEARTH_TYPE_BF16) std::transform(input.begin(), input.end(), result.begin(), bfloat16);
    if (hearth::type_info(type).block == 1) return result;
    const auto width = static_cast<size_t>(columns);
    for (size_t row = 0; row < input.size(); row += width)
        for (size_t begin = row; begin < row + width; begin += 64) {
            const size_t end = std::min(begin + 64, row + width);
            float largest = 0;
            for (size_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(input[i]));
            if (largest == 0) continue;
            const float scale = largest / 127.0f, inverse = 127.0f / largest;
            for (size_t i = begin; i < end; ++i)
                result[i] =
                    static_cast<double>(scale) * std::nearbyint(static_cast<double>(input[i] * inverse));
        }
    return result;
}

// The normalized mean squared error of products with the rounded activations. Sums of 24 bits: about 1e-13 a
// value; where integer scales meet sums of 16 bits, about 1e-7.
inline double products_tolerance(hearth_type type) {
    return hearth::layout_of(type).pairs_groups() ? 1e-6 : 1e-11;
}

}  // namespace hearth_tests
