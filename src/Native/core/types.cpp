#include "core/types.h"

#include <string>

#include "core/error.h"
#include "core/formats/blocks.h"

namespace hearth {

namespace {

constexpr TypeInfo kTypes[] = {
    {HEARTH_TYPE_F32, "F32", 1, 4},
    {HEARTH_TYPE_F16, "F16", 1, 2},
    {HEARTH_TYPE_BF16, "BF16", 1, 2},
    {HEARTH_TYPE_Q4_0, "Q4_0", kBlockColumns, sizeof(BlockQ4_0)},
    {HEARTH_TYPE_Q4_1, "Q4_1", kBlockColumns, sizeof(BlockQ4_1)},
    {HEARTH_TYPE_Q5_0, "Q5_0", kBlockColumns, sizeof(BlockQ5_0)},
    {HEARTH_TYPE_Q5_1, "Q5_1", kBlockColumns, sizeof(BlockQ5_1)},
    {HEARTH_TYPE_Q8_0, "Q8_0", kBlockColumns, sizeof(BlockQ8_0)},
    {HEARTH_TYPE_Q2_K, "Q2_K", kSuperColumns, sizeof(BlockQ2_K)},
    {HEARTH_TYPE_Q3_K, "Q3_K", kSuperColumns, sizeof(BlockQ3_K)},
    {HEARTH_TYPE_Q4_K, "Q4_K", kSuperColumns, sizeof(BlockQ4_K)},
    {HEARTH_TYPE_Q5_K, "Q5_K", kSuperColumns, sizeof(BlockQ5_K)},
    {HEARTH_TYPE_Q6_K, "Q6_K", kSuperColumns, sizeof(BlockQ6_K)},
    {HEARTH_TYPE_IQ4_NL, "IQ4_NL", kBlockColumns, sizeof(BlockIQ4_NL)},
    {HEARTH_TYPE_IQ4_XS, "IQ4_XS", kSuperColumns, sizeof(BlockIQ4_XS)},
    {HEARTH_TYPE_IQ2_XXS, "IQ2_XXS", kSuperColumns, sizeof(BlockIQ2_XXS)},
    {HEARTH_TYPE_IQ2_XS, "IQ2_XS", kSuperColumns, sizeof(BlockIQ2_XS)},
    {HEARTH_TYPE_IQ2_S, "IQ2_S", kSuperColumns, sizeof(BlockIQ2_S)},
    {HEARTH_TYPE_IQ3_XXS, "IQ3_XXS", kSuperColumns, sizeof(BlockIQ3_XXS)},
    {HEARTH_TYPE_IQ3_S, "IQ3_S", kSuperColumns, sizeof(BlockIQ3_S)},
    {HEARTH_TYPE_IQ1_S, "IQ1_S", kSuperColumns, sizeof(BlockIQ1_S)},
    {HEARTH_TYPE_IQ1_M, "IQ1_M", kSuperColumns, sizeof(BlockIQ1_M)},
    {HEARTH_TYPE_TQ1_0, "TQ1_0", kSuperColumns, sizeof(BlockTQ1_0)},
    {HEARTH_TYPE_TQ2_0, "TQ2_0", kSuperColumns, sizeof(BlockTQ2_0)},
    {HEARTH_TYPE_MXFP4, "MXFP4", kBlockColumns, sizeof(BlockMXFP4)},
    {HEARTH_TYPE_NVFP4, "NVFP4", 64, sizeof(BlockNVFP4)},
    {HEARTH_TYPE_Q1_0, "Q1_0", 128, sizeof(BlockQ1_0)},
    {HEARTH_TYPE_Q2_0, "Q2_0", 64, sizeof(BlockQ2_0)},
    {HEARTH_TYPE_Q2_0_G128, "Q2_0_G128", 128, sizeof(BlockQ2_0_G128)},
};

}  // namespace

const TypeInfo* find_type(int32_t type) {
    for (const TypeInfo& info : kTypes)
        if (info.type == type) return &info;
    return nullptr;
}

const TypeInfo& type_info(int32_t type) {
    if (const TypeInfo* info = find_type(type)) return *info;
    std::string names;
    for (const TypeInfo& info : kTypes) names += std::string(names.empty() ? "" : ", ") + info.name;
    fail(HEARTH_UNSUPPORTED, "tensor type %d is not built in; known: %s", type, names.c_str());
}

size_t matrix_bytes(const TypeInfo& type, int64_t rows, int64_t columns) {
    if (rows < 1 || columns < 1)
        fail(HEARTH_INVALID_ARGUMENT, "a %s matrix needs rows and columns of at least 1, got %lld x %lld",
             type.name, static_cast<long long>(rows), static_cast<long long>(columns));
    if (columns % type.block != 0)
        fail(HEARTH_INVALID_ARGUMENT, "columns of a %s matrix must be a multiple of %d, got %lld", type.name,
             type.block, static_cast<long long>(columns));
    size_t row_bytes, bytes;
    if (__builtin_mul_overflow(static_cast<size_t>(columns / type.block),
                               static_cast<size_t>(type.block_bytes), &row_bytes) ||
        __builtin_mul_overflow(row_bytes, static_cast<size_t>(rows), &bytes) || bytes > SIZE_MAX / 4)
        fail(HEARTH_INVALID_ARGUMENT, "a %s matrix of %lld x %lld is too large", type.name,
             static_cast<long long>(rows), static_cast<long long>(columns));
    return bytes;
}

size_t stack_bytes(const TypeInfo& type, int64_t stack, int64_t rows, int64_t columns) {
    size_t bytes;
    if (stack < 1 ||
        __builtin_mul_overflow(matrix_bytes(type, rows, columns), static_cast<size_t>(stack), &bytes) ||
        bytes > SIZE_MAX / 4)
        fail(HEARTH_INVALID_ARGUMENT, "%lld %s matrices of %lld x %lld are out of range",
             static_cast<long long>(stack), type.name, static_cast<long long>(rows),
             static_cast<long long>(columns));
    return bytes;
}

}  // namespace hearth
