#define HEARTH_BLOCK_QUANTIZER block_quantizer_baseline
#include "core/quantize/kernels.inl"
