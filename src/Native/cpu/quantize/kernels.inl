// Included by one unit an instruction set, which names the table: #define HEARTH_BLOCK_QUANTIZER first.
#include "cpu/quantize/blocks_plain.h"
#include "cpu/quantize/blocks_super.h"
#include "cpu/quantize/kernels.h"

namespace hearth {
namespace {

template <class Block>
bool quantize(const float* input, const float* importance, void* block) {
    Block built;
    if (!quantize_block(input, importance, built)) return false;
    __builtin_memcpy(block, &built, sizeof built);  // output need not be aligned
    return true;
}

}  // namespace

BlockQuantizer HEARTH_BLOCK_QUANTIZER(hearth_type type) {
    switch (type) {
        case HEARTH_TYPE_Q4_0:
            return quantize<BlockQ4_0>;
        case HEARTH_TYPE_Q4_1:
            return quantize<BlockQ4_1>;
        case HEARTH_TYPE_Q5_0:
            return quantize<BlockQ5_0>;
        case HEARTH_TYPE_Q5_1:
            return quantize<BlockQ5_1>;
        case HEARTH_TYPE_Q8_0:
            return quantize<BlockQ8_0>;
        case HEARTH_TYPE_Q2_K:
            return quantize<BlockQ2_K>;
        case HEARTH_TYPE_Q3_K:
            return quantize<BlockQ3_K>;
        case HEARTH_TYPE_Q4_K:
            return quantize<BlockQ4_K>;
        case HEARTH_TYPE_Q5_K:
            return quantize<BlockQ5_K>;
        case HEARTH_TYPE_Q6_K:
            return quantize<BlockQ6_K>;
        case HEARTH_TYPE_IQ4_NL:
            return quantize<BlockIQ4_NL>;
        case HEARTH_TYPE_IQ4_XS:
            return quantize<BlockIQ4_XS>;
        case HEARTH_TYPE_MXFP4:
            return quantize<BlockMXFP4>;
        default:
            return nullptr;
    }
}

}  // namespace hearth
