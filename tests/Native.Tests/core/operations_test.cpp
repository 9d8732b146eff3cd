// operations.def against what the rest of core makes of it.
#include "core/operations.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/error.h"
#include "core/program.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

constexpr int kLast = HEARTH_WKV;

TEST(Operations, AreKnownByTheirNumbers) {
    std::set<std::string> names;
    for (int kind = 1; kind <= kLast; ++kind) {
        ASSERT_NE(hearth::find_operation(kind), nullptr) << kind;
        names.insert(hearth::operation_name(kind));
    }
    EXPECT_EQ(names.size(), static_cast<size_t>(kLast));
    for (const int kind : {INT32_MIN, -1, 0, kLast + 1, INT32_MAX}) {
        EXPECT_EQ(hearth::find_operation(kind), nullptr) << kind;
        EXPECT_STREQ(hearth::operation_name(kind), "unknown");
    }
}

TEST(Operations, RefuseMoreThanTheyTake) {
    for (int kind = 1; kind <= kLast; ++kind) {
        const hearth::OperationFacts& facts = hearth::operation_facts(kind);
        const auto refusal = [&](auto fill) {
            ProgramSource s;
            const int32_t table = s.weight(10, 8), x = s.value(8), y = s.value(8);
            s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
            fill(s.add(kind, {}, {}, {}));
            s.result = y;
            try {
                const hearth::Program program(s.program());
            } catch (const hearth::Error& error) {
                return std::string(error.what());
            }
            return std::string();
        };
        if (facts.inputs < HEARTH_INPUTS) {
            EXPECT_NE(refusal([&](hearth_operation& o) {
                          o.input[facts.inputs] = 0;
                      }).find("takes at most " + std::to_string(facts.inputs) + " inputs"),
                      std::string::npos)
                << facts.name;
        }
        if (facts.outputs < 3) {
            EXPECT_NE(refusal([&](hearth_operation& o) {
                          o.output[facts.outputs] = 1;
                      }).find("takes at most " + std::to_string(facts.outputs) + " outputs"),
                      std::string::npos)
                << facts.name;
        }
        if (facts.weights < 6) {
            EXPECT_NE(refusal([&](hearth_operation& o) {
                          o.weight[facts.weights] = 0;
                      }).find("takes at most " + std::to_string(facts.weights) + " weights"),
                      std::string::npos)
                << facts.name;
        }
    }
}

}  // namespace
