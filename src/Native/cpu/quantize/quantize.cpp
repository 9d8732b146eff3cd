#include "cpu/quantize/quantize.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/types.h"
#include "cpu/isa.h"
#include "cpu/quantize/kernels.h"
#include "cpu/quantize/narrow.h"

namespace hearth {

namespace {

BlockQuantizer find_quantizer(hearth_type type) {
#if defined(__x86_64__) || defined(_M_X64)
    if (available_isas() & (1u << HEARTH_ISA_AVX2)) return block_quantizer_avx2(type);
#endif
    return block_quantizer_baseline(type);
}

void check_finite(const float* values, int64_t count, const char* what) {
    for (int64_t i = 0; i < count; ++i)
        if (!std::isfinite(values[i]))
            fail(HEARTH_INVALID_ARGUMENT, "%s %lld is %s", what, static_cast<long long>(i),
                 std::isnan(values[i]) ? "not a number" : "infinite");
}

void check_importance(const float* importance, int64_t columns) {
    check_finite(importance, columns, "the importance of column");
    for (int64_t i = 0; i < columns; ++i)
        if (importance[i] < 0)
            fail(HEARTH_INVALID_ARGUMENT, "the importance of column %lld is %g, expected at least 0",
                 static_cast<long long>(i), static_cast<double>(importance[i]));
}

[[noreturn]] void fail_out_of_range(hearth_type type, const float* values, int64_t count) {
    float largest = 0;
    for (int64_t i = 0; i < count; ++i) largest = std::fmax(largest, std::fabs(values[i]));
    fail(HEARTH_INVALID_ARGUMENT, "a weight of magnitude %g is beyond the range of %s",
         static_cast<double>(largest), type_info(type).name);
}

void narrow(hearth_type type, const float* input, int64_t count, void* output) {
    auto* bytes = static_cast<uint8_t*>(output);
    const uint16_t infinity = type == HEARTH_TYPE_F16 ? 0x7c00 : 0x7f80;
    for (int64_t i = 0; i < count; ++i) {
        const uint16_t value =
            type == HEARTH_TYPE_F16 ? half_from_float(input[i]) : bfloat16_from_float(input[i]);
        if ((value & 0x7fff) == infinity) fail_out_of_range(type, input + i, 1);
        std::memcpy(bytes + 2 * i, &value, sizeof value);
    }
}

// Importance matters only relatively within a block; brought to a mean of one, so that no sum overflows. A
// block without any counts all columns alike.
void level(const float* importance, int columns, float* out) {
    float largest = 0;
    for (int i = 0; i < columns; ++i) largest = std::fmax(largest, importance[i]);
    int exponent = 0;
    if (largest > 0) std::frexp(largest, &exponent);
    for (int i = 0; i < columns; ++i) out[i] = largest > 0 ? std::ldexp(importance[i], -exponent) : 1;
}

}  // namespace

void quantize(hearth_type type, const float* input, int64_t count, int64_t columns, const float* importance,
              void* output) {
    check_finite(input, count, "weight");
    if (importance != nullptr) check_importance(importance, columns);
    if (type == HEARTH_TYPE_F32) {
        std::memcpy(output, input, static_cast<size_t>(count) * sizeof(float));
        return;
    }
    if (type == HEARTH_TYPE_F16 || type == HEARTH_TYPE_BF16) return narrow(type, input, count, output);

    const TypeInfo& info = type_info(type);
    const BlockQuantizer quantize_block = find_quantizer(type);
    if (quantize_block == nullptr) fail(HEARTH_UNSUPPORTED, "nothing is quantized to %s", info.name);
    std::vector<float> weights(static_cast<size_t>(columns), 1.0f);
    if (importance != nullptr)
        for (int64_t i = 0; i < columns; i += info.block)
            level(importance + i, info.block, &weights[static_cast<size_t>(i)]);
    auto* out = static_cast<uint8_t*>(output);
    for (int64_t i = 0; i < count; i += info.block, out += info.block_bytes)
        if (!quantize_block(input + i, &weights[static_cast<size_t>(i % columns)], out))
            fail_out_of_range(type, input + i, info.block);
}

}  // namespace hearth
