// Kernels of floating-point types. Part of kernel_template.h, which includes it.
#pragma once

namespace hearth {
namespace {

template <hearth_type kType>
HEARTH_INLINE F load_weights(const uint8_t* panel, int part) {
    constexpr int kLanes = Isa::kLanes;
    if constexpr (kType == HEARTH_TYPE_F32)
        return Isa::load(reinterpret_cast<const float*>(panel) + kLanes * part);
    else
        return Isa::load_half(panel + 2 * kLanes * part);
}

// sums [R] += a column's weights * its activations.
template <int R>
HEARTH_INLINE void multiply_column(F weights, const float* inputs, F* sums) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) sums[r] = Isa::fma(weights, Isa::splat(inputs[r]), sums[r]);
}

template <hearth_type kType, int R>
void float_tile(const uint8_t* panel, const uint8_t* activations, int64_t columns, float* tile) {
    constexpr int kColumnBytes = kPanelRows * (kType == HEARTH_TYPE_F32 ? 4 : 2);
    const auto* inputs = reinterpret_cast<const float*>(activations);
    F sums[kParts][R];
    clear_sums<R>(sums);
    for (int64_t k = 0; k < columns; ++k, panel += kColumnBytes, inputs += R) {
        Isa::prefetch(panel + kPrefetchBytes);
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part)
            multiply_column<R>(load_weights<kType>(panel, part), inputs, sums[part]);
    }
    store_tile<R>(sums, tile);
}

template <int kColumn>
HEARTH_INLINE F load_paired(const uint8_t* panel, int part) {
    const I pairs = Isa::load_pairs(panel + 4 * Isa::kLanes * part);
    return kColumn == 0 ? Isa::first(pairs) : Isa::second(pairs);
}

// Activations that are bfloat16 by their values, but float32 by their form. A column is done before the next
// of its pair: there are too few registers for the activations of both.
template <int R>
void bfloat16_tile(const uint8_t* panel, const uint8_t* activations, int64_t columns, float* tile) {
    const auto* inputs = reinterpret_cast<const float*>(activations);
    F sums[kParts][R];
    clear_sums<R>(sums);
    for (int64_t k = 0; k < columns / 2; ++k, panel += kPairBytes, inputs += 2 * R) {
        Isa::prefetch(panel + kPrefetchBytes);
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part)
            multiply_column<R>(load_paired<0>(panel, part), inputs, sums[part]);
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part)
            multiply_column<R>(load_paired<1>(panel, part), inputs + R, sums[part]);
    }
    if (columns % 2 != 0)
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part)
            multiply_column<R>(load_paired<0>(panel, part), inputs, sums[part]);
    store_tile<R>(sums, tile);
}

// Ties to even. A NaN stays one: its upper half is kept, made quiet.
inline float round_to_bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        bits = (bits | 0x00400000u) & 0xffff0000u;
    else
        bits = (bits + 0x7fffu + ((bits >> 16) & 1)) & 0xffff0000u;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

void prepare_bfloat16(const float* input, int64_t stride, int64_t columns, int rows, int size,
                      uint8_t* tile) {
    auto* values = reinterpret_cast<float*>(tile);
    for (int64_t k = 0; k < columns; ++k)
        for (int r = 0; r < size; ++r)
            values[k * size + r] = r < rows ? round_to_bfloat16(input[r * stride + k]) : 0.0f;
}

}  // namespace
}  // namespace hearth
