// The feed-forward block of a mixture of 8 experts, 2 for a row, beside a dense one that multiplies as many
// weights a row: gate and up, silu, down, and for the mixture the router and the weighted sum too. Both take
// turns; of_dense is the mixture's rows a second over the dense block's.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/types.h"
#include "cpu/experts.h"
#include "cpu/isa.h"
#include "cpu/linear.h"
#include "cpu/operations.h"
#include "cpu/routing.h"
#include "measure.h"
#include "weight_samples.h"

namespace {

using hearth_benchmarks::fast_tenth;
using hearth_benchmarks::now;
using hearth_benchmarks::pool;

constexpr int64_t kWidth = 2048, kInner = 1024, kExperts = 8, kChosen = 2;
constexpr hearth_activation_parameters kSilu{HEARTH_FUNCTION_SILU, 0, 0, 0, 0};

hearth::PackedWeight make_weight(hearth_type type, int64_t rows, int64_t columns, int64_t stack) {
    const auto sample = hearth_tests::sample_blocks(type, 16, columns, 1);
    std::vector<uint8_t> file(sample.size() / 16 * static_cast<size_t>(rows * stack));
    for (size_t i = 0; i < file.size(); i += sample.size())
        std::memcpy(&file[i], sample.data(), std::min(sample.size(), file.size() - i));
    return hearth::pack_weight(hearth::best_isa(), type, rows, columns, file.data(), pool(), stack);
}

// The weights of one layer: a stack of experts, or one matrix as wide as the chosen ones together.
struct Layer {
    hearth::PackedWeight router, gate, up, down;

    Layer(hearth_type type, int64_t inner, int64_t stack)
        : router(make_weight(HEARTH_TYPE_F32, kExperts, kWidth, 1)),
          gate(make_weight(type, inner, kWidth, stack)),
          up(make_weight(type, inner, kWidth, stack)),
          down(make_weight(type, kWidth, inner, stack)) {}
};

struct Block {
    hearth_isa isa = hearth::best_isa();
    int64_t rows;
    std::vector<Layer> mixtures, dense;
    size_t next = 0;
    std::vector<float> input, scores, weights, choices, gate, up, pieces, output;
    hearth::Buffer scratch, router_scratch;

    Block(hearth_type type, int64_t rows, int layers)
        : rows(rows),
          input(hearth_tests::sample_floats(static_cast<size_t>(rows * kWidth), 2)),
          scores(static_cast<size_t>(rows * kExperts)),
          weights(static_cast<size_t>(rows * kChosen)),
          choices(static_cast<size_t>(rows * kChosen)),
          gate(static_cast<size_t>(rows * kChosen * kInner)),
          up(gate.size()),
          pieces(static_cast<size_t>(rows * kChosen * kWidth)),
          output(static_cast<size_t>(rows * kWidth)),
          router_scratch(hearth::route_scratch_bytes(kExperts, pool().threads())) {
        // As many bytes of both kinds, so that both come from the same depth of the machine's memory.
        for (int i = 0; i < layers; ++i) mixtures.emplace_back(type, kInner, kExperts);
        for (int i = 0; i < layers * kExperts / kChosen; ++i) dense.emplace_back(type, kChosen * kInner, 1);
        const hearth_type types[] = {type, HEARTH_TYPE_F32};  // the experts, the router
        scratch = hearth::Buffer(std::max(
            {hearth::linear_scratch_bytes(isa, rows, kChosen * kInner, types, 1),
             hearth::linear_scratch_bytes(isa, rows, kWidth, types, 2),
             hearth::expert_scratch_bytes(isa, {rows, kChosen, kExperts, kWidth, true, {type, type}}),
             hearth::expert_scratch_bytes(isa, {rows, kChosen, kExperts, kInner, false, {type, type}})}));
    }

    void linear(const float* from, int64_t columns, std::vector<hearth::LinearOutput> to) {
        hearth::linear(
            isa, {from, columns, rows, columns, to.data(), static_cast<int>(to.size()), HEARTH_FUNCTION_NONE},
            scratch, pool());
    }

    void activate() {
        const int64_t width = kChosen * kInner;
        hearth::activation(isa, kSilu, {gate.data(), rows, width}, up.data(), {gate.data(), rows, width},
                           pool());
    }

    void run_dense() {
        const Layer& layer = dense[next % dense.size()];
        linear(input.data(), kWidth,
               {{&layer.gate, nullptr, gate.data(), layer.gate.rows},
                {&layer.up, nullptr, up.data(), layer.up.rows}});
        activate();
        linear(gate.data(), kChosen * kInner, {{&layer.down, nullptr, output.data(), kWidth}});
    }

    void run_mixture() {
        const Layer& layer = mixtures[next % mixtures.size()];
        linear(input.data(), kWidth, {{&layer.router, nullptr, scores.data(), kExperts}});
        // Other experts each time, whatever the router's weights are.
        for (size_t i = 0; i < scores.size(); ++i)
            scores[i] = static_cast<float>((i * 7919 + next * 104729) % 1009) * 0.01f;
        hearth::route(isa,
                      {{scores.data(), rows, kExperts},
                       nullptr,
                       {weights.data(), rows, kChosen},
                       {choices.data(), rows, kChosen},
                       {kChosen, HEARTH_GATING_SOFTMAX, 0, 0, 1, 0, 6.1e-5f, 1.0f, 1}},
                      router_scratch, pool());
        const hearth::ExpertOutput inner[] = {{&layer.gate, nullptr, gate.data()},
                                              {&layer.up, nullptr, up.data()}};
        hearth::expert_linear(isa, {input.data(), choices.data(), rows, kChosen, kWidth, true, inner, 2},
                              scratch, pool());
        activate();
        const hearth::ExpertOutput outer{&layer.down, nullptr, pieces.data()};
        hearth::expert_linear(isa, {gate.data(), choices.data(), rows, kChosen, kInner, false, &outer, 1},
                              scratch, pool());
        hearth::expert_sum(isa, {pieces.data(), rows, kChosen * kWidth}, {weights.data(), rows, kChosen},
                           {output.data(), rows, kWidth}, pool());
    }
};

template <typename Run>
double time(Run&& run) {
    const double start = now(pool());
    run();
    return now(pool()) - start;
}

void feed_forward(benchmark::State& state, hearth_type type) {
    Block block(type, state.range(0), state.range(0) <= 8 ? 6 : 1);
    std::vector<double> mixture, dense;
    for (auto _ : state) {
        mixture.push_back(time([&] { block.run_mixture(); }));
        dense.push_back(time([&] { block.run_dense(); }));
        ++block.next;
        state.SetIterationTime(mixture.back());
    }
    const double rate = static_cast<double>(block.rows) / fast_tenth(mixture);
    const double dense_rate = static_cast<double>(block.rows) / fast_tenth(dense);
    state.counters["rows/s"] = rate;
    state.counters["dense_rows/s"] = dense_rate;
    state.counters["of_dense"] = rate / dense_rate;
}

const bool registered = [] {
    for (const hearth_type type : {HEARTH_TYPE_Q8_0, HEARTH_TYPE_Q4_K, HEARTH_TYPE_MXFP4, HEARTH_TYPE_BF16})
        benchmark::RegisterBenchmark((std::string("experts/") + hearth::type_info(type).name).c_str(),
                                     feed_forward, type)
            ->Arg(1)
            ->Arg(8)
            ->Arg(64)
            ->Arg(512)
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
    return true;
}();

}  // namespace
