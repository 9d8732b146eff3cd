// One small vector type, so that a kernel is written once and the instruction set is a header.
//
// Each header defines, in the namespace of its instruction set and with internal linkage:
//   kWidth, Floats, Mask             how many floats a vector holds; vectors; the outcome of a comparison
//   load, store, splat               unaligned memory; *_first(.., n) touches the first n < kWidth floats
//   only
//   + - * / fma maximum minimum      maximum and minimum return the second operand where one is NaN
//   less | select                    select(mask, yes, no)
//   sum, largest                     across one vector
//   sums                             lane i is the sum of vector i's lanes
//   swap_lanes<N>                    lane i is lane i ^ N
//   transpose                        kWidth vectors as the rows of a matrix
//   deinterleave, interleave         pairs (even, odd) over two vectors
//   scale_by_power                   p * 2^n, see exponential(); scale_down_by_power: n from
//                                    kLeastPower, which gives 0, to 0
//   load_f16, load_bf16, load_i8, store_f16, half_to_float, float_to_half   (ties to even)
//   load_i4<High>                    the low or high halves of kWidth bytes, less 8
//
// A translation unit defines HEARTH_ISA_NAMESPACE and one HEARTH_SIMD_* before it includes this.
#pragma once

#if defined(HEARTH_SIMD_AVX512)
#include "cpu/rows/simd_avx512.h"
#elif defined(HEARTH_SIMD_AVX2)
#include "cpu/rows/simd_avx2.h"
#elif defined(HEARTH_SIMD_NEON)
#include "cpu/rows/simd_neon.h"
#else
#include "cpu/rows/simd_scalar.h"
#endif
