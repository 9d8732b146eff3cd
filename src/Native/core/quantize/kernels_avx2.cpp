#define HEARTH_BLOCK_QUANTIZER block_quantizer_avx2
#include "core/quantize/kernels.inl"
