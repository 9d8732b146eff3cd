#define HEARTH_BLOCK_QUANTIZER block_quantizer_baseline
#include "cpu/quantize/kernels.inl"
