// Which instruction sets this build holds and this processor has.
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

constexpr int kLastIsa = HEARTH_ISA_DOTPROD;

// Bit i is set where instruction set i is built in and usable here (the operating system saves its registers
// too).
uint32_t available_isas();

#if defined(__x86_64__)
// Whether this processor has AVX512-VBMI or AVX512-BF16, for kernels of HEARTH_ISA_AVX512.
bool has_vbmi();
bool has_bf16();
// Whether it has AVX-VNNI, for those of HEARTH_ISA_AVX2.
bool has_avx_vnni();
#endif

hearth_isa best_isa();

// Resolves HEARTH_ISA_BEST; throws HEARTH_UNSUPPORTED for a set that cannot run here, naming those that can.
hearth_isa resolve_isa(int32_t asked);

const char* isa_name(hearth_isa isa);

}  // namespace hearth
