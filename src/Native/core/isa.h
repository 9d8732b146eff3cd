// Which instruction sets this build holds and this processor has.
#pragma once

#include <cstdint>

#include "hearth.h"

namespace hearth {

constexpr int kLastIsa = HEARTH_ISA_DOTPROD;

// Bit i is set where instruction set i is built in and usable here (the operating system saves its registers
// too).
uint32_t available_isas();

hearth_isa best_isa();

// Resolves HEARTH_ISA_BEST; throws HEARTH_UNSUPPORTED for a set that cannot run here, naming those that can.
hearth_isa resolve_isa(int32_t asked);

const char* isa_name(hearth_isa isa);

}  // namespace hearth
