// What the checker must refuse, and what the planner must never do.
#include "core/program.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "core/error.h"
#include "core/plan.h"
#include "program_support.h"

using namespace hearth_test;

namespace {

using hearth::Error;
using hearth::Program;

// A one-layer decoder small enough to read, and easy to break.
ProgramSource decoder() {
    ProgramSource s;
    s.max_output_rows = 4;
    const int32_t table = s.weight(10, 8), norm = s.weight(1, 8), query = s.weight(8, 8),
                  key = s.weight(4, 8), value = s.weight(4, 8), head = s.weight(10, 8);
    const int32_t x = s.value(8), n = s.value(8), q = s.value(8), k = s.value(4), v = s.value(4),
                  r = s.value(8), a = s.value(8), y = s.value(8), g = s.value(8), logits = s.value(10);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_RMS_NORM, {x}, {n}, {norm}).parameters.norm = {1e-5f, 0};
    s.add(HEARTH_LINEAR, {n}, {q, k, v}, {query, key, value});
    s.add(HEARTH_ROPE, {q}, {r}, {}).parameters.rope = {
        HEARTH_ROPE_HALVES, 4, 4, 0, 10000, 1, 0, 1, 32, 1, 0};
    s.add(HEARTH_CACHE_WRITE, {k, v}, {}, {}).parameters.cache_write = {0, 1, 4, 4};
    s.add(HEARTH_ATTENTION, {r}, {a}, {}).parameters.attention = plain_attention(2, 1, 4);
    s.add(HEARTH_ADD, {x, a}, {y}, {});
    s.add(HEARTH_GATHER, {y}, {g}, {});
    s.add(HEARTH_LINEAR, {g}, {logits}, {head});
    s.result = logits;
    return s;
}

TEST(Program, AcceptsADecoder) {
    const ProgramSource source = decoder();
    const Program program(source.program());
    EXPECT_EQ(program.token_limit(), 10);
    ASSERT_EQ(program.cache_layers().size(), 1u);
    EXPECT_EQ(program.cache_layers()[0].kv_heads, 1);
    EXPECT_EQ(program.values()[static_cast<size_t>(source.result)].rows, hearth::RowKind::Output);
}

TEST(Program, RefusesWhatDoesNotFitTogether) {
    struct Case {
        const char* name;
        std::function<void(ProgramSource&)> damage;
    };
    const Case cases[] = {
        {"unknown kind", [](auto& s) { s.operations[1].kind = 99; }},
        {"input that does not exist", [](auto& s) { s.operations[1].input[0] = 77; }},
        {"input below -1", [](auto& s) { s.operations[1].input[0] = -2; }},
        {"read before written", [](auto& s) { s.operations[1].input[0] = 9; }},
        {"written twice", [](auto& s) { s.operations[1].output[0] = 0; }},
        {"weight that does not exist", [](auto& s) { s.operations[2].weight[1] = 1000; }},
        {"missing weight", [](auto& s) { s.operations[2].weight[0] = -1; }},
        {"misshapen weight", [](auto& s) { s.weights[2].columns = 9; }},
        {"weight of no rows", [](auto& s) { s.weights[2].rows = 0; }},
        {"huge weight", [](auto& s) { s.weights[2].rows = INT64_MAX / 2; }},
        {"columns off the block", [](auto& s) { s.weights[2].type = HEARTH_TYPE_Q8_0; }},
        {"unknown type", [](auto& s) { s.weights[2].type = 1234; }},
        {"quantized norm", [](auto& s) { s.weights[1].type = HEARTH_TYPE_F16; }},
        {"value of no width", [](auto& s) { s.widths[3] = 0; }},
        {"negative width", [](auto& s) { s.widths[3] = -5; }},
        {"NaN epsilon", [](auto& s) { s.operations[1].parameters.norm.epsilon = NAN; }},
        {"group that does not divide", [](auto& s) { s.operations[1].parameters.norm.group_width = 3; }},
        {"odd rope", [](auto& s) { s.operations[3].parameters.rope.dimensions = 3; }},
        {"rope beyond the head", [](auto& s) { s.operations[3].parameters.rope.dimensions = 6; }},
        {"negative layer", [](auto& s) { s.operations[4].parameters.cache_write.layer = -1; }},
        {"layer of two shapes", [](auto& s) { s.operations[5].parameters.attention.value_width = 2; }},
        {"heads that kv_heads does not divide",
         [](auto& s) { s.operations[5].parameters.attention.heads = 3; }},
        {"no heads", [](auto& s) { s.operations[5].parameters.attention.kv_heads = 0; }},
        {"chunks of no length",
         [](auto& s) { s.operations[5].parameters.attention.mask = HEARTH_MASK_CHUNKED; }},
        {"buckets without their table",
         [](auto& s) {
             s.operations[5].parameters.attention.bias_buckets = 8;
             s.operations[5].parameters.attention.bias_distance = 20;
         }},
        {"a table without its buckets", [](auto& s) { s.operations[5].weight[1] = 1; }},
        {"a bias between the step and a memory",
         [](auto& s) {
             s.operations[5].parameters.attention.source = HEARTH_SOURCE_MEMORY;
             s.operations[5].parameters.attention.alibi_bias = 8;
         }},
        {"an unknown source", [](auto& s) { s.operations[5].parameters.attention.source = 3; }},
        {"values in the keys of a layer that has its own",
         [](auto& s) { s.operations[5].parameters.attention.values_in_keys = 1; }},
        {"values that are not cached", [](auto& s) { s.operations[4].input[1] = -1; }},
        {"values that the layer has no room for",
         [](auto& s) { s.operations[4].parameters.cache_write.value_width = 0; }},
        {"result that is not gathered", [](auto& s) { s.result = 7; }},
        {"result that does not exist", [](auto& s) { s.result = 99; }},
        {"mixed rows", [](auto& s) { s.operations[8].kind = HEARTH_ADD; }},
    };
    for (const Case& c : cases) {
        ProgramSource source = decoder();
        c.damage(source);
        EXPECT_THROW(Program{source.program()}, Error) << c.name;
    }
    ProgramSource empty = decoder();
    hearth_program program = empty.program();
    program.operation_count = 0;
    EXPECT_THROW(Program{program}, Error);
    program = empty.program();
    program.max_output_rows = program.max_rows + 1;
    EXPECT_THROW(Program{program}, Error);
}

// A convolution, a scan, the delta rule and RWKV's recurrence over one embedding.
ProgramSource with_states() {
    ProgramSource s;
    const int32_t table = s.weight(10, 8), taps = s.weight(1, 3 * 8), decay = s.weight(1, 2),
                  inner = s.weight(8, 8), few = s.weight(2, 8);
    const int32_t x = s.value(8), c = s.value(8), a = s.value(8), b = s.value(8), d = s.value(2),
                  y = s.value(8), o = s.value(8), g = s.value(8), z = s.value(8);
    s.add(HEARTH_EMBED, {}, {x}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    s.add(HEARTH_SHORT_CONVOLUTION, {x}, {c}, {taps}).parameters.convolution = {0, 3, HEARTH_FUNCTION_SILU};
    s.add(HEARTH_LINEAR, {c}, {a, b, d}, {inner, inner, few});
    s.add(HEARTH_SELECTIVE_SCAN, {c, d, a, b}, {y}, {decay}).parameters.scan = {1, 2, 4, 4, 2, 0};
    s.add(HEARTH_DELTA_RULE, {a, b, y, d, d}, {o}, {}).parameters.delta = {2, 2, 2, 4, 4, 1, 0, 0.5f};
    s.add(HEARTH_WKV, {a, b, o, c, a, b}, {z}, {}).parameters.wkv = {3, 2, 4, 4, 0.5f};
    s.add(HEARTH_GATHER, {z}, {g}, {});
    s.result = g;
    return s;
}

TEST(Program, KnowsHowMuchEachOperationRemembers) {
    const ProgramSource source = with_states();
    EXPECT_EQ(Program(source.program()).state_widths(),
              (std::vector<int64_t>{2 * 8, 2 * 4 * 4, 2 * 4 * 4, 2 * 4 * 4}));
}

TEST(Program, RefusesOperationsWithStatesThatDoNotFit) {
    struct Case {
        const char* name;
        std::function<void(ProgramSource&)> damage;
    };
    const Case cases[] = {
        {"one tap", [](auto& s) { s.operations[1].parameters.convolution.taps = 1; }},
        {"more taps than weights", [](auto& s) { s.operations[1].parameters.convolution.taps = 4; }},
        {"a state of two operations", [](auto& s) { s.operations[3].parameters.scan.state = 0; }},
        {"a negative state", [](auto& s) { s.operations[1].parameters.convolution.state = -1; }},
        {"an unknown function", [](auto& s) { s.operations[1].parameters.convolution.function = 99; }},
        {"no heads", [](auto& s) { s.operations[3].parameters.scan.heads = 0; }},
        {"groups that do not divide the heads", [](auto& s) { s.operations[3].parameters.scan.groups = 3; }},
        {"states beyond B", [](auto& s) { s.operations[3].parameters.scan.state_width = 5; }},
        {"no states", [](auto& s) { s.operations[3].parameters.scan.state_width = 0; }},
        {"channels of several values", [](auto& s) { s.operations[3].parameters.scan.decays_by_state = 1; }},
        {"a missing input", [](auto& s) { s.operations[3].input[3] = -1; }},
        {"an input too many", [](auto& s) { s.operations[3].input[5] = 0; }},
        {"key heads that do not divide the heads",
         [](auto& s) { s.operations[4].parameters.delta.key_heads = 3; }},
        {"keys of no width", [](auto& s) { s.operations[4].parameters.delta.key_width = 0; }},
        {"decays of another width", [](auto& s) { s.operations[4].parameters.delta.decay_width = 3; }},
        {"an infinite scale", [](auto& s) { s.operations[4].parameters.delta.scale = INFINITY; }},
        {"heads of no width", [](auto& s) { s.operations[5].parameters.wkv.key_width = 0; }},
        {"heads that do not make up the keys", [](auto& s) { s.operations[5].parameters.wkv.heads = 3; }},
        {"corrections that are half there", [](auto& s) { s.operations[5].input[5] = -1; }},
        {"corrections beside a bonus", [](auto& s) { s.operations[5].weight[0] = 1; }},
        {"a scale that is no number", [](auto& s) { s.operations[5].parameters.wkv.scale = NAN; }},
        {"output rows", [](auto& s) { std::swap(s.operations[5], s.operations[6]); }},
    };
    for (const Case& c : cases) {
        ProgramSource source = with_states();
        c.damage(source);
        EXPECT_THROW(Program{source.program()}, Error) << c.name;
    }
}

TEST(Plan, ValuesBeyondAnyMemoryAreRefused) {
    constexpr int32_t kMost = 1 << 24;
    ProgramSource s;
    s.max_rows = 1 << 20;
    const int32_t table = s.weight(10, kMost);
    int32_t sum = s.value(kMost);
    s.add(HEARTH_EMBED, {}, {sum}, {table}).parameters.embed = {HEARTH_INDEX_TOKEN, 1.0f, 0, 0};
    std::vector<int32_t> living;
    for (int i = 0; i < 6; ++i) {
        living.push_back(s.value(kMost));
        s.add(HEARTH_SOFTCAP, {sum}, {living.back()}, {}).parameters.factor = {1, 0};
    }
    for (const int32_t value : living) {
        const int32_t next = s.value(kMost);
        s.add(HEARTH_ADD, {sum, value}, {next}, {});
        sum = next;
    }
    const int32_t result = s.value(kMost);
    s.add(HEARTH_GATHER, {sum}, {result}, {});
    s.result = result;
    const Program program(s.program());
    EXPECT_THROW(hearth::plan_memory(program, hearth::find_chains(program)), Error);
}

TEST(Plan, LivingValuesNeverOverlap) {
    const ProgramSource source = decoder();
    const Program program(source.program());
    const hearth::Plan plan = hearth::plan_memory(program, hearth::find_chains(program));
    const auto& values = program.values();
    const auto bytes = [&](size_t i) {
        return static_cast<size_t>(values[i].width * program.max_rows(values[i].rows)) * sizeof(float);
    };
    for (size_t i = 0; i < values.size(); ++i) {
        EXPECT_LE(plan.offsets[i] + bytes(i), plan.arena_bytes);
        for (size_t j = 0; j < i; ++j) {
            // Where one ends in the operation that begins the other, the planner may have made them one on
            // purpose.
            const bool together = values[i].first_operation < values[j].last_operation &&
                                  values[j].first_operation < values[i].last_operation;
            const bool overlap =
                plan.offsets[i] < plan.offsets[j] + bytes(j) && plan.offsets[j] < plan.offsets[i] + bytes(i);
            EXPECT_FALSE(together && overlap) << "values " << i << " and " << j;
        }
    }
}

TEST(Plan, MemoryOfFinishedValuesIsUsedAgain) {
    const ProgramSource source = decoder();
    const Program program(source.program());
    size_t all = 0;
    for (const hearth::Value& value : program.values())
        all += static_cast<size_t>(value.width * program.max_rows(value.rows)) * sizeof(float);
    EXPECT_LT(hearth::plan_memory(program, hearth::find_chains(program)).arena_bytes, all);
}

}  // namespace
