#define HEARTH_BLOCK_QUANTIZER block_quantizer_avx2
#include "cpu/quantize/kernels.inl"
