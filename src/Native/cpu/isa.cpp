#include "cpu/isa.h"

#include <string>

#if defined(__aarch64__)
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#if !defined(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE)
#define PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE 43
#endif
#elif !defined(__APPLE__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/error.h"

namespace hearth {

#if defined(__x86_64__)
namespace {

// Leaf 1 of cpuid: GCC 12's builtin does not know the feature's name.
bool has_f16c() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 29 & 1) != 0;
}

}  // namespace
#endif

#if defined(__aarch64__)
namespace {

// The instructions are optional before Armv8.4; every Mac with Arm has them.
bool has_dot_product() {
#if defined(__APPLE__)
    return true;
#elif defined(_WIN32)
    return IsProcessorFeaturePresent(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE) != 0;
#else
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
}

}  // namespace
#endif

uint32_t available_isas() {
    static const uint32_t mask = [] {
        uint32_t found = 1u << HEARTH_ISA_SCALAR;
#if defined(__x86_64__)
        __builtin_cpu_init();
        // Every set's units are compiled with what the sets before it may use: a virtual machine may mask
        // some.
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
                          __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
        if (avx2) found |= 1u << HEARTH_ISA_AVX2;
        if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512vnni"))
            found |= 1u << HEARTH_ISA_AVX512;
#elif defined(__aarch64__)
        found |= 1u << HEARTH_ISA_NEON;
        if (has_dot_product()) found |= 1u << HEARTH_ISA_DOTPROD;
#endif
        return found;
    }();
    return mask;
}

#if defined(__x86_64__)
// Leaf 7.1 of cpuid: older compilers do not know the feature's name.
bool has_avx_vnni() {
    static const bool found = [] {
        unsigned a = 0, b = 0, c = 0, d = 0;
        return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1) != 0;
    }();
    return found;
}

bool has_vbmi() {
    static const bool found = __builtin_cpu_supports("avx512vbmi");
    return found;
}

bool has_bf16() {
    static const bool found = __builtin_cpu_supports("avx512bf16");
    return found;
}
#endif

hearth_isa best_isa() {
    const uint32_t mask = available_isas();
    for (int i = kLastIsa; i > 0; --i)
        if (mask & (1u << i)) return static_cast<hearth_isa>(i);
    return HEARTH_ISA_SCALAR;
}

const char* isa_name(hearth_isa isa) {
    switch (isa) {
        case HEARTH_ISA_SCALAR:
            return "scalar";
        case HEARTH_ISA_AVX2:
            return "avx2";
        case HEARTH_ISA_AVX512:
            return "avx512";
        case HEARTH_ISA_NEON:
            return "neon";
        case HEARTH_ISA_DOTPROD:
            return "dotprod";
        default:
            return "unknown";
    }
}

hearth_isa resolve_isa(int32_t asked) {
    if (asked == HEARTH_ISA_BEST) return best_isa();
    if (asked >= 0 && asked <= kLastIsa && (available_isas() & (1u << asked)))
        return static_cast<hearth_isa>(asked);
    std::string names;
    for (int i = 0; i <= kLastIsa; ++i)
        if (available_isas() & (1u << i))
            names += std::string(names.empty() ? "" : ", ") + isa_name(hearth_isa(i));
    fail(HEARTH_UNSUPPORTED, "instruction set %s (%d) cannot run here; available: %s",
         asked >= 0 && asked <= kLastIsa ? isa_name(static_cast<hearth_isa>(asked)) : "unknown", asked,
         names.c_str());
}

}  // namespace hearth
