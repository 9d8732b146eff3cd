// Which instruction sets can be had, and what is said about those that cannot.
#include "cpu/isa.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/error.h"
#include "cpu/linear/tiles.h"

namespace {

using hearth::available_isas;
using hearth::isa_name;

bool available(int isa) {
    return (available_isas() >> isa & 1) != 0;
}

TEST(Isa, TheBestIsTheLastThatIsAvailable) {
    EXPECT_TRUE(available(hearth::best_isa()));
    for (int isa = hearth::best_isa() + 1; isa <= hearth::kLastIsa; ++isa) EXPECT_FALSE(available(isa));
    EXPECT_EQ(hearth::resolve_isa(HEARTH_ISA_BEST), hearth::best_isa());
}

TEST(Isa, EverySetHasAName) {
    std::set<std::string> names;
    for (int isa = 0; isa <= hearth::kLastIsa; ++isa) names.insert(isa_name(static_cast<hearth_isa>(isa)));
    EXPECT_EQ(names.size(), static_cast<size_t>(hearth::kLastIsa + 1));
    EXPECT_EQ(names.count("unknown"), 0u);
}

TEST(Isa, EverySetHasItsOwnProducts) {
    std::set<const hearth::LinearKernels*> tables;
    int sets = 0;
    for (int isa = 0; isa <= hearth::kLastIsa; ++isa)
        if (available(isa)) {
            tables.insert(&hearth::linear_kernels(static_cast<hearth_isa>(isa)));
            ++sets;
        }
    EXPECT_EQ(tables.size(), static_cast<size_t>(sets));
}

TEST(Isa, NeonIsInEveryArmProcessorAndInNoOther) {
#if defined(__aarch64__)
    EXPECT_TRUE(available(HEARTH_ISA_NEON));
    EXPECT_FALSE(available(HEARTH_ISA_AVX2) || available(HEARTH_ISA_AVX512));
#else
    EXPECT_FALSE(available(HEARTH_ISA_NEON) || available(HEARTH_ISA_DOTPROD));
#endif
}

TEST(Isa, ASetThatCannotRunHereIsRefusedWithThoseThatCan) {
    for (const int isa : {-2, 1, 2, 3, 4, 5}) {
        if (isa >= 0 && isa <= hearth::kLastIsa && available(isa)) {
            EXPECT_EQ(hearth::resolve_isa(isa), isa);
            continue;
        }
        try {
            hearth::resolve_isa(isa);
            ADD_FAILURE() << "set " << isa << " was taken";
        } catch (const hearth::Error& error) {
            EXPECT_EQ(error.status(), HEARTH_UNSUPPORTED);
            const std::string message = error.what();
            EXPECT_NE(message.find(isa_name(static_cast<hearth_isa>(isa))), std::string::npos) << message;
            EXPECT_NE(message.find("available: scalar"), std::string::npos) << message;
        }
    }
}

TEST(Isa, PeakLoopsOfEverySetTakeTheirRounds) {
    for (int isa = 0; isa <= hearth::kLastIsa; ++isa) {
        if (!available(isa)) continue;
        const hearth::PeakLoops& loops = hearth::linear_kernels(static_cast<hearth_isa>(isa)).peak;
        // Every round adds the same, so what three rounds add is three times what one adds.
        const int64_t none = loops.int8(0), one = loops.int8(1) - none, three = loops.int8(3) - none;
        EXPECT_GT(one, 0) << isa_name(static_cast<hearth_isa>(isa));
        EXPECT_EQ(three, 3 * one) << isa_name(static_cast<hearth_isa>(isa));
        EXPECT_GT(loops.int8_products, 0);
        EXPECT_GT(loops.float32_products, 0);
    }
}

}  // namespace
